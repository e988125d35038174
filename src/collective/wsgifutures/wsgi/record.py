"""The responses that a worker holds now, and what became of its requests: counters, last events.

A held response is kept as its visit. Its data is only copied when a snapshot is made.
"""

from ..kernel.arrivals import Refused
from ..kernel.durations import BOUNDS
from ..kernel.hold import Hold
from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from .settings import Settings
from bisect import bisect_left
from collections import Counter
from collections import deque
from collections.abc import Callable
from collections.abc import Hashable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from operator import attrgetter
from typing import Any
from typing import NamedTuple
from typing import Protocol

import itertools
import threading
import time

#: How many events are kept, the last ones.
MOST = 50


class Happened(NamedTuple):
    """Something that went wrong with a request."""

    at: float  #: in seconds since the epoch
    what: str  #: refused, expired, cancelled or timeout
    why: str  #: the limit that was reached, or what the request waited for
    path: str  #: the request's, without its query string
    held_as: int = 0  #: the number of the held response whose wait ended


def _counter(what: str = "", metric: str = "") -> Any:
    """Declare a counter; *what* and *metric* are those of its ``Number``."""
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
    streams: int = _counter("Responses that were streamed")
    expired: int = _counter("Held responses that got their last pass at the deadline")
    cancelled: int = _counter("Held responses that an operator cancelled")
    timeouts: int = _counter("Futures that took longer than their timeouts")
    gone: int = _counter("Clients that left before they were answered", "clients_gone")
    #: How long all responses together were held, in seconds.
    held_seconds: float = field(default=0.0, init=False)
    #: How many responses were held up to each of ``BOUNDS``, and longer.
    held_up_to: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1), init=False)
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
        else:
            self.expired += 1
            self._note("expired", _names(hold), path, number)

    def hold_ends(self, hold: Hold, now: float, path: str) -> None:
        """Count a response that is no longer held, at *now* by the hold's clock."""
        seconds = now - (hold.ends_at - hold.deadline)
        self.held_seconds += seconds
        self.held_up_to[bisect_left(BOUNDS, seconds)] += 1
        for name in hold.timed_out:
            self.timeouts += 1
            self._note("timeout", name, path)

    def _note(self, what: str, why: str, path: str, number: int = 0) -> None:
        self.last.append(Happened(self.clock(), what, why, path, number))


#: The counters of a record, as numbers of an object that has it as ``record``: a worker.
COUNTERS = tuple(
    Number(counter.name, Kind.COUNTER, attrgetter(f"record.{counter.name}"), **counter.metadata)
    for counter in fields(Record)
    if counter.metadata
)


def _names(hold: Hold) -> str:
    return ", ".join(dict.fromkeys(call.function_name for call in hold.pending))


class Cancelled(Protocol):
    """What an operator can end: a waiter, or a stream."""

    def cancel(self) -> None:
        """Let it end soon. May be called in any thread."""


class Held(Protocol):
    """A visit whose response is held."""

    hold: Hold
    path: str  #: of the request, without its query string
    client: Hashable  #: whose request it is
    number: int  #: the number of the held response in this worker

    @property
    def stream(self) -> str:
        """The name of the stream that is sent, empty if none is."""

    @property
    def waiter(self) -> Cancelled:
        """What an operator can end."""


class HeldResponses:
    """Counts the responses that are held, in all and for each client.

    Args:
        settings: ``max_held`` and ``held_by_one_client`` are the limits.
        record: Counts the responses that are no longer held.
    """

    def __init__(self, settings: Settings, record: Record) -> None:
        self._record = record
        self.streams = 0  #: how many of them are streamed
        self._max = settings.max_held
        self._max_per_client = settings.held_by_one_client
        self._by_client: Counter[Hashable] = Counter()
        self._by_number: dict[int, Held] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many responses are held or streamed."""
        return len(self._by_number)

    def check(self, client: Hashable) -> None:
        """Raise ``Refused`` if there is no room for another response of *client*."""
        if len(self._by_number) >= self._max:
            raise Refused("max_held")
        if self._by_client[client] >= self._max_per_client:
            raise Refused("max_held_per_client")

    def add(self, visit: Held) -> None:
        """Count the response of *visit*, and give it its number.

        Raises:
            Refused: A limit is reached.
        """
        with self._lock:
            self.check(visit.client)
            self._enter(visit)
        self._record.held += 1

    def add_stream(self, stream: Held) -> None:
        """Count a response that is streamed from now on. Its pass has looked for room."""
        with self._lock:
            self._enter(stream)
            self.streams += 1
        self._record.streams += 1

    def _enter(self, visit: Held) -> None:
        visit.number = next(self._numbers)
        self._by_number[visit.number] = visit
        self._by_client[visit.client] += 1

    def remove(self, visit: Held, now: float) -> None:
        """Forget the response of *visit*, at *now* by its hold's clock."""
        self._record.hold_ends(visit.hold, now, visit.path)
        with self._lock:
            self._leave(visit)

    def remove_stream(self, stream: Held) -> None:
        """Forget a response that is streamed no more."""
        with self._lock:
            self._leave(stream)
            self.streams -= 1

    def _leave(self, visit: Held) -> None:
        del self._by_number[visit.number]
        self._by_client[visit.client] -= 1
        if not self._by_client[visit.client]:
            del self._by_client[visit.client]

    def oldest(self, most: int) -> list[Held]:
        """Return the visits that are held for longest, *most* of them at most."""
        return list(self._by_number.values())[:most]  # a copy in one step: others come and go

    def cancel(self, number: int) -> None:
        """Let the last pass of a response begin, for an operator, if the response is still held."""
        visit = self._by_number.get(number)
        if visit is not None:
            visit.waiter.cancel()
