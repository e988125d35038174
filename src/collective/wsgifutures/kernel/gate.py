"""So many run, so many wait in a line, and the rest is refused: places, and the gate to slots.

``Places`` limits the threads and processes of futures and the calls of an upstream. The ``Gate``
hands passes to slots: a few at a time, resumed passes first, and fair to new ones.

A slot is one of the few places where Zope publishes. Under gevent a slot is a greenlet that
lives as long as the worker, so Plone's caches per thread are filled once per slot and not
once per connection. On a threaded server a slot is a permission: the pass runs in the
server's own thread.

The module is long because who runs, who waits and who is refused are read together.
"""

from .runtime import current
from .runtime import Signal
from .runtime import Slot
from .waiting import Steps
from .waiting import Wait
from collections import deque
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Hashable
from typing import cast
from typing import Generic
from typing import TypeVar

import math
import threading
import time

T = TypeVar("T")

#: Seconds that a visitor would rather wait than be refused. No line is judged before that.
SOON = 10.0

#: The share of ``max_wait`` that one may be predicted to wait: a prediction may be too short.
SAFE = 0.75

#: While new requests wait, at least one pass in this many is the first one of a request.
SHARE = 3


class NoAnswer(Exception):
    """No slot was free in time, or the pass did not end in time."""


class Refused(Exception):
    """A limit of this worker is reached. The client may send the request again later."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit  #: the name of the setting


class Full(Exception):
    """All places are taken, and so is the line."""


class Places(Generic[T]):
    """The places of one kind, and the line for them.

    Args:
        limit: How many places there are.
        max_waiting: How many items may wait for a place.
    """

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.taken = 0
        self._line: deque[T] = deque()
        self._lock = current().lock()

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._line)

    @property
    def is_full(self) -> bool:
        """Tell whether all places are taken, and so is the line."""
        return self.taken >= self.limit and len(self._line) >= self.max_waiting

    def enter(self, item: T) -> bool:
        """Take a place for *item*, or let it wait; tell whether it has a place.

        Raises:
            Full: All places are taken, and so is the line.
        """
        with self._lock:
            if self.taken < self.limit:
                self.taken += 1
                return True
            if self.is_full:
                raise Full
            self._line.append(item)
            return False

    def leave(self, item: T) -> bool:
        """Take *item* out of the line; False if it is not there: it may have a place by now."""
        with self._lock:
            waits = item in self._line
            if waits:
                self._line.remove(item)
            return waits

    def pass_on(self) -> T | None:
        """Give a place back; return the item that gets the place, None if nothing waits."""
        with self._lock:
            if self._line:
                return self._line.popleft()
            self.taken -= 1
            return None


class Gate:
    """A few slots, and two lines of passes that wait for a slot.

    The number of held responses limits the resumed passes. ``Arrivals`` limits the new ones:
    how many may wait, and for how long.

    Args:
        slots: How many passes run at a time.
        max_waiting: How many new requests may wait for a slot.
        max_wait: How long each new request may wait, in seconds.
    """

    def __init__(
        self, slots: int, max_waiting: float = math.inf, max_wait: float = math.inf
    ) -> None:
        self.slots = slots
        self._runtime = current()
        self._max_wait = max_wait
        self._free = deque(self._runtime.slots(slots))
        self.new = Arrivals(max_waiting, max_wait)  #: first passes that wait for a slot
        self._resumed: deque[_Ticket] = deque()
        self._resumed_in_a_row = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many passes run now."""
        return self.slots - len(self._free)

    @property
    def waiting(self) -> int:
        """How many passes wait for a slot, resumed ones too."""
        return len(self.new) + len(self._resumed)

    def check(self, lane: Hashable = None) -> None:
        """Refuse a new request that may not wait in *lane*, before any work is done for it.

        Raises:
            Refused: ``max_waiting`` requests wait, or the new one would wait too long.
        """
        with self._lock:
            self.new.check(lane)

    def run_new(self, function: Callable[[], T], lane: Hashable = None) -> Steps[T]:
        """Call *function*, the first pass of a request, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            lane: The line that the request stands in; the lines take turns.

        Raises:
            Refused: As ``check``, or no slot was free within ``max_wait``.
        """
        with self._lock:
            self.new.check(lane)
            ticket = self._enter(self.new, lane)
        try:
            slot = yield from self._wait(ticket, self.new, time.monotonic() + self._max_wait)
        except NoAnswer:
            raise Refused("max_wait") from None
        return (yield from self._run(slot, function))

    def run_resumed(self, function: Callable[[], T], until: float = math.inf) -> Steps[T]:
        """Call *function*, a later pass of a request, in a slot; return what it returns.

        Args:
            function: Publishes one pass.
            until: When to give up, in seconds of ``time.monotonic``.

        Raises:
            NoAnswer: By *until* no slot was free, or the pass had not ended (if the slot is
                not its caller's thread). Such a pass goes on, and its response is closed.
        """
        with self._lock:
            ticket = self._enter(self._resumed)
        slot = yield from self._wait(ticket, self._resumed, until)
        return (yield from self._run(slot, function, until))

    def _enter(self, line: "_Line", lane: Hashable = None) -> "_Ticket":
        ticket = _Ticket(self._runtime.signal(), lane)
        if self._free:
            ticket.serve(self._free.popleft())
        else:
            line.append(ticket)
        return ticket

    def _wait(self, ticket: "_Ticket", line: "_Line", until: float) -> Steps[Slot]:
        try:
            if ticket.served.is_set() or (yield Wait(ticket.served, _seconds(until))):
                return ticket.slot
            raise NoAnswer("no slot was free in time")
        except BaseException:  # out of time, or this request is interrupted
            self._leave(ticket, line)
            raise

    def _leave(self, ticket: "_Ticket", line: "_Line") -> None:
        with self._lock:
            if ticket in line:
                line.remove(ticket)
                return
        self._give_back(ticket.slot)  # the ticket got its slot at the last moment

    def _run(self, slot: Slot, function: Callable[[], T], until: float = math.inf) -> Steps[T]:
        work = _Work(function, lambda: self._give_back(slot), self._runtime.signal())
        slot.take(work)
        return (yield from work.result(until, raises_all=slot.is_callers))

    def _give_back(self, slot: Slot) -> None:
        with self._lock:
            if self.new or self._resumed:
                self._next_line().popleft().serve(slot)
            else:
                self._free.append(slot)

    def _next_line(self) -> "_Line":
        turn_of_new = self._resumed_in_a_row >= SHARE - 1
        if self._resumed and not (self.new and turn_of_new):
            self._resumed_in_a_row += 1
            return self._resumed
        self._resumed_in_a_row = 0
        return self.new


class Arrivals(OrderedDict["_Ticket", None]):
    """The line of new requests that wait for a slot. It refuses those that would wait too long.

    Every other turn goes to the request that has waited longest. The turns between go round the
    lanes: a crowd in one keeps no other waiting, and nobody waits more than twice as long.

    The best rate of the last seconds tells how long one more would wait; the average is too low
    while a burst is accepted. Whoever comes soon after the line began is of the burst, and waits.
    After that no line may grow, and if it has not been empty for all of ``max_wait``, this is an
    overload: then only who is served ``SOON`` may wait, since a longer line would serve nobody
    better, and a short one is soon empty when that is over.

    Args:
        max_waiting: How many requests may wait.
        max_wait: How long each of them may wait, in seconds.
    """

    def __init__(self, max_waiting: float, max_wait: float) -> None:
        super().__init__()
        self._max_waiting = max_waiting
        self._max_wait = max_wait
        self._soon = min(SOON, max_wait)
        self._lanes: OrderedDict[Hashable, OrderedDict[_Ticket, None]] = OrderedDict()
        self._since = 0.0  # when the line last stopped being empty
        self._burst = 0  # the most that waited soon after that
        self._rate = _Rate()
        self._turn_of_lanes = False

    def check(self, lane: Hashable = None) -> None:
        """Raise ``Refused`` if one more request may not wait in *lane*."""
        if len(self) >= self._max_waiting:
            raise Refused("max_waiting")
        now = time.monotonic()
        stands = now - self._since
        if not self or stands < self._soon:
            return
        turns, rate = self._turns_before(lane), self._rate.best(now)
        is_burst = stands < self._max_wait and len(self) < self._burst
        if turns > rate * (SAFE * self._max_wait if is_burst else self._soon):
            raise Refused("max_wait")

    def _turns_before(self, lane: Hashable) -> int:
        """Return how many are served before one more in *lane*, at most; None: in any lane."""
        if lane is None:
            return len(self)
        rounds = len(self._lanes.get(lane, ())) + 1
        return min(len(self), 2 * len(self._lanes) * rounds)

    def append(self, ticket: "_Ticket") -> None:
        """Put *ticket* at the end of the line, and of its lane."""
        now = time.monotonic()
        if not self:
            self._since, self._burst = now, 0
        self[ticket] = None
        if now - self._since < self._soon:
            self._burst = max(self._burst, len(self))
        self._lanes.setdefault(ticket.lane, OrderedDict())[ticket] = None

    def popleft(self) -> "_Ticket":
        """Return the ticket that gets a slot now."""
        ticket = next(iter(self))
        if self._turn_of_lanes:
            ticket = next(iter(self._next_lane(ticket)))
        self._turn_of_lanes = not self._turn_of_lanes
        self._rate.count(time.monotonic())
        self.remove(ticket)
        return ticket

    def _next_lane(self, oldest: "_Ticket") -> "OrderedDict[_Ticket, None]":
        """Return the lane whose turn it is. A crowd that has the other turns has none of these."""
        lanes = iter(self._lanes.items())
        name, lane = next(lanes)
        if name == oldest.lane and len(lane) > 1:
            name, lane = next(lanes, (name, lane))
        return lane

    def remove(self, ticket: "_Ticket") -> None:
        """Take *ticket* out of the line; the next turn of the lanes is another lane's."""
        del self[ticket]
        lane = self._lanes.pop(ticket.lane)
        del lane[ticket]
        if lane:
            self._lanes[ticket.lane] = lane


class _Rate:
    """How many requests were served in each of the last few periods."""

    _PERIOD = 2.0  # seconds

    def __init__(self) -> None:
        self._counts = deque([0] * 5, maxlen=5)
        self._period = 0

    def count(self, now: float) -> None:
        """Count one that is served *now*, in seconds of ``time.monotonic``."""
        self._turn(now)
        self._counts[-1] += 1

    def best(self, now: float) -> float:
        """Return how many were served in a second of the best period."""
        self._turn(now)
        return max(self._counts) / self._PERIOD

    def _turn(self, now: float) -> None:
        period = int(now / self._PERIOD)
        self._counts.extend([0] * min(period - self._period, len(self._counts)))
        self._period = period


class _Ticket:
    """A place in a line."""

    slot: Slot

    def __init__(self, served: Signal, lane: Hashable = None) -> None:
        self.served = served
        self.lane = lane

    def serve(self, slot: Slot) -> None:
        self.slot = slot
        self.served.set()


_Line = Arrivals | deque[_Ticket]


class _Work(Generic[T]):
    """One pass in a slot, for whose end a request waits."""

    def __init__(self, function: Callable[[], T], free: Callable[[], None], ended: Signal) -> None:
        self._function = function
        self._free = free
        self._ended = ended
        self._abandoned = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        if self._abandoned:  # before the pass has begun
            self._free()
            return
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error
        finally:
            self._free()
            self._ended.set()
        if self._abandoned:
            self._drop()

    def result(self, until: float, *, raises_all: bool) -> Steps[T]:
        try:
            if not self._ended.is_set() and not (yield Wait(self._ended, _seconds(until))):
                raise NoAnswer("the pass did not end in time")
        except BaseException:  # out of time, or this request is interrupted
            self._abandoned = True
            if self._ended.is_set():
                self._drop()
            raise
        error, self._error = self._error, None
        try:
            if isinstance(error, Exception) or (raises_all and error is not None):
                raise error
            if error is not None:
                # This would end the greenlet of the connection, and the client get no answer.
                raise RuntimeError(f"The view raised {type(error).__name__}.") from error
        finally:
            del error  # its traceback keeps this frame
        return cast(T, self._result)

    def _drop(self) -> None:
        close = getattr(self._result, "close", None)
        if close is not None:
            close()
        self._result = self._error = None  # its traceback keeps this object, and the pass


def _seconds(until: float) -> float | None:
    return None if until == math.inf else max(0.0, until - time.monotonic())
