"""Looks up the addresses of a host: one look-up at a time for all calls to that host.

Each look-up runs in a system thread of its own. gevent has ten threads for all look-ups of a
process: if ten of them hang, no call could connect to any host. urllib3 looks up the addresses
that it is given once more: these look-ups do without gevent's threads.
"""

from ..kernel.runtime import current
from ..kernel.waiting import Inbox
from typing import Any

import errno
import ipaddress
import os
import socket

#: The most look-ups at a time. Redirects could lead to any number of hosts.
MOST = 200

#: The inboxes of the calls that wait, by process and host: a fork has no look-up of its parent.
_waiting: dict[tuple[int, str], list[Inbox]] = {}

_lock = current().lock()


def addresses(host: str, seconds: float) -> list[str]:
    """Return the addresses of *host*, the best one first.

    Raises:
        TimeoutError: They are not known within *seconds*.
        OSError, UnicodeError: The host has none, or too many look-ups hang.
    """
    current().look_up_addresses_at_once()  # by urllib3, which connects to one of them
    if _is_address(host):
        return [host.strip("[]")]
    key, mine = (os.getpid(), host), Inbox(current().signal())
    with _lock:
        first = key not in _waiting
        if first and len(_waiting) >= MOST:
            raise OSError(errno.EAGAIN, "too many hosts are being looked up")
        _waiting.setdefault(key, []).append(mine)
    if first:
        _begin(key)
    try:
        mine.signal.wait(seconds)
    finally:
        _leave(key, mine)
    for found in mine.take_all():
        if isinstance(found, Exception):
            raise found
        return list(found)
    raise TimeoutError("timed out")


def _begin(key: tuple[int, str]) -> None:
    try:
        current().thread(target=lambda: _tell(key, _look_up(key[1]))).start()
    except RuntimeError:  # the system has too many threads
        # Told like any outcome, so that the next call begins anew.
        _tell(key, OSError(errno.EAGAIN, "no thread is free to look up the host"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _look_up(host: str) -> list[str] | Exception:
    try:
        found = getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))
    except Exception as error:
        return error.with_traceback(None)


def getaddrinfo(*args: Any) -> list[Any]:
    """Ask the system. gevent has no loop in the thread that does."""
    return list(current().of_the_system("socket", "getaddrinfo")(*args))


def _tell(key: tuple[int, str], found: list[str] | Exception) -> None:
    with _lock:
        waiting = _waiting.pop(key, [])
    for one in waiting:
        one.put(found)


def _leave(key: tuple[int, str], mine: Inbox) -> None:
    with _lock:
        waiting = _waiting.get(key, [])
        if mine in waiting:
            waiting.remove(mine)
