"""Futures as threads: the default without gevent; with it, for C code that waits by itself."""

from .base import Job
from .base import under_gevent
from .base import Work
from .line import Line
from collections.abc import Callable
from typing import Any

import _thread
import contextvars
import logging
import threading

#: What is called at the end of a thread, while it has its hub; by the thread.
_ends: dict[int, list[Callable[[], None]]] = {}


class Threads:
    """A daemon thread of the system for each call, up to a limit; the others wait in line.

    A thread cannot be killed. A cancelled call that runs already goes on until it returns,
    counts against the limit for so long, and its result is dropped.

    Args:
        limit: How many run side by side.
        length: How many may wait.
    """

    name = "threads"

    def __init__(self, limit: int = 64, length: int = 1000) -> None:
        self._line = Line(self.name, limit, length, start_thread)

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        """Start a thread for *call*, or let it stand in line."""
        job = _ThreadJob(call, done, self._line)
        self._line.enter(job)
        return job

    def close(self) -> None:
        """They are daemons: the process does not wait for them."""


class _ThreadJob:
    def __init__(self, call: Work, done: Callable[[Any], None], line: Line) -> None:
        self.name = call.name
        self._work: Callable[[], Any] | None = call.work
        self._context = contextvars.copy_context()
        self._done = done
        self._line = line

    def run(self) -> None:
        work = self._work
        if work is not None:
            self._done(self._context.run(work))

    def cancel(self) -> None:
        self._work = None
        self._line.leave(self)  # one that stands in line never runs


def start_thread(function: Callable[[], None], *, keeps_hub: bool = False) -> None:
    """Call *function*, which raises nothing, in a thread of the system.

    Args:
        function: What is called.
        keeps_hub: What it leaves open, sockets say, may be closed after its end.
    """
    if not under_gevent():
        threading.Thread(target=function, daemon=True, name="future").start()
        return
    from gevent import get_hub
    from gevent.monkey import get_original

    # The first hub of a process imports what hubs are made of: of two threads that both make
    # the first one, each would wait for ever for what the other imports.
    get_hub()
    _share_logging()
    start = get_original("_thread", "start_new_thread")
    start(*((function, ()) if keeps_hub else (_with_own_hub, (function,))))


def _share_logging() -> None:
    """Give logging locks of the system: who waits for gevent's in another thread may never wake.

    Seen with gevent 26.9: one thread that logs beside the main one stands for ever, in gevent's
    own thread pool too. One that is held just now is replaced the next time.
    """
    handlers = list(logging._handlerList)  # type: ignore[attr-defined]
    locks = [(logging, "_lock"), *((ref(), "lock") for ref in handlers)]
    for owner, name in locks:
        lock = getattr(owner, name, None)
        if lock is None or type(lock) is _thread.RLock:
            continue
        if getattr(lock, "_owner", lock) is None:  # a handler's of somebody may be of any kind
            setattr(owner, name, _thread.RLock())


def _with_own_hub(function: Callable[[], None]) -> None:
    """What gevent has patched gets a hub here, when it first waits: end that too."""
    from gevent import GreenletExit
    from gevent._hub_local import get_hub_if_exists  # as gevent's own thread pool does

    ends = _ends[_thread_id()] = []
    try:
        function()
    finally:
        for end in ends:
            end()
        del _ends[_thread_id()]
        hub = get_hub_if_exists()
        if hub is not None:
            hub.destroy(destroy_loop=True)
            # gevent 26.9 leaves it standing in its run(), which knows this frame and so all of
            # the request. No collector looks into a greenlet of a thread that has ended.
            hub.throw(GreenletExit)


def at_end_of_thread(function: Callable[[], None]) -> None:
    """Have *function* called when this thread ends, where it is one of ours with its own hub.

    What waits in a hub, a socket say, can only be closed for as long as that is there.
    """
    if under_gevent():
        _ends.get(_thread_id(), []).append(function)


def _thread_id() -> int:
    from gevent.monkey import get_original

    return int(get_original("_thread", "get_ident")())
