"""How this process and one that runs futures talk: bytes with their length before them.

A call goes by the name of its function, with its arguments pickled.
"""

from ..errors import ArgumentRefused
from collections.abc import Callable
from typing import Any

import functools
import importlib
import pickle
import socket
import struct

_LENGTH = struct.Struct("!Q")


def send(channel: socket.socket, message: bytes) -> None:
    """Send *message*."""
    channel.sendall(_LENGTH.pack(len(message)))
    channel.sendall(message)


def receive(channel: socket.socket) -> bytes | None:
    """Return the next message; None where the other side has ended."""
    head = _exactly(channel, _LENGTH.size)
    return None if head is None else _exactly(channel, _LENGTH.unpack(head)[0])


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def pack(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> bytes:
    """Return a call of the future *name* as a message.

    Raises:
        ArgumentRefused: Its function is not found by its name, or its arguments do not
            pickle.
    """
    module, qualname = function.__module__, function.__qualname__
    try:
        found = find(module, qualname)
    except (ImportError, AttributeError):
        found = None
    if found is not function:
        reason = (
            f"a process cannot find it as {module}.{qualname}; declare it at the top of a "
            "module, with @future above all other decorators."
        )
        raise ArgumentRefused(name, "its function", reason)
    try:
        packed = pickle.dumps((args, kwargs))
        pickle.loads(packed)
    except Exception as error:
        reason = f"they do not pickle ({error}); pass plainer data to a process."
        raise ArgumentRefused(name, "its arguments", reason) from None
    return pickle.dumps((name, module, qualname, packed))


def find(module: str, qualname: str) -> Any:
    """Return the plain function of that name.

    Raises:
        ImportError, AttributeError: There is none.
    """
    from ..futures import FutureFunction  # which imports this package

    found = functools.reduce(getattr, qualname.split("."), importlib.import_module(module))
    return found.plain if isinstance(found, FutureFunction) else found
