"""Tells developers of a pass that waits for the outside world in its slot: the setting ``debug``.

A thread, under gevent a greenlet, looks at all passes many times a second. A pass waits if it is
seen at the same instruction again and again and has used no CPU meanwhile. So nothing is
patched, and it does not matter what the pass waits with: a socket, ``time.sleep``, C code.

A pass may wait for its database, for its caches, and during its commit.
"""

from ..kernel import checks
from ..kernel.runtime import Runtime
from .watched import DEPTH
from .watched import survive_errors
from .watched import view_name
from .watched import Watched
from collections.abc import Iterator
from collections.abc import Mapping
from http.client import HTTPConnection
from types import FrameType
from typing import NamedTuple

import contextlib
import socket
import sys
import threading
import time
import traceback

#: Seconds between two looks.
PERIOD = 0.03

#: How often a pass is seen at the same place until it waits: for more than a tenth of a second.
SEEN = 5

#: Databases and caches of a site, and what they are asked with; commits, imports, debuggers.
_MAY_WAIT = frozenset(
    (
        *("MySQLdb", "ZEO", "ZODB", "bmemcached", "memcache", "oracledb", "pg8000", "psycogreen"),
        *("psycopg", "psycopg2", "pylibmc", "pymemcache", "pymysql", "redis", "relstorage"),
        *("sqlalchemy", "sqlite3", "transaction", "importlib", "bdb", "_pydevd_bundle"),
    )
)

#: What makes a call of ours where it is asked for: the site wants that, or is told otherwise.
_IN_PLACE = frozenset(
    (
        *("collective.wsgifutures.kernel.calls", "collective.wsgifutures.kernel.waiting"),
        "collective.wsgifutures.upstreams.upstream",
    )
)

#: Where the frames of a pass begin.
_BEGIN = "collective.wsgifutures.wsgi.visit"

#: Packages that wait for others: the call of such a package is what a developer looks for.
_WAIT_FOR_OTHERS = frozenset(("gevent", "httpcore", "httpx", "requests", "urllib3"))


class _Finding(NamedTuple):
    """A wait that is told when it has ended."""

    view: str
    trace: str
    place: str  #: the line that waits
    peer: str  #: what it waits for, after a comma; nothing if that is not known
    stack: str


class _Seen:
    """A place at which a pass was seen."""

    def __init__(self, place: tuple[object, ...], now: float) -> None:
        self.place = place
        self.since = self.last = now
        self.times = 1
        self.finding: _Finding | None = None


class Waits:
    """Looks at the passes of one worker.

    Args:
        running: The passes that are being published; the monitor's.
        runtime: What this process waits with.
    """

    def __init__(self, running: Mapping[int, Watched], runtime: Runtime) -> None:
        self._running = running
        self._runtime = runtime
        self._seen: dict[int, _Seen] = {}

    def start(self) -> None:
        """Look from now on, for as long as the process lives."""
        threading.Thread(target=self._look_for_ever, daemon=True, name="waits").start()

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(PERIOD)
            with survive_errors():
                self.look()

    def look(self) -> None:
        """Look at each pass, and tell of the waits that have ended."""
        now = time.monotonic()
        running = list(self._running.items())  # in one step: others come and go
        for key, attempt in running:
            self._look_at(key, attempt, now)
        for key in self._seen.keys() - {key for key, _ in running}:
            self._tell(self._seen.pop(key))

    def _look_at(self, key: int, attempt: Watched, now: float) -> None:
        frame = self._runtime.frame_of(attempt.where)
        if frame is None:
            return
        place = (attempt.began, id(frame), frame.f_lasti, self._runtime.cpu_of(attempt.where))
        seen = self._seen.get(key)
        if seen is None or seen.place != place:
            self._seen[key] = _Seen(place, now)
            self._tell(seen)
            return
        seen.last, seen.times = now, seen.times + 1
        if seen.times == SEEN and None not in place:
            seen.finding = _find(attempt, list(_frames_of_pass(frame)))

    def _tell(self, seen: _Seen | None) -> None:
        if seen is None or seen.finding is None:
            return
        view, trace, place, peer, stack = seen.finding
        seconds = seen.last - seen.since
        checks.tell(view, f"wait at {place}", _WAITS, seconds, peer, stack, trace=trace)


_WAITS = (
    "waits in its pass, for %.1f s%s. Its stack is:\n%s"
    "Meanwhile its slot serves nobody else: declare what it calls as a future."
)


def _frames_of_pass(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames from *frame* out to the hold."""
    while frame is not None and _module(frame) != _BEGIN:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _package(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]


def _find(attempt: Watched, frames: list[FrameType]) -> _Finding | None:
    """Return what is told of a wait with these *frames*, the innermost first; None if it may."""
    if any(_package(f) in _MAY_WAIT or _module(f) in _IN_PLACE for f in frames):
        return None
    callers = [f for f in frames if not _waits_for_others(_package(f))]
    if not callers:
        return None
    caller = callers[0]
    place = f"{caller.f_code.co_filename}, line {caller.f_lineno}"
    outer = len(frames) - frames.index(caller)
    stack = traceback.format_list(traceback.extract_stack(caller)[-min(outer, DEPTH) :])
    peer = _find_peer(frames[: frames.index(caller)])
    return _Finding(view_name(attempt), attempt.trace, place, peer, "".join(stack))


def _waits_for_others(package: str) -> bool:
    return package in _WAIT_FOR_OTHERS or package in sys.stdlib_module_names


def _find_peer(frames: list[FrameType]) -> str:
    """Return the host and port that is waited for, after a comma; nothing if they are not known.

    Args:
        frames: Of the standard library and of HTTP clients alone, the innermost first.
    """
    owners = [frame.f_locals.get("self") for frame in frames]
    for owner in owners:
        if isinstance(owner, HTTPConnection):
            return f", for {owner.host}:{owner.port}"
    for owner in owners:
        found = getattr(owner, "_sock", owner)  # a file of a socket has its socket there
        if isinstance(found, socket.socket):
            with contextlib.suppress(OSError, TypeError, ValueError):
                peer = found.getpeername()
                return f", for {peer if isinstance(peer, str) else ':'.join(map(str, peer[:2]))}"
    return ""
