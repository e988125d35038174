"""What became of the requests of a worker: counts, and the last things that went wrong."""

from ..kernel.durations import Durations
from ..kernel.hold import Hold
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import time

#: So many of the last things are kept.
MOST = 50


class Happened(NamedTuple):
    """Something that went wrong with a request."""

    at: float  #: in seconds since the epoch
    what: str  #: refused, expired, cancelled or timeout
    why: str  #: the limit that was reached, or what the request waited for
    path: str  #: of the request, without its query string
    held_as: int = 0  #: the number of the held response whose wait ended


class Record:
    """Counts what becomes of requests.

    Args:
        clock: Gives the time in seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.requests = 0
        self.passes = 0
        self.held = 0
        self.gone = 0  #: clients that left before they were answered
        self.expired = 0
        self.cancelled = 0  #: by an operator
        self.timeouts = 0  #: of futures
        self.held_for = Durations()
        self.last: deque[Happened] = deque(maxlen=MOST)

    def refuse(self, limit: str, path: str) -> None:
        """Keep that a request was refused."""
        self._note("refused", limit, path)

    def wait_ends(self, hold: Hold, path: str, number: int) -> None:
        """Count a wait that ended with the last pass before all was there.

        Args:
            hold: Whose wait it was.
            path: Of the request.
            number: Of the held response.
        """
        if hold.cancelled:
            self.cancelled += 1
            self._note("cancelled", _names(hold), path, number)
        elif hold.expired:
            self.expired += 1
            self._note("expired", _names(hold), path, number)

    def hold_ends(self, hold: Hold, now: float, path: str) -> None:
        """Count a response that is held no longer, at *now* of the hold's clock."""
        self.held_for.add(now - hold.since)
        for name in hold.timed_out:
            self.timeouts += 1
            self._note("timeout", name, path)

    def _note(self, what: str, why: str, path: str, number: int = 0) -> None:
        self.last.append(Happened(self._clock(), what, why, path, number))


def _names(hold: Hold) -> str:
    return ", ".join(dict.fromkeys(call.function_name for call in hold.pending))
