"""Keeps the database small: takes out what is over and not wanted any more.

Only lanes to which nobody adds are purged, so no submission ever conflicts with it.
"""

from .records import Entry
from .records import Job
from .records import JobState
from .records import Lane
from .records import Store
from .store import COMMON
from .store import is_closed
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

#: How many places one transaction takes out of ``again``.
AT_ONCE = 500

#: How many of the last jobs of the common lane are left alone: somebody may add just now.
LEFT_ALONE = 100


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


def purge(store: Store, kept: Kept, now: float) -> bool:
    """Forget jobs whose time is over; tell whether there is something to commit."""
    changed = _trim_again(store)
    for lane in list(store.lanes.values()):
        if is_closed(lane, now) or lane.id == COMMON:
            changed |= _purge_lane(store, lane, kept, now)
    return changed


def _purge_lane(store: Store, lane: Lane, kept: Kept, now: float) -> bool:
    numbers = list(_over(lane, kept, now))
    for number in numbers:
        job = lane.jobs.pop(number)[0]
        with suppress(KeyError):
            del store.dead[job.id]
        if job.wanted.unique and store.unique.get(job.wanted.unique, (None,))[0] is job:
            del store.unique[job.wanted.unique]
    low = _first_waiting(lane)
    changed = bool(numbers) or low > lane.low
    if low > lane.low:
        lane.low = low
    if not lane.jobs and lane.id != COMMON:
        del store.lanes[lane.id]
        changed = True
    return changed


def _over(lane: Lane, kept: Kept, now: float) -> Iterator[int]:
    end = lane.next() - LEFT_ALONE if lane.id == COMMON else lane.next()
    for number, value in list(lane.jobs.items(None, end, excludemax=True)):
        until = kept.until(value[0])
        if until is not None and until < now:
            yield number


def _first_waiting(lane: Lane) -> int:
    """Return the number of the first job that still has its first place in the line."""
    for number, value in lane.jobs.items(lane.low):
        if _waits(Entry(*value)):
            return int(number)
    return lane.next()


def _trim_again(store: Store) -> bool:
    """Take places of jobs out of ``again`` that do not wait there any more, from its start."""
    gone: list[int] = []
    for number, value in store.again.items():
        if _waits(Entry(*value)) or len(gone) >= AT_ONCE:
            break
        gone.append(number)
    for number in gone[:-1]:  # the last number is never given twice
        del store.again[number]
    return len(gone) > 1


def _waits(entry: Any) -> bool:
    job = entry.job
    return job.state is JobState.WAITING and job.generation == entry.generation
