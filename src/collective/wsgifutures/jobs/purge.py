"""Keeps the database small: forgets jobs that are over, and finds those that nobody runs.

It looks at one lane at a time, and only at those to which nobody adds, so no submission ever
conflicts with it. A lane is looked at again when the first of its jobs may be forgotten.
"""

from .desk import bury
from .records import Entry
from .records import Job
from .records import JobState
from .records import Lane
from .records import Store
from .store import COMMON
from .store import is_closed
from contextlib import suppress
from dataclasses import dataclass

#: How many places one look takes out of ``again``.
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
        changed, low, again_at = False, None, now + AGAIN
        last = lane.next() - (LEFT_ALONE if lane.id == COMMON else 0)
        for number, value in list(lane.jobs.items()):
            entry = Entry(*value)
            if low is None and waits(entry):
                low = number
            until = self._kept.until(entry.job)
            if until is None:
                changed |= _bury_if_nobody_runs_it(store, entry.job, now)
            elif until > now:
                again_at = min(again_at, until)
            elif number < last:
                _forget(store, lane, number)
                changed = True
        self._again_at[lane.id] = again_at
        return _move_on(store, lane, lane.next() if low is None else low) or changed


def waits(entry: Entry) -> bool:
    """Tell whether the job of *entry* still has that place in the line."""
    return entry.job.state is JobState.WAITING and entry.job.generation == entry.generation


def _forget(store: Store, lane: Lane, number: int) -> None:
    job = lane.jobs.pop(number)[0]
    with suppress(KeyError):
        del store.dead[job.id]
    if job.wanted.unique and store.unique.get(job.wanted.unique, (None,))[0] is job:
        del store.unique[job.wanted.unique]


def _bury_if_nobody_runs_it(store: Store, job: Job, now: float) -> bool:
    """Bury a job that an undo has brought back as running."""
    if job.state is not JobState.RUNNING or now - job.since < AGAIN:
        return False
    runner = store.runners.get(job.runner)
    if runner is not None and any(claimed is job for claimed in runner.claims):
        return False
    bury(store, job, now, _UNDONE)
    return True


def _move_on(store: Store, lane: Lane, low: int) -> bool:
    """Let those who begin to read begin at *low*; drop an empty lane."""
    if not lane.jobs and lane.id != COMMON:
        del store.lanes[lane.id]
        return True
    if low > lane.low:
        lane.low = low
        return True
    return False


def _trim_again(store: Store) -> bool:
    """Take places of jobs out of ``again`` that do not wait there any more, from its start."""
    gone: list[int] = []
    for number, value in store.again.items():
        if waits(Entry(*value)) or len(gone) >= AT_ONCE:
            break
        gone.append(number)
    for number in gone[:-1]:  # the last number is never given twice
        del store.again[number]
    return len(gone) > 1
