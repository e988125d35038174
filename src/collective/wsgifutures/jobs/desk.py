"""What runners write about jobs: claims, ends of attempts, heartbeats, rescues.

Each function works in the transaction of its caller, who commits, and tries again if somebody
else was faster.
"""

from .errors import ArgumentsLost
from .errors import ContextGone
from .errors import GivenUpElsewhere
from .errors import JobError
from .errors import NotInThatState
from .errors import Retry
from .errors import StreamLost
from .errors import TaskUnknown
from .errors import TooLate
from .errors import UserGone
from .records import Claim
from .records import holds
from .records import Job
from .records import JobState
from .records import Runner
from .records import Store
from .records import Wanted
from .tasks import find_task
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from transaction.interfaces import NoTransaction
from typing import Any

import traceback
import transaction

#: How many runners may die with a job until the job is dead, too.
MOST_DEATHS = 3

#: Seconds until a job is tried again that was ended by a conflict or by a stop of the server.
SOON = 1.0

#: Errors after which no attempt would help.
HOPELESS = (ArgumentsLost, ContextGone, GivenUpElsewhere, StreamLost, TooLate, UserGone)

#: Errors whose text says all, without the name of their class.
_TOLD = (Retry, JobError)

_DIED = (
    "The process that ran the job ended {n} times without a word: killed, out of memory, or a "
    "crash in C code. Look at the log of the server."
)

#: The most letters of an error, and of its traceback.
LONGEST_ERROR = 2_000
LONGEST_TRACEBACK = 20_000


@contextmanager
def changing(database: Any) -> Iterator[Any]:
    """Give a connection with a transaction of its own, which is committed at the end.

    Raises:
        ConflictError: Somebody else was faster.
    """
    manager = transaction.TransactionManager(explicit=True)
    connection = database.open(manager)
    try:
        with manager:
            yield connection
    finally:
        with suppress(NoTransaction):  # a commit that failed leaves it open
            manager.abort()
        connection.close()


# Claims


def is_open(store: Store, queue: str, limits: dict[str, int]) -> bool:
    """Tell whether jobs of *queue* may begin: it is neither paused nor full."""
    if queue in store.paused:
        return False
    return queue not in limits or bool(_free_places(store, queue, limits[queue]))


def may_claim(store: Store, job: Job, limits: dict[str, int]) -> list[str] | None:
    """Return the names of what *job* takes while it runs; None if it has to wait for one.

    Args:
        store: The store.
        job: A waiting job.
        limits: How many jobs of a queue may run at a time, by queue.
    """
    wanted, names = job.wanted, []
    if not is_open(store, wanted.queue, limits):
        return None
    if wanted.lock:
        if holds(store.taken.get(lock_name(wanted))):
            return None
        names.append(lock_name(wanted))
    if wanted.queue in limits:
        names += _free_places(store, wanted.queue, limits[wanted.queue])[:1]
    return names


def lock_name(wanted: Wanted) -> str:
    """Return the name of the lock of a job in ``Store.taken``."""
    return f"lock {wanted.lock}"


def _free_places(store: Store, queue: str, limit: int) -> list[str]:
    places = [f"place {number} {queue}" for number in range(limit)]
    return [place for place in places if not holds(store.taken.get(place))]


def claim(store: Store, job: Job, runner: str, names: list[str], now: float) -> Claim:
    """Give *job* to *runner*, with what it takes."""
    claimed = job.claim(runner, now)
    store.taken.update(dict.fromkeys(names, (job, claimed.generation)))
    return claimed


# Ends of attempts


def settle(store: Store, job: Job, error: BaseException, now: float) -> None:
    """Note that an attempt failed: the job waits for another one, or is dead."""
    told, trace = describe(job.wanted, error)
    if job.side.cancel:
        job.cancel(now)
    elif isinstance(error, HOPELESS):
        bury(store, job, now, told, trace)
    else:
        job.attempt += 1
        due = now + pause(job, error)
        if job.attempt >= job.wanted.attempts:
            bury(store, job, now, told, trace)
        elif due > job.wanted.deadline:
            bury(store, job, now, f"{told} Its deadline comes before the next attempt.", trace)
        else:
            job.again(now, due, told, trace)
            store.line_up(job)


def let_go(store: Store, job: Job, now: float, after: float = 0.0) -> None:
    """Let a job that could not be finished here wait again: that was no attempt."""
    if job.side.cancel:
        job.cancel(now)
    else:
        job.again(now, now + after)
        store.line_up(job)


def bury(store: Store, job: Job, now: float, error: str, trace: str = "") -> None:
    """Let *job* be dead, for a person to look at."""
    job.bury(now, error, trace)
    store.dead[job.id] = job


def pause(job: Job, error: BaseException) -> float:
    """Return the seconds until the next attempt at *job*."""
    if isinstance(error, Retry):
        return error.after
    try:
        return float(find_task(job.wanted.task).pause(job.attempt))
    except TaskUnknown:  # another process may know it
        return float(10 * 2 ** min(job.attempt, 8))


def describe(wanted: Wanted, error: BaseException) -> tuple[str, str]:
    """Return *error* in a line, and its traceback; a secret task's without values."""
    kind = type(error).__qualname__
    if wanted.secret:
        frames = traceback.format_tb(error.__traceback__)
        return f"{kind} (the task is secret)", "".join(frames)[-LONGEST_TRACEBACK:]
    text = _text(error) if isinstance(error, _TOLD) else f"{kind}: {_text(error)}"
    lines = traceback.format_exception(error)
    return text[:LONGEST_ERROR], "".join(lines)[-LONGEST_TRACEBACK:]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its text cannot be read)"


# Runners


def beat(store: Store, id: str, place: tuple[str, int], claims: tuple[Job, ...]) -> None:
    """Note that the runner lives, and what it runs."""
    runner = store.runners.get(id)
    if runner is None:
        runner = store.runners[id] = Runner(id, place)
    runner.beat += 1
    if runner.claims != claims:
        runner.claims = claims


def jobs_of_runner(runner: Runner) -> list[Job]:
    """Return the jobs that *runner* has, unless somebody else has them by now."""
    return [
        job for job in runner.claims if job.state is JobState.RUNNING and job.runner == runner.id
    ]


def rescue(store: Store, runner: Runner, now: float) -> list[Job]:
    """Let the jobs of a dead *runner* wait again, and forget it; return them."""
    found = jobs_of_runner(runner)
    for job in found:
        has_died(store, job, now, _DIED)
    store.runners.pop(runner.id, None)
    return found


def has_died(store: Store, job: Job, now: float, told: str) -> None:
    """Note that whoever ran *job* ended without a word; *told* says so, with ``{n}`` times."""
    job.deaths += 1
    if job.deaths >= MOST_DEATHS:
        bury(store, job, now, told.format(n=job.deaths))
    else:
        let_go(store, job, now)


# People


def cancel(job: Job, now: float) -> bool:
    """Cancel a waiting *job* at once, ask a running one to end; tell whether it is cancelled.

    Raises:
        NotInThatState: It has ended.
    """
    if job.state is JobState.RUNNING:
        job.side.cancel = True
        return False
    if job.state is not JobState.WAITING:
        raise NotInThatState(job.id, job.state.value, ["waiting", "running"])
    job.cancel(now)
    return True


def retry(store: Store, job: Job, now: float) -> None:
    """Let a dead or cancelled *job* wait again.

    Raises:
        NotInThatState: It is neither.
    """
    job.retry(now)
    store.dead.pop(job.id, None)
    store.line_up(job)


def discard(store: Store, job: Job, now: float) -> None:
    """Let a dead *job* be forgotten, as one that was cancelled.

    Raises:
        NotInThatState: It is not dead.
    """
    if job.state is not JobState.DEAD:
        raise NotInThatState(job.id, job.state.value, ["dead"])
    job.cancel(now)
    store.dead.pop(job.id, None)


def pause_queue(store: Store, queue: str, now: float) -> None:
    """Let no job of *queue* begin until it is resumed; those that run go on."""
    store.paused.setdefault(queue, now)


def resume_queue(store: Store, queue: str) -> None:
    """Let jobs of *queue* begin again."""
    store.paused.pop(queue, None)
