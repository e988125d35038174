"""Stops asking an upstream that fails, and finds out when it is back.

The breaker is ours and no library's. pybreaker, circuitbreaker, purgatory and aiobreaker count
failures in a row, which an upstream that fails every other time never reaches. pyresilience has
a rate, but of the last calls and not of a time, and after its pause lets all calls through. None
has locks that greenlets and threads of the system can share, as ``runtime`` has::

    CLOSED --the share of failures is reached--> OPEN
      ^                                           | after a pause
      +--it succeeds-- HALF_OPEN: one call <------+
                           +--it fails--> OPEN
"""

from ..kernel.runtime import current
from collections import deque
from collections.abc import Callable
from enum import Enum

import time

#: How many parts the window has; it moves on by one part.
_PARTS = 10

#: Seconds until to ask again while a single call finds out whether the upstream is back.
_WHILE_PROBING = 1.0


class BreakerState(Enum):
    """Whether calls to an upstream are made."""

    CLOSED = "asked"
    OPEN = "not asked"
    HALF_OPEN = "asked by one call"


class Breaker:
    """Counts the failures of one upstream, and refuses its calls after too many.

    Args:
        rate: The share of failures at which the breaker opens.
        window: How long the breaker looks back, in seconds.
        calls: How many calls there must be in that time.
        pause: How long the breaker stays open, in seconds.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        rate: float,
        window: float,
        calls: int,
        pause: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = BreakerState.CLOSED
        self._rate = rate
        self._part = window / _PARTS
        self._calls = calls
        self._pause = pause
        self._clock = clock
        self._counts: deque[list[float]] = deque()  # start of the part, calls, failures
        self._again_at = 0.0
        self._probe: object = None
        self._lock = current().lock()

    def closed_for(self) -> float:
        """Return how many seconds the upstream may not be asked; 0 if it may be asked now."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if self._probe is not None:
            return _WHILE_PROBING
        return max(0.0, self._again_at - self._clock())

    def enter(self, call: object) -> float:
        """Return 0 if *call* may be made, otherwise in how many seconds to ask again."""
        with self._lock:
            patience = self.closed_for()
            if not patience and self.state is not BreakerState.CLOSED:
                self.state = BreakerState.HALF_OPEN
                self._probe = call
            return patience

    def leave(self, call: object, failed: bool | None) -> None:
        """Count *call*, which had entered; *failed* is None if it was given up."""
        with self._lock:
            if self._probe is call:
                self._probe = None
                if failed is None:
                    return  # another call finds out
                self.state = BreakerState.CLOSED
                self._counts.clear()
                if failed:
                    self._open()
            elif self.state is BreakerState.CLOSED and failed is not None:
                self._count(failed)

    def _count(self, failed: bool) -> None:
        now = self._clock()
        counts = self._counts
        while counts and counts[0][0] <= now - _PARTS * self._part:
            counts.popleft()
        if not counts or counts[-1][0] <= now - self._part:
            counts.append([now, 0, 0])
        counts[-1][1] += 1
        counts[-1][2] += failed
        calls = sum(part[1] for part in counts)
        if failed and calls >= self._calls and sum(p[2] for p in counts) >= self._rate * calls:
            self._open()

    def _open(self) -> None:
        self.state = BreakerState.OPEN
        self._again_at = self._clock() + self._pause
        self._counts.clear()
