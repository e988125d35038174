"""Keeps the database small: forgets jobs that are over, and ends those that nobody will run.

It looks at one lane at a time, and only at those to which nobody adds, so no submission ever
conflicts with it. A lane is looked at again when the first of its jobs may be forgotten.
"""

from .desk import bury
from .desk import lock_name
from .errors import TooLate
from .records import Entry
from .records import Job
from .records import JobState
from .records import Lane
from .records import Store
from .store import COMMON
from .store import is_closed
from dataclasses import dataclass

import itertools

#: How many places of ``again`` one look looks at.
AT_ONCE = 500

#: How many of the last jobs of the common lane are left alone: somebody may add just now.
LEFT_ALONE = 100

#: Seconds until a lane is looked at again that has jobs which have not ended.
AGAIN = 3600.0

_UNDONE = (
    "The job was running, and no process runs it. Most likely what it did was undone: it is not "
    "run again by itself. Retry it if it should be done once more."
)


@dataclass(frozen=True)
class Kept:
    """For how long ended jobs are kept, in seconds."""

    done: float = 86400.0
    dead: float = 30 * 86400.0

    def until(self, job: Job) -> float | None:
        """Return when *job* may be forgotten; None if it has not ended."""
        if not job.ended:
            return None
        return float(job.since + (self.dead if job.state is JobState.DEAD else self.done))


class Purge:
    """What one process knows of the lanes that it looks at.

    Args:
        kept: For how long ended jobs are kept.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._again_at: dict[str, float] = {}  # by lane, in seconds since the epoch

    def look(self, store: Store, now: float) -> bool:
        """Look at one lane; tell whether there is something to commit."""
        for gone in [id for id in self._again_at if id not in store.lanes]:
            del self._again_at[gone]
        changed = _trim_again(store)
        lane = self._next(store, now)
        return changed if lane is None else self._look_at(store, lane, now) or changed

    def _next(self, store: Store, now: float) -> Lane | None:
        for lane in store.lanes.values():
            is_open = lane.id != COMMON and not is_closed(lane, now)
            if not is_open and now >= self._again_at.get(lane.id, 0.0):
                return lane  # type: ignore[no-any-return]
        return None

    def _look_at(self, store: Store, lane: Lane, now: float) -> bool:
        self._again_at[lane.id] = now + AGAIN  # if it cannot be read, others come first
        changed, low, times = False, None, [now + AGAIN]
        last = lane.next() - (LEFT_ALONE if lane.id == COMMON else 0)
        for number, value in list(lane.jobs.items()):
            entry = Entry(*value)
            until = self._until(store, entry.job)
            if until is None:
                changed |= _bury_if_nobody_will_run_it(store, entry.job, now)
                times.append(entry.job.wanted.deadline)
            elif until > now:
                times.append(until)
            elif number < last:
                _forget(store, lane, number)
                changed = True
            if low is None and entry.job.waits(entry.generation):
                low = number
        self._again_at[lane.id] = min(time for time in times if time > now)
        return _move_on(store, lane, lane.next() if low is None else low) or changed

    def _until(self, store: Store, job: Job) -> float | None:
        """Return when *job* may be forgotten: not while ``submit`` still returns it."""
        until = self._kept.until(job)
        latest, unique_until = store.unique.get(job.wanted.unique, (None, 0.0))
        return until if until is None or latest is not job else max(until, unique_until)


def _forget(store: Store, lane: Lane, number: int) -> None:
    job = lane.jobs.pop(number)[0]
    store.dead.pop(job.id, None)
    if store.leases:
        store.leases.pop(job.id, None)
    if job.wanted.unique and store.unique.get(job.wanted.unique, (None,))[0] is job:
        del store.unique[job.wanted.unique]
    if store.taken.get(lock_name(job.wanted), (None,))[0] is job:
        del store.taken[lock_name(job.wanted)]


def _bury_if_nobody_will_run_it(store: Store, job: Job, now: float) -> bool:
    wanted = job.wanted
    if job.state is JobState.WAITING and now > wanted.deadline:
        bury(store, job, now, str(TooLate(wanted.deadline - wanted.submitted)))
    elif job.state is JobState.RUNNING and _was_undone(store, job, now):
        bury(store, job, now, _UNDONE)
    else:
        return False
    return True


def _was_undone(store: Store, job: Job, now: float) -> bool:
    """Tell whether an undo has brought *job* back as running: no runner has it."""
    if job.wanted.elsewhere:
        return now - job.since >= AGAIN and store.lease_of(job) is None
    runner = store.runners.get(job.runner)
    has_it = runner is not None and any(claimed is job for claimed in runner.claims)
    return now - job.since >= AGAIN and not has_it


def _move_on(store: Store, lane: Lane, low: int) -> bool:
    """Let those who begin to read begin at *low*; drop an empty lane."""
    if not lane.jobs and lane.id != COMMON:
        lane.jobs._p_changed = True  # conflicts with a long transaction that adds a job to it
        del store.lanes[lane.id]
        return True
    if low > lane.low:
        lane.low = low
        return True
    return False


def _trim_again(store: Store) -> bool:
    """Take places of jobs out of ``again`` that do not wait there any more."""
    places = [(n, Entry(*value)) for n, value in itertools.islice(store.again.items(), AT_ONCE)]
    gone = [number for number, entry in places if not entry.job.waits(entry.generation)]
    if gone and gone[-1] == store.again.maxKey():  # its number is never given twice
        gone.pop()
    for number in gone:
        del store.again[number]
    return bool(gone)
