"""The runner of one process: it claims jobs, runs them, and looks after those of dead runners.

It looks once a second, and at once when a transaction of this process has added a job. If the
database did not change, a look costs nothing, and nothing is written while nothing happens.

A job runs as a visit of its own, in a greenlet or thread of its own, behind all visitors at the
gate. Only the runner's loop claims jobs and tells of their progress; the end of a job is written
in the transaction of its work. Between two looks the runner has no connection to the database.
"""

from ..kernel.runtime import current as current_runtime
from ..kernel.runtime import Interrupted
from ..publisher.zope_audit import layers
from ..wsgi.job_visit import GIVE_WAY
from ..wsgi.worker import Worker
from . import desk
from .errors import ClaimLost
from .index import Index
from .index import Place
from .neighbours import find_place
from .neighbours import Neighbours
from .purge import Kept
from .purge import Purge
from .records import Job
from .records import JobState
from .records import Store
from .store import find_store
from .store import lanes
from .store import make_store
from .submitting import listeners
from .work import Attempt
from .work import find_context
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from functools import partial
from transaction.interfaces import TransientError
from typing import Any
from ZODB.POSException import POSKeyError

import logging
import random
import threading
import time
import uuid

logger = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK_EVERY = 1.0

#: Seconds between two heartbeats, while jobs run.
BEAT_EVERY = 6.0

#: Seconds between two looks at what may be forgotten, more or less.
PURGE_EVERY = 10.0

#: Seconds until the next look while more jobs wait than may begin.
SOON = 0.1

#: How often a change is tried that somebody else may make at the same time.
TRIES = 20


class Runner:
    """Runs the jobs of a database in this process.

    Args:
        worker: The worker whose slots it uses.
        database: Zope's main database.
        most: How many jobs it has at a time, those that wait for a future included.
        queues: Whose jobs it runs; empty: all.
        limits: How many jobs of a queue run at a time, in all processes, by queue.
        kept: For how long ended jobs are kept.
        claims: Whether it runs jobs at all; if not it only keeps lanes for this process.
    """

    def __init__(
        self,
        worker: Worker,
        database: Any,
        *,
        most: int = 10,
        queues: Iterable[str] = (),
        limits: Mapping[str, int] | None = None,
        claims: bool = True,
        kept: Kept | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.counts: Counter[str] = Counter()  #: what became of attempts: done, failed, lost, ...
        self.running: dict[str, Attempt] = {}  #: by the id of the job
        self.index = Index(queues)
        self._worker = worker
        self._database = database
        self._most = most
        self._limits = dict(limits or {})
        self._claims = claims
        self._neighbours = Neighbours(self.id)
        self._place = find_place()
        self._runtime = current_runtime()
        self._wake = self._runtime.signal()
        self._lock = threading.Lock()  # one change at a time
        self._unsettled: list[tuple[Attempt, str, BaseException | None]] = []
        self._stopping = False
        self._last_tid: Any = None
        self._next_beat = 0.0
        self._next_purge = 0.0
        self._purge = Purge(kept or Kept())
        self._sees_all = not _is_relational(database.storage)
        self._alone = False

    def start(self) -> None:
        """Begin to look."""
        lanes.wanted = self._worker.gate.slots + 1
        listeners.append(self._wake.set)
        self._runtime.spawn(self._loop)

    def stop(self) -> None:
        """Claim nothing more. What runs may end."""
        self._stopping = True

    def let_go(self) -> None:
        """Let other runners have the jobs that still run here: nothing of them is committed."""
        self._stopping = True
        for attempt in list(self.running.values()):
            attempt.stop()
        if self.running:
            self._change(self._let_go_of_all)

    # The loop

    def _loop(self) -> None:
        while True:
            self._wake.clear()
            self._runtime.give_way(GIVE_WAY)
            seconds = self._look_safely()
            self._wake.wait(seconds)

    def _look_safely(self) -> float:
        try:
            return self._look(time.time())
        except Exception:
            logger.exception("The runner of jobs could not look for jobs; it looks again soon.")
            self._last_tid = None
            return 5 * LOOK_EVERY

    def _look(self, now: float) -> float:
        """Do what is to be done *now*; return for how long nothing is, in seconds."""
        unsettled, self._unsettled = self._unsettled, []
        for end in unsettled:
            self._note_end(*end)
        if self._has_changed() or self._is_due(now):
            if lanes.need_some(now):
                self._change(lambda store: lanes.renew(store, now), lanes.renewed)
            if self._claims:
                self._forget(now)
                self._read()
                self._claim_some(now)
        if self.running and time.monotonic() >= self._next_beat:
            self._beat()
        due = self.index.next_look()
        if self._claims and self.index.oldest() is not None and len(self.running) < self._most:
            due = now + SOON
        return LOOK_EVERY if due is None else max(0.01, min(LOOK_EVERY, due - now))

    def _has_changed(self) -> bool:
        """Tell whether somebody has committed something since the last look, as far as known."""
        last, self._last_tid = self._last_tid, self._database.lastTransaction()
        return last != self._last_tid or not self._sees_all

    def _is_due(self, now: float) -> bool:
        due = self.index.next_look()
        return bool(self.running or len(self._neighbours) or (due is not None and due <= now))

    # Looks

    def _read(self) -> None:
        """Read what is new: jobs, what is asked of running ones, and which runners died."""
        with desk.changing(self._database) as connection:
            store = find_store(connection)
            if store is None:
                return
            self.index.read(store)
            for attempt in list(self.running.values()):
                self._look_at(connection.get(attempt.claim.oid), attempt)
            dead = self._neighbours.look(store, self._place)
        for id in dead:
            self._change(partial(self._rescue, id=id))

    def _look_at(self, job: Job, attempt: Attempt) -> None:
        if job.side.cancel or self._has_lost(job, attempt):
            attempt.cancel()

    def _has_lost(self, job: Job, attempt: Attempt) -> bool:
        if job.state is JobState.DONE:  # it just ended
            return False
        return job.state is not JobState.RUNNING or job.generation != attempt.claim.generation

    def _rescue(self, store: Store, id: str) -> bool:
        record = store.runners.get(id)
        if record is None:
            return False
        for job in desk.rescue(store, record, time.time()):
            logger.warning(
                "Job %s (%s) is %s: the process that ran it has ended.",
                job.id,
                job.wanted.task,
                job.state.value,
            )
        return True

    def _forget(self, now: float) -> None:
        if now >= self._next_purge:
            self._next_purge = now + random.uniform(0.5, 1.5) * PURGE_EVERY  # noqa: S311
            self._change(lambda store: self._purge.look(store, now))

    # Claims

    def _claim_some(self, now: float) -> None:
        """Claim as many jobs as may begin."""
        while not self._stopping and self._has_room():
            place = self.index.take(now, *self._neighbours.share)
            if place is None:
                return
            if place.entry.alone and self.running:  # it waits until it is alone, and others too
                self.index.put_off(place, now)
                return
            self._runtime.give_way(GIVE_WAY)
            attempt = self._claim_safely(place, now)
            if attempt is not None:
                self._alone = place.entry.alone
                self.running[attempt.claim.job] = attempt
                self._begin(partial(self._run, attempt, place.entry.lock))

    def _has_room(self) -> bool:
        """Tell whether one more job may run: it should get a slot soon, too."""
        gate, begun = self._worker.gate, [a for a in self.running.values() if a.has_begun]
        in_line = gate.jobs_waiting + len(self.running) - len(begun)
        return len(self.running) < self._most and not self._alone and in_line < gate.slots

    def _claim_safely(self, place: Place, now: float) -> Attempt | None:
        """Claim the job of *place*; put the place back if that cannot be written now."""
        try:
            return self._claim(place, now)
        except POSKeyError:  # its submission was undone
            self.index.drop(place.entry.lock)
        except TransientError:  # somebody else was faster with it, or with what it takes
            self.index.put_off(place, now + SOON)
        except Exception:
            self.index.put_off(place, now)
            raise
        return None

    def _claim(self, place: Place, now: float) -> Attempt | None:
        """Claim the job of *place*; None if it does not wait any more, or has to wait."""
        with self._lock, desk.changing(self._database) as connection:
            store, job = make_store(connection), connection.get(place.oid)
            if job.state is not JobState.WAITING or job.generation != place.entry.generation:
                self.index.drop(place.entry.lock)
                return None
            names = desk.may_claim(store, job, self._limits)
            if names is None:
                self.index.put_off(place, now + LOOK_EVERY)
                return None
            try:
                path = find_context(connection, job.wanted, now)
            except desk.HOPELESS as error:
                desk.bury(store, job, now, str(error))
                self.index.drop(place.entry.lock)
                return None
            claim = desk.claim(store, job, self.id, names, now)
            others = [connection.get(a.claim.oid) for a in self.running.values()]
            desk.beat(store, self.id, self._place, (*others, job))
            return Attempt(job, claim, path)

    # One job

    def _begin(self, run: Callable[[], None]) -> None:
        """Let *run* run beside."""
        self._runtime.spawn(run)

    def _run(self, attempt: Attempt, lock: str) -> None:
        """Run one attempt, in a greenlet or thread of its own, and note its end."""
        error = attempt.publish(self._worker)
        self._note_end(attempt, lock, error)
        self._wake.set()

    def _note_end(self, attempt: Attempt, lock: str, error: BaseException | None) -> None:
        try:
            if error is not None:
                self._settle(attempt, error)
        except Exception:  # the database is away: until then the job is this runner's
            logger.exception("The end of job %s is not written yet.", attempt.claim.job)
            self._unsettled.append((attempt, lock, error))
            return
        self.counts["done" if error is None else "failed"] += 1
        del self.running[attempt.claim.job]
        self._alone = False
        self.index.drop(lock)

    def _settle(self, attempt: Attempt, error: BaseException) -> None:
        """Write that nothing of an attempt is committed, unless it is another runner's job now."""
        try:
            self._change(partial(self._write_end, attempt, error))
        except ClaimLost as lost:
            error = lost
        logger.warning("Job %s: %s", attempt.claim.job, error)

    def _write_end(self, attempt: Attempt, error: BaseException, store: Store) -> bool:
        now, job = time.time(), store._p_jar.get(attempt.claim.oid)
        job.check(attempt.claim)
        if isinstance(error, Interrupted | TransientError):
            desk.let_go(store, job, now, desk.SOON)
        else:
            desk.settle(store, job, error, now)
        return True

    # Changes

    def _change(
        self, change: Callable[[Store], bool], then: Callable[[], None] = lambda: None
    ) -> None:
        """Commit what *change* does, if it does something; again after a conflict."""
        for again in range(TRIES, 0, -1):
            try:
                with self._lock, desk.changing(self._database) as connection:
                    store = find_store(connection)
                    if store is None or not change(store):
                        return
            except TransientError:
                if again == 1:
                    raise
                time.sleep(0.01)
            else:
                then()
                return

    def _beat(self) -> None:
        self._next_beat = time.monotonic() + BEAT_EVERY
        attempts = list(self.running.values())

        def beat(store: Store) -> bool:
            jobs = [store._p_jar.get(attempt.claim.oid) for attempt in attempts]
            desk.beat(store, self.id, self._place, tuple(jobs))
            for job, attempt in zip(jobs, attempts, strict=True):
                if attempt.current.told is not None:
                    job.side.progress, job.side.words = attempt.current.told
            return True

        self._change(beat)
        for attempt in attempts:
            attempt.current.told = None

    def _let_go_of_all(self, store: Store) -> bool:
        now = time.time()
        for attempt in list(self.running.values()):
            job = store._p_jar.get(attempt.claim.oid)
            if not self._has_lost(job, attempt) and job.state is JobState.RUNNING:
                desk.let_go(store, job, now)
        return True


def _is_relational(storage: Any) -> bool:
    """Tell whether *storage* does not hear of what other processes commit."""
    *_, innermost = layers(storage)
    return type(innermost).__module__.startswith("relstorage.")
