"""Futures as threads: the default without gevent; with it, for C code that waits by itself."""

from ..calls import Call
from ..runtime import current
from .base import Job
from .line import Line
from collections.abc import Callable
from typing import Any

import contextvars


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
        self._line = Line(self.name, limit, length, current().start_thread)

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
