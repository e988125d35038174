"""What a runner knows of the jobs that wait, in memory: which one is next.

The lines in the ZODB are only added to, so each look reads what is new. A place says when its job
may begin, and with what head start; whether the job still waits is seen when it is claimed.

Jobs of a queue go by their due time less the head start of their priority: so each job comes
first once it has waited long enough. The queues take turns. Of the jobs with the same lock, only
the first one is in its queue's line; the others stand behind it.

Several runners read the same lines. Each takes the jobs of its share first, so that they seldom
want the same one.
"""

from .records import Entry
from .records import next_number
from .records import Store
from collections import Counter
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import heapq
import itertools
import zlib

#: How many places a runner looks at, for each runner there is: it prefers those of its share.
WINDOW = 16

#: Among how many of the first places in a line the oldest job is looked for.
NEARLY = 63

#: In a place's entry: the index keeps no objects of a database.
_NOT_KEPT: Any = None


class Place(NamedTuple):
    """A place in a line, as the index keeps it: in the order of ``rank``."""

    rank: float
    number: int  #: the order in which they were read
    oid: bytes  #: of the job's record
    entry: Entry  #: without its job


class Index:
    """The places of the jobs that may wait.

    Args:
        queues: Those whose jobs are wanted; empty: all; None: no job is wanted.
        elsewhere: Whether jobs for workers elsewhere are wanted, and no others.
        others: Gets the places of the jobs that are not wanted.
    """

    def __init__(
        self,
        queues: Iterable[str] | None = (),
        *,
        elsewhere: bool = False,
        others: Callable[[Entry], None] | None = None,
    ) -> None:
        self._queues = None if queues is None else frozenset(queues)
        self._elsewhere = elsewhere
        self._others = others
        self._seen: dict[str, int] = {}  # by lane, the next number
        self._seen_again = 0
        self._numbers = itertools.count()
        self._later: list[tuple[float, Place]] = []  # by when they are looked at
        self._ready: OrderedDict[str, list[Place]] = OrderedDict()  # by queue
        self._locks: dict[str, tuple[int, list[Place]]] = {}  # number of the first, and the others
        self._closed: dict[str, float] = {}  # by queue, until when
        self.waiting: Counter[str] = Counter()  #: how many places there are, by queue

    def __len__(self) -> int:
        """Return how many places there are."""
        return self.waiting.total()

    def read(self, store: Store) -> None:
        """Read what is new in all lanes."""
        for lane in store.lanes.values():
            self._seen[lane.id] = self._add_all(lane.jobs, self._seen.get(lane.id), lane.low)
        self._seen_again = self._add_all(store.again, self._seen_again, 0)
        for gone in [id for id in self._seen if id not in store.lanes]:
            del self._seen[gone]

    def _add_all(self, line: Any, seen: int | None, low: int) -> int:
        """Add the places from number *seen* on; return the number of the next one.

        If an undo has taken numbers back, they are given once more: all from *low* on are read.
        """
        following = next_number(line)
        first = low if seen is None or seen > following else seen
        if following > first:
            for entry in [Entry(*value) for value in line.values(first)]:
                self.add(entry)
        return following

    def add(self, entry: Entry) -> None:
        """Add a place."""
        if self._wants(entry):
            rank = entry.due - entry.priority
            place = Place(
                rank, next(self._numbers), entry.job._p_oid, entry._replace(job=_NOT_KEPT)
            )
            self.put_off(place, entry.due)
        elif self._others is not None:
            self._others(entry)

    def _wants(self, entry: Entry) -> bool:
        if self._queues is None or entry.elsewhere is not self._elsewhere:
            return False
        return not self._queues or entry.queue in self._queues

    def put_off(self, place: Place, until: float) -> None:
        """Look at *place*, which was taken, again at *until*, in seconds since the epoch."""
        self.waiting[place.entry.queue] += 1
        heapq.heappush(self._later, (until, place))

    def close(self, queue: str, until: float) -> None:
        """Offer no job of *queue* until then, in seconds since the epoch: it is full or paused."""
        self._closed[queue] = until

    def open(self, queue: str) -> None:
        """Offer jobs of *queue* again: one of them has ended."""
        self._closed.pop(queue, None)

    def next_look(self) -> float | None:
        """Return when a place is to be looked at that is not ready yet; None if there is none."""
        return self._later[0][0] if self._later else None

    def offers(self, now: float) -> bool:
        """Tell whether ``take`` would return a place, of those that were ready at the last one."""
        return self._whose_turn(now) is not None

    def take(
        self, now: float, share: int = 0, shares: int = 1, among: Container[str] | None = None
    ) -> Place | None:
        """Take out the place of the job to claim now; None if no job may begin.

        Args:
            now: In seconds since the epoch.
            share: The number of this runner among all.
            shares: How many runners there are.
            among: The queues whose jobs are wanted now; None: all.
        """
        self._wake(now)
        window = WINDOW * shares if shares > 1 else 1
        places = list(itertools.islice(self._pop(now, among), window))
        if not places:
            return None
        mine = (place for place in places if zlib.crc32(place.oid) % shares == share)
        chosen = next(mine, places[0])
        for place in places:
            if place is not chosen:
                self._push(place)
        self.waiting[chosen.entry.queue] -= 1
        return chosen

    def drop(self, lock: str) -> None:
        """Let the next job with *lock* come: the first one has ended, or did not wait any more."""
        _, behind = self._locks.pop(lock, (0, []))
        if behind:
            first = heapq.heappop(behind)
            self._locks[lock] = first.number, behind
            self._push(first)

    def oldest_of_each(self, now: float, waits: Callable[[Place], bool]) -> dict[str, float]:
        """Return by queue since when the job that waits longest might have begun, nearly.

        Args:
            now: In seconds since the epoch.
            waits: Tells whether the job of a place still waits.
        """
        later = sorted(place for _, place in self._later if place.entry.due <= now)
        lines = [*self._ready.values(), *(behind for _, behind in self._locks.values())]
        firsts = [place for line in lines for place in line[:NEARLY]] + later
        found: dict[str, float] = {}
        for place in sorted(firsts, key=lambda place: place.entry.due):
            if place.entry.queue not in found and waits(place):
                found[place.entry.queue] = place.entry.due
        return found

    def _wake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, place = heapq.heappop(self._later)
            if self._is_first(place):
                self._push(place)

    def _is_first(self, place: Place) -> bool:
        """Tell whether *place* is the first one with its lock; if not, it stands behind it."""
        lock = place.entry.lock
        if not lock:
            return True
        first, behind = self._locks.setdefault(lock, (place.number, []))
        if first != place.number:
            heapq.heappush(behind, place)
        return first == place.number

    def _push(self, place: Place) -> None:
        heapq.heappush(self._ready.setdefault(place.entry.queue, []), place)

    def _pop(self, now: float, among: Container[str] | None) -> Iterator[Place]:
        """Take places out, one of each queue in turn."""
        while (queue := self._whose_turn(now, among)) is not None:
            line = self._ready[queue]
            place = heapq.heappop(line)
            self._ready.move_to_end(queue)
            if not line:
                del self._ready[queue]
            yield place

    def _whose_turn(self, now: float, among: Container[str] | None = None) -> str | None:
        wanted = (queue for queue in self._ready if among is None or queue in among)
        return next((queue for queue in wanted if self._closed.get(queue, 0.0) <= now), None)
