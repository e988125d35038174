"""Who waits for a thread or a process, of which there are only so many."""

from ..errors import ExecutorBusy
from ..runtime import current
from collections import deque
from collections.abc import Callable
from typing import Protocol

import contextlib
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
        start: Starts a thread that calls what it is given.
    """

    def __init__(
        self, kind: str, limit: int, length: int, start: Callable[[Callable[[], None]], None]
    ) -> None:
        self._kind = kind
        self._limit = limit
        self._length = length
        self._start = start
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
            self._start(lambda: self._work(job))
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
