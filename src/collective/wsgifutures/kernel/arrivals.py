"""The line of new requests that wait for a slot, and who may not stand in it.

``Arrivals`` is fair to those who wait, and predicts how long one more would wait. It knows the
rate at which its line moves, and nothing of slots: the ``Gate`` takes tickets out of the line.
"""

from .runtime import Signal
from .runtime import Slot
from collections import deque
from collections import OrderedDict
from collections.abc import Hashable

import time

#: Seconds that a visitor would rather wait than be refused. No line is judged before that.
SOON = 10.0

#: The share of these limits that one may be predicted to wait: by the best rate, that is too short.
SAFE = 0.75

#: How many times as many come in an overload as are served. A crowd of which each asks again when
#: it is served comes as fast as it is served.
SWELLS = 1.5


class Refused(Exception):
    """A limit of this worker is reached. The client may send the request again later."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit  #: the name of the setting


class Ticket:
    """A place in a line."""

    slot: Slot

    def __init__(self, served: Signal, lane: Hashable = None) -> None:
        self.served = served
        self.lane = lane

    def serve(self, slot: Slot) -> None:
        """Give the pass its *slot*, and wake whoever waits for it."""
        self.slot = slot
        self.served.set()


class Arrivals(OrderedDict[Ticket, None]):
    """The line of new requests that wait for a slot. It refuses those that would wait too long.

    Every other turn, at least, goes to the request that has waited longest. The turns between go
    round the lanes: a crowd in one keeps no other waiting, and nobody waits more than twice as
    long. Whoever comes alone while a crowd is served has the next turn.

    The best rate of the last seconds tells how long one more would wait; the average is too low
    while a burst is accepted. Whoever comes soon after the line began is of the burst, and waits.
    After that no line may grow. If more go on coming than are served, or the line has not been
    empty for all of ``max_wait``, this is an overload: then only who is served ``SOON`` may wait,
    since a longer line would serve nobody better, and a short one is soon empty when that is over.

    Args:
        max_waiting: How many requests may wait.
        max_wait: How long each of them may wait, in seconds.
    """

    def __init__(self, max_waiting: float, max_wait: float) -> None:
        super().__init__()
        self._max_waiting = max_waiting
        self._max_wait = max_wait
        self._soon = min(SOON, max_wait)
        self._lanes: OrderedDict[Hashable, OrderedDict[Ticket, None]] = OrderedDict()
        self._since = 0.0  # when the line last stopped being empty
        self._burst = 0  # the most that waited soon after that
        self._served = _Rate()
        self._came = _Rate()
        self._turn_of_lanes = False

    def check(self, lane: Hashable = None) -> None:
        """Raise ``Refused`` if one more request may not wait in *lane*."""
        now = time.monotonic()
        limit = self._limit(lane, now)
        if limit is not None:
            self._came.count(now)
            raise Refused(limit)

    def _limit(self, lane: Hashable, now: float) -> str | None:
        """Return the limit that keeps one more from waiting in *lane*."""
        if len(self) >= self._max_waiting:
            return "max_waiting"
        stands = now - self._since
        if not self or stands < self._soon:
            return None
        turns, rate = self._turns_before(lane), self._served.best(now)
        is_burst = stands < self._max_wait and len(self) < self._burst and not self._swells(now)
        if turns > rate * SAFE * (self._max_wait if is_burst else self._soon):
            return "max_wait"
        return None

    def _swells(self, now: float) -> bool:
        """Tell whether far more requests came in the last seconds than were served."""
        return self._came.last(now) > SWELLS * self._served.last(now)

    def _turns_before(self, lane: Hashable) -> int:
        """Return how many are served before one more in *lane*, at most; None: in any lane."""
        if lane is None:
            return len(self)
        rounds = len(self._lanes.get(lane, ())) + 1
        return min(len(self), 2 * len(self._lanes) * rounds)

    def append(self, ticket: Ticket) -> None:
        """Put *ticket* at the end of the line, and of its lane."""
        now = time.monotonic()
        self._came.count(now)
        if not self:
            self._since, self._burst = now, 0
        self[ticket] = None
        if now - self._since < self._soon:
            self._burst = max(self._burst, len(self))
        self._lanes.setdefault(ticket.lane, OrderedDict())[ticket] = None

    def popleft(self) -> Ticket:
        """Return the ticket that gets a slot now."""
        ticket = oldest = next(iter(self))
        if self._turn_of_lanes:
            ticket = next(iter(self._next_lane(oldest)))
        self._turn_of_lanes = ticket is oldest
        self._served.count(time.monotonic())
        self.remove(ticket)
        return ticket

    def _next_lane(self, oldest: Ticket) -> "OrderedDict[Ticket, None]":
        """Return the lane whose turn it is. A crowd that has the other turns has none of these."""
        lanes = iter(self._lanes.items())
        name, lane = next(lanes)
        if name == oldest.lane and len(lane) > 1:
            name, lane = next(lanes, (name, lane))
        return lane

    def remove(self, ticket: Ticket) -> None:
        """Take *ticket* out of the line; the next turn of the lanes is another lane's."""
        del self[ticket]
        lane = self._lanes.pop(ticket.lane)
        del lane[ticket]
        if lane:
            self._lanes[ticket.lane] = lane


class _Rate:
    """How many requests there were in each of the last few periods."""

    _PERIOD = 2.0  # seconds

    def __init__(self) -> None:
        self._counts = deque([0] * 5, maxlen=5)
        self._period = 0

    def count(self, now: float) -> None:
        """Count one *now*, in seconds of ``time.monotonic``."""
        self._turn(now)
        self._counts[-1] += 1

    def best(self, now: float) -> float:
        """Return how many there were in a second of the best period."""
        self._turn(now)
        return max(self._counts) / self._PERIOD

    def last(self, now: float) -> float:
        """Return how many there were in a second of the last two periods that are over."""
        self._turn(now)
        return (self._counts[-2] + self._counts[-3]) / (2 * self._PERIOD)

    def _turn(self, now: float) -> None:
        period = int(now / self._PERIOD)
        self._counts.extend([0] * min(period - self._period, len(self._counts)))
        self._period = period
