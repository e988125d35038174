"""What a runner sees and has done, as numbers and plain data: for the live status and metrics.

The runner's loop counts what waits, and keeps it. Whoever reports it neither opens a database nor
looks into an index that changes meanwhile.
"""

from ..kernel.durations import Durations
from .changes import find
from .desk import changing
from .index import Index
from .leases import leases_of
from .records import Entry
from .records import Job
from .records import Lease
from .records import Store
from .records import Wanted
from .store import find_store
from .work import Attempt
from collections import Counter
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import time

#: The upper bounds of the counts of durations, in seconds. Jobs take longer than calls.
BOUNDS = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)

#: What is counted since the start: how attempts ended, and jobs that were dead or rescued then.
TOTALS = ("done", "failed", "dead", "cancelled", "rescued", "lost", "conflicts", "stopped")

#: How many minutes ``recent`` goes back.
RECENT = 10

#: How many running jobs are listed.
MOST = 50

#: Seconds between two counts of what waits.
COUNT_EVERY = 2.0

#: What there is of jobs for workers elsewhere before the first one.
NOTHING: dict[str, Any] = {"waiting": {}, "oldest": {}, "running": {}, "jobs": []}

#: How many times as long as a count takes the next one is put off, if that is longer.
COUNT_SHARE = 100


class Figures:
    """The figures of one runner.

    Args:
        clock: Gives the time in seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.totals: Counter[str] = Counter(dict.fromkeys(TOTALS, 0))
        self.delays = Durations(BOUNDS)  #: from when jobs were due to when they began
        self.runs = Durations(BOUNDS)  #: of attempts, from claim to end
        self.waiting: dict[str, int] = {}  #: by queue
        self.oldest: dict[str, float] = {}  #: by queue, since when its oldest job might have begun
        self.dead = 0  #: how many jobs are dead
        self.elsewhere: dict[str, Any] = NOTHING  #: the same of jobs for workers elsewhere
        self._clock = clock
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=RECENT)

    def count(self, what: str) -> None:
        """Count one of ``TOTALS``."""
        minute = int(self._clock() // 60)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, Counter()))
        for counts in (self.totals, self._minutes[-1][1]):
            counts[what] += 1

    def recent(self) -> dict[str, int]:
        """Return what was counted in the last ten minutes."""
        first = int(self._clock() // 60) - RECENT
        found = [counts for minute, counts in list(self._minutes) if minute > first]
        return {what: sum(counts[what] for counts in found) for what in TOTALS}

    def begins(self, attempt: Attempt) -> None:
        """Count an attempt that begins."""
        self.delays.add(max(0.0, attempt.waited))

    def ends(self, attempt: Attempt) -> None:
        """Count an attempt that has ended, however it did."""
        self.runs.add(max(0.0, self._clock() - attempt.since))

    def look(self, store: Store, index: Index, others: "Others", now: float) -> None:
        """Count what waits and what is dead in *store*."""
        connection = store._p_jar

        def waits(place: Any) -> bool:
            return _waits(connection, place.oid, place.entry.generation)

        others.trim(lambda seen: _waits(connection, seen.oid, seen.generation))
        self.waiting = dict(+index.waiting + Counter(others.here.count()))
        self.oldest = _earliest(index.oldest_of_each(now, waits), others.here.first_due(now))
        self.dead = len(store.dead)
        self.elsewhere = {
            "waiting": others.elsewhere.count(),
            "oldest": others.elsewhere.first_due(now),
            **_describe_leases(leases_of(store)),
        }

    def told(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {
            "waiting": self.waiting,
            "oldest": self.oldest,
            "dead": self.dead,
            "elsewhere": self.elsewhere,
            "totals": dict(self.totals),
            "recent": self.recent(),
            "delay_seconds": round(self.delays.total, 3),
            "delay_buckets": self.delays.buckets(),
            "run_seconds": round(self.runs.total, 3),
            "run_buckets": self.runs.buckets(),
        }


def _earliest(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    found = dict(one)
    for queue, due in other.items():
        found[queue] = min(due, found.get(queue, due))
    return found


def describe(attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """Return the jobs that run, the oldest first: without arguments, results and words."""
    oldest = sorted(attempts, key=lambda attempt: attempt.since)[:MOST]
    return [_describe(attempt) for attempt in oldest]


def _describe(attempt: Attempt) -> dict[str, Any]:
    current = attempt.current
    return {
        **_describe_job(current.id, attempt.wanted, attempt.since),
        "attempt": current.attempt,
        "attempts": attempt.wanted.attempts,
        "progress": round(current.done, 3),
    }


def _describe_leases(leases: Iterable[Lease]) -> dict[str, Any]:
    """Return how many jobs run elsewhere in each queue, and the oldest of them."""
    found = sorted(((lease.job, lease) for lease in leases), key=lambda pair: pair[0].since)
    return {
        "running": dict(Counter(job.wanted.queue for job, _ in found)),
        "jobs": [_describe_lease(job, lease) for job, lease in found[:MOST]],
    }


def _describe_lease(job: Job, lease: Lease) -> dict[str, Any]:
    """Return a job that runs elsewhere: without arguments and words."""
    return {
        **_describe_job(job.id, job.wanted, job.since),
        "worker": lease.worker,
        "lease": round(job.side.lease, 1),
        "progress": round(job.side.progress, 3),
    }


def _describe_job(id: str, wanted: Wanted, since: float) -> dict[str, Any]:
    return {
        "id": id,
        "task": wanted.task,
        "label": wanted.label,
        "queue": wanted.queue,
        "user": wanted.origin.user_name,
        "site": wanted.origin.site,
        "since": round(since, 1),
    }


def _waits(connection: Any, oid: bytes, generation: int) -> bool:
    job = find(connection, oid)
    return job is not None and job.waits(generation)


# The queues of others


class _Seen(NamedTuple):
    """A place in the line of a queue."""

    due: float
    generation: int
    oid: bytes


class Lines:
    """Places of jobs that somebody else takes, more or less in order, by queue.

    So the first one that waits is found in a few steps, and few jobs are loaded for that.
    """

    def __init__(self) -> None:
        self._by_queue: dict[str, list[_Seen]] = {}

    def add(self, entry: Entry) -> None:
        """Add a place."""
        seen = _Seen(entry.due, entry.generation, entry.job._p_oid)
        self._by_queue.setdefault(entry.queue, []).append(seen)

    def sort(self) -> None:
        """Put those that are due first to the front."""
        for line in self._by_queue.values():
            line.sort()

    def trim(self, waits: Callable[[_Seen], bool]) -> None:
        """Drop places from the start of each line until one *waits*."""
        for line in self._by_queue.values():
            step = 1
            while line:
                last = min(step, len(line)) - 1
                if not waits(line[last]):
                    del line[: last + 1]
                    step *= 2
                elif step > 1:
                    step //= 2
                else:
                    break

    def count(self) -> dict[str, int]:
        """Return how many places there are in each queue."""
        return {queue: len(line) for queue, line in self._by_queue.items() if line}

    def first_due(self, now: float) -> dict[str, float]:
        """Return since when the first job of each queue might have begun."""
        firsts = {queue: line[0].due for queue, line in self._by_queue.items() if line}
        return {queue: due for queue, due in firsts.items() if due <= now}


class Others:
    """The jobs that wait and that this runner does not do: how many, and how long."""

    def __init__(self) -> None:
        self.here = Lines()  #: of queues that it does not serve
        self.elsewhere = Lines()  #: for workers elsewhere

    def add(self, entry: Entry) -> None:
        """Add a place, of which the runner's index tells."""
        (self.elsewhere if entry.elsewhere else self.here).add(entry)

    def trim(self, waits: Callable[[_Seen], bool]) -> None:
        """Drop places from the start of each line until one *waits*."""
        for lines in (self.here, self.elsewhere):
            lines.sort()
            lines.trim(waits)


class Counting:
    """Counts what waits, for people, if something has changed: seldom if that takes long.

    Args:
        figures: Where the counts go.
        index: The jobs that wait for this runner. It tells *others* of all that it reads besides.
        others: Those that wait for others.
    """

    def __init__(self, figures: Figures, index: Index, others: Others) -> None:
        self.is_due = False  #: whether something has changed since the last count
        self._figures = figures
        self._index = index
        self._others = others
        self._next = 0.0

    def count(self, database: Any, now: float) -> None:
        """Count, if it is time."""
        began = time.monotonic()
        if not self.is_due or began < self._next:
            return
        self.is_due = False
        with changing(database) as connection:
            store = find_store(connection)
            if store is not None:
                self._index.read(store)
                self._figures.look(store, self._index, self._others, now)
        ended = time.monotonic()
        self._next = ended + max(COUNT_EVERY, COUNT_SHARE * (ended - began))
