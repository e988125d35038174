"""What became of a worker's requests: counters, and the events that went wrong last."""

from ..kernel.durations import Durations
from ..kernel.hold import Hold
from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from operator import attrgetter
from typing import Any
from typing import NamedTuple

import time

#: How many of the last events are kept.
MOST = 50


class Happened(NamedTuple):
    """Something that went wrong with a request."""

    at: float  #: in seconds since the epoch
    what: str  #: refused, expired, cancelled or timeout
    why: str  #: the limit that was reached, or what the request waited for
    path: str  #: the request's, without its query string
    held_as: int = 0  #: the number of the held response whose wait ended


def _counter(what: str = "", metric: str = "") -> Any:
    """Declare a counter, with *what* and *metric* of its ``Number``."""
    return field(default=0, init=False, metadata={"what": what, "metric": metric})


@dataclass(eq=False)
class Record:
    """Counts what becomes of requests, and keeps what went wrong last.

    Args:
        clock: Gives the time in seconds since the epoch.
    """

    clock: Callable[[], float] = time.time
    requests: int = _counter("Requests that were let in")
    passes: int = _counter("Passes of answered requests")
    held: int = _counter()
    expired: int = _counter("Held responses that got their last pass at the deadline")
    cancelled: int = _counter("Held responses that an operator cancelled")
    timeouts: int = _counter("Futures that took longer than their timeouts")
    gone: int = _counter("Clients that left before they were answered", "clients_gone")
    held_for: Durations = field(default_factory=Durations, init=False)
    last: deque[Happened] = field(default_factory=lambda: deque(maxlen=MOST), init=False)

    def refuse(self, limit: str, path: str) -> None:
        """Keep the event of a refused request."""
        self._note("refused", limit, path)

    def wait_ends(self, hold: Hold, path: str, number: int) -> None:
        """Count a wait that ended although calls are still pending.

        Args:
            hold: The hold that waited.
            path: The path of the request.
            number: The number of the held response.
        """
        if hold.cancelled:
            self.cancelled += 1
            self._note("cancelled", _names(hold), path, number)
        elif hold.expired:
            self.expired += 1
            self._note("expired", _names(hold), path, number)

    def hold_ends(self, hold: Hold, now: float, path: str) -> None:
        """Count a response that is no longer held, at *now* by the hold's clock."""
        self.held_for.add(now - hold.since)
        for name in hold.timed_out:
            self.timeouts += 1
            self._note("timeout", name, path)

    def _note(self, what: str, why: str, path: str, number: int = 0) -> None:
        self.last.append(Happened(self.clock(), what, why, path, number))


#: Its counters, as numbers of whatever has it as ``record``.
COUNTERS = tuple(
    Number(one.name, Kind.COUNTER, attrgetter(f"record.{one.name}"), **one.metadata)
    for one in fields(Record)
    if one.metadata
)


def _names(hold: Hold) -> str:
    return ", ".join(dict.fromkeys(call.function_name for call in hold.pending))
