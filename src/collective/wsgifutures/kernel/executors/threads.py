"""Futures as threads: the default without gevent; with it, for C code that waits by itself.

There are only so many: the others stand in a line, which processes have too.
"""

from ..calls import Call
from ..errors import ExecutorBusy
from ..runtime import current
from ..runtime import Startable
from .base import Job
from collections import deque
from collections.abc import Callable
from typing import Any
from typing import Protocol

import contextlib
import contextvars
import logging
import time

logger = logging.getLogger(__name__)

#: That a line has formed is logged once in so many seconds.
TELL_EVERY = 10.0


class Queued(Protocol):
    """What stands in a line."""

    name: str  #: of its future

    def run(self) -> None:
        """Run, and raise nothing."""


class Line:
    """Runs so many jobs side by side; others wait, the first one first, up to a limit.

    Args:
        kind: What runs them, for people.
        limit: How many run.
        length: How many wait.
        thread: Makes a thread that calls what it is given.
    """

    def __init__(
        self, kind: str, limit: int, length: int, thread: Callable[..., Startable]
    ) -> None:
        self._kind = kind
        self._limit = limit
        self._length = length
        self._thread = thread
        self._running = 0
        self._told = -TELL_EVERY
        self._waiting: deque[Queued] = deque()
        self._lock = current().lock()

    def enter(self, job: Queued) -> None:
        """Run *job*, now or when it is its turn.

        Raises:
            ExecutorBusy: Too many wait already.
        """
        with self._lock:
            waits = self._running >= self._limit
            if waits and len(self._waiting) >= self._length:
                raise ExecutorBusy(job.name, self._kind, self._limit, self._length)
            if waits:
                self._waiting.append(job)
            else:
                self._running += 1
        if waits:
            self._tell()
        else:
            self._begin(job)

    def leave(self, job: Queued) -> None:
        """Take *job* out, where it waits."""
        with self._lock, contextlib.suppress(ValueError):
            self._waiting.remove(job)

    def _tell(self) -> None:
        now = time.monotonic()
        if now >= self._told + TELL_EVERY:
            self._told = now
            logger.warning("All %d %s for futures are busy.", self._limit, self._kind)

    def _begin(self, job: Queued) -> None:
        try:
            self._thread(target=lambda: self._work(job)).start()
        except BaseException:  # the system has no thread left
            with self._lock:
                self._running -= 1
            raise

    def _work(self, job: Queued | None) -> None:
        while job is not None:
            job.run()
            with self._lock:
                job = self._waiting.popleft() if self._waiting else None
                if job is None:
                    self._running -= 1


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
        self._line = Line(self.name, limit, length, current().thread)

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Start a thread for *call*, or let it stand in line."""
        job = _ThreadJob(call, done, self._line)
        self._line.enter(job)
        return job

    def close(self) -> None:
        """They are daemons: the process does not wait for them."""


class _ThreadJob:
    def __init__(self, call: Call, done: Callable[[Any], None], line: Line) -> None:
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
