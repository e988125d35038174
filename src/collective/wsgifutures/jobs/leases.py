"""What workers elsewhere write about jobs: claims, and what becomes of them.

A worker has a job for as long as its lease lasts, which each heartbeat renews. If none comes, the
job is rescued by whoever looks. The claim's number decides, as for a runner: whoever has an older
one changes nothing.

Each function works in the transaction of its caller, and each may be called again: a worker whose
answer was lost asks once more, and is told the same. The end of the lease stands in the job's
``Side``, so a heartbeat never conflicts with "done". A heartbeat and a rescue exclude each other:
each reads what the other one writes, and the database lets only one of them be committed.
"""

from . import desk
from .counts import count
from .errors import AttemptTimeout
from .errors import FailedElsewhere
from .errors import GivenUpElsewhere
from .errors import NotInThatState
from .errors import Retry
from .records import Claim
from .records import Job
from .records import JobState
from .records import Lease
from .records import Store
from .then import hand_over
from .work import pack_result
from BTrees.OOBTree import OOBTree
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import random

#: How long a worker has a job until its next heartbeat, in seconds.
LEASE = 120.0

#: Seconds by which a heartbeat has to prolong a lease to be written.
WORTH = 5.0

#: Seconds between two looks at the leases.
LOOK_EVERY = 10.0

_LOST = (
    "The worker elsewhere that had the job was silent {n} times until its lease was over: killed, "
    "cut off, or busy with something that lets it send no heartbeat. Look at the log of the worker."
)


# Claims


def claim_elsewhere(
    store: Store,
    job: Job,
    worker: str,
    key: str,
    now: float,
    limits: Mapping[str, int] | None = None,
) -> Claim | None:
    """Give *job* to a worker; None if it has to wait for its queue or its lock.

    Args:
        store: The store.
        job: A job for workers elsewhere.
        worker: The id of the worker.
        key: What the worker calls its claim: the same key again gives the same claim.
        now: In seconds since the epoch.
        limits: How many jobs of a queue may run at a time, by queue.

    Raises:
        NotInThatState: It does not wait.
    """
    known = store.lease_of(job)
    if key and known is not None and (known.worker, known.key) == (worker, key):
        return claim_of(job)
    if job.state is not JobState.WAITING or not job.wanted.elsewhere:
        raise NotInThatState(job.id, job.state.value, ["waiting"])
    names = desk.may_claim(store, job, dict(limits or {}))
    if names is None:
        return None
    claim = desk.claim(store, job, worker, names, now)
    job.side.lease = _end(job, now)
    _leases(store)[job.id] = tuple(Lease(job, claim.generation, worker, key))
    count("claimed", job)
    return claim


def claim_of(job: Job) -> Claim:
    """Return the last claim of *job*."""
    return Claim(job.id, job._p_oid, job.generation)


def find_lease(store: Store, worker: str, key: str) -> Lease | None:
    """Return what a worker has under that *key*; None if it has nothing, or has it no more."""
    if not key:
        return None
    for value in (store.leases or {}).values():
        lease = Lease(*value)
        if (lease.worker, lease.key) == (worker, key) and lease.holds:
            return lease
    return None


def leases_of(store: Store) -> Iterator[Lease]:
    """Yield the leases that hold."""
    for value in (store.leases or {}).values():
        lease = Lease(*value)
        if lease.holds:
            yield lease


def _leases(store: Store) -> Any:
    if store.leases is None:  # of an older version
        store.leases = OOBTree()
    return store.leases


def _end(job: Job, now: float) -> float:
    """Return until when a lease that is given *now* lasts: an attempt has its time limit, too."""
    return float(min(now + LEASE, job.since + job.wanted.timeout))


# While a job runs


def renew(job: Job, generation: int, now: float) -> bool:
    """Prolong the lease of *job*; tell whether there is something to commit.

    Raises:
        ClaimLost: The claim of that *generation* is not the last one, or the job is not running.
        AttemptTimeout: The worker has had the job for longer than an attempt may take.
    """
    job.check(Claim(job.id, b"", generation))
    wanted, end = job.wanted, _end(job, now)
    if now >= job.since + wanted.timeout:
        raise AttemptTimeout(wanted.task, wanted.timeout)
    if end - job.side.lease < WORTH:
        return False
    _read_current(job)
    job.side.lease = end
    return True


def tell(job: Job, generation: int, done: float, words: str, now: float) -> bool:
    """Note how far the worker is, which prolongs the lease; tell whether that is written.

    It is written every few seconds at most.

    Raises:
        ClaimLost, AttemptTimeout: As ``renew``.
    """
    is_written = renew(job, generation, now)
    if is_written:
        job.side.progress, job.side.words = done, words
    return is_written


def _read_current(record: Any) -> None:
    """Let nobody change *record* while this transaction is committed."""
    if record._p_jar is not None:
        record._p_activate()  # of a ghost nothing would be remembered
        record._p_jar.readCurrent(record)


# Ends


def complete(
    store: Store,
    job: Job,
    generation: int,
    result: Any,
    now: float,
    files: Mapping[str, Any] | None = None,
) -> Job | None:
    """Write "done"; return the job that gets the result, if there is one.

    Raises:
        ClaimLost: As ``renew``.
        ResultRefused: The result is too large.
        TaskUnknown, ArgumentRefused, TypeError: The task that gets the result is not there, or does
            not take it.
    """
    if _has_said(job, generation, "complete"):
        return None
    claim = Claim(job.id, b"", generation)
    job.check(claim)
    job.finish(claim, pack_result(job.wanted.task, result), now)
    job.said = "complete"
    count("done", job)
    return hand_over(store, job, result, files or {}, now)


def fail(
    store: Store,
    job: Job,
    generation: int,
    error: str,
    now: float,
    *,
    retry_after: float | None = None,
    is_hopeless: bool = False,
) -> None:
    """Note that the attempt failed: the job waits for another one, or is dead.

    Args:
        store: The store.
        job: The job.
        generation: That of the claim.
        error: Why, for people.
        now: In seconds since the epoch.
        retry_after: Seconds until the next attempt, in place of the task's own pause.
        is_hopeless: Whether no attempt would help.

    Raises:
        ClaimLost: As ``renew``.
        ValueError: *retry_after* is not a number of 0 or more.
    """
    if _has_said(job, generation, "fail"):
        return
    job.check(Claim(job.id, b"", generation))
    desk.settle(store, job, _error(error, retry_after, is_hopeless), now)
    job.said = "fail"
    count("failed", job)


def _error(text: str, retry_after: float | None, is_hopeless: bool) -> Exception:
    if is_hopeless:
        return GivenUpElsewhere(text)
    return FailedElsewhere(text) if retry_after is None else Retry(retry_after, text)


def release(store: Store, job: Job, generation: int, now: float) -> None:
    """Let somebody else have the job at once: that was no attempt.

    Raises:
        ClaimLost: As ``renew``.
    """
    if _has_said(job, generation, "release"):
        return
    job.check(Claim(job.id, b"", generation))
    desk.let_go(store, job, now)
    job.said = "release"
    count("released", job)


def _has_said(job: Job, generation: int, what: str) -> bool:
    """Tell whether a worker says again how the claim ended: its first answer was lost."""
    return job.generation == generation and job.said == what


# Workers that are silent


def expired(store: Store, now: float) -> list[Job]:
    """Return the jobs whose leases are over."""
    return [lease.job for lease in leases_of(store) if lease.job.side.lease <= now]


def rescue(store: Store, job: Job, now: float) -> None:
    """Let a job wait again whose lease is over; it is dead if that happened too often."""
    _read_current(job.side)  # a heartbeat meanwhile is a conflict
    count("lost", job)
    wanted = job.wanted
    if now >= job.since + wanted.timeout:
        desk.settle(store, job, AttemptTimeout(wanted.task, wanted.timeout), now)
    else:
        desk.has_died(store, job, now, _LOST)


def clean(store: Store) -> bool:
    """Forget leases that hold no more; tell whether there is something to commit.

    One of them may stay: two first leases in an empty tree would conflict.
    """
    gone = [id for id, value in (store.leases or {}).items() if not Lease(*value).holds]
    for id in gone[1:]:
        with suppress(KeyError):
            del store.leases[id]
    return len(gone) > 1


class Leases:
    """When a process looks at the leases: seldom, and only if there may be some.

    It keeps when the next lease is over, so that the database is not opened for nothing.
    """

    def __init__(self) -> None:
        self._next_look = 0.0
        self._next_end: float | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether a lease is over, as far as known."""
        return self._next_end is not None and now >= self._next_end

    def is_time(self, now: float) -> bool:
        """Tell whether to look, if the database has changed."""
        return now >= self._next_look or self.is_due(now)

    def put_off(self) -> None:
        """Look as soon as it is time: the database has changed, and may do so no more."""
        ends = [self._next_look] if self._next_end is None else [self._next_look, self._next_end]
        self._next_end = min(ends)

    def look(self, store: Store, now: float) -> list[Job]:
        """Return the jobs to rescue."""
        self._next_look = now + random.uniform(0.5, 1.0) * LOOK_EVERY  # noqa: S311  no secret
        ends = [lease.job.side.lease for lease in leases_of(store)]
        self._next_end = max(min(ends), self._next_look) if ends else None
        return expired(store, now)
