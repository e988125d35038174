"""The runner of one process: it claims jobs, runs them, and looks after those of dead runners.

It looks once a second, and at once when a transaction of this process has added a job. If the
database did not change, a look costs nothing, and nothing is written while nothing happens.

A job runs as a visit of its own, in a greenlet or thread of its own, behind all visitors at the
gate. Only the runner's loop claims jobs and tells of their progress; the end of a job is written
in the transaction of its work. Between two looks the runner has no connection to the database.

The module is long because the order of a look is read with what it looks at.
"""

from ..kernel.runtime import current as current_runtime
from ..wsgi.job_visit import GIVE_WAY
from ..wsgi.worker import Worker
from . import desk
from .changes import Changes
from .changes import find
from .ends import Ends
from .ends import fail_at_once
from .ends import Told
from .figures import Counting
from .figures import describe
from .figures import Figures
from .figures import Others
from .index import Index
from .index import Place
from .leases import Leases
from .neighbours import find_place
from .neighbours import Neighbours
from .news import News
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
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from functools import partial
from transaction.interfaces import TransientError
from typing import Any

import logging
import random
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

#: Seconds until a job is looked at again that could not be claimed, for whatever reason.
BROKEN = 60.0


#: An attempt, its lock, and why nothing of it is committed.
_End = tuple[Attempt, str, BaseException | None]


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
        self.figures = Figures()  #: what it sees and has done
        self.running: dict[str, Attempt] = {}  #: by the id of the job
        self._queues = frozenset(queues)
        others = Others()
        self.index = Index(self._queues if claims else None, others=others.add)
        self._counting = Counting(self.figures, self.index, others)
        self._worker = worker
        self._database = database
        self._most = most
        self._limits = dict(limits or {})
        self._claims = claims
        self._neighbours = Neighbours(self.id)
        self._place = find_place()
        self._runtime = current_runtime()
        self._wake = self._runtime.signal()
        self._changes = Changes(database)
        self._ends = Ends(self._changes, self.figures)
        self._unsettled: deque[_End] = deque()  # ends that are not written yet
        self._known: deque[tuple[Attempt, str]] = deque()  # ends that the index does not know yet
        self._stopping = False
        self._next_beat = 0.0
        self._next_purge = 0.0
        self._purge = Purge(kept or Kept())
        self._leases = Leases()
        self._news = News(database)
        self._alone = False
        self._kept_back: Place | None = None  # waits until nothing else runs

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
        with self._changes.lock:  # what is being claimed is claimed
            has_some = bool(self.running)
        if has_some:
            self._changes.commit(self._let_go_of_all)

    def report(self) -> dict[str, Any]:
        """Return what the runner does, as plain data: see ``Figures.told``."""
        attempts = list(self.running.values())
        return {
            "runner": self.id,
            "claims": self._claims and not self._stopping,
            "queues": sorted(self._queues),
            "most": self._most,
            "running": len(attempts),
            "jobs": describe(attempts),
            **self.figures.told(),
        }

    # The loop

    def _loop(self) -> None:
        while not _is_closed(self._database):
            self._wake.clear()
            self._runtime.give_way(GIVE_WAY)
            seconds = self._look_safely()
            self._wake.wait(seconds)

    def _look_safely(self) -> float:
        try:
            return self._look(time.time())
        except Exception:
            if not _is_closed(self._database):
                logger.exception("The runner could not look for jobs; it looks again soon.")
            self._news.forget()
            return 5 * LOOK_EVERY

    def _look(self, now: float) -> float:
        """Do what is to be done *now*; return for how long nothing is, in seconds."""
        self._look_at_ends()
        if self._news.has_come() or self._is_due(now):
            if lanes.need_some(now):
                self._changes.commit(lambda store: lanes.renew(store, now), lanes.renewed)
            if self._claims:
                self._forget(now)
                self._read()
                self._claim_some(now)
            if self._leases.is_time(now):
                self._ends.rescue_elsewhere(self._leases, now)
            else:
                self._leases.put_off()
            self._counting.is_due = True
        self._counting.count(self._database, now)
        if self.running and time.monotonic() >= self._next_beat:
            self._beat()
        return self._pause(now)

    def _look_at_ends(self) -> None:
        """Write the ends that could not be written, and tell the index of those that are."""
        for _ in range(len(self._unsettled)):
            self._note_end(*self._unsettled.popleft())
        while self._known:
            attempt, lock = self._known.popleft()
            self.index.drop(lock)
            self.index.open(attempt.wanted.queue)

    def _pause(self, now: float) -> float:
        due = self.index.next_look()
        if self._claims and self.index.offers(now) and len(self.running) < self._most:
            due = now + SOON
        return LOOK_EVERY if due is None else max(0.01, min(LOOK_EVERY, due - now))

    def _is_due(self, now: float) -> bool:
        due = self.index.next_look()
        if self.index.offers(now) or self._kept_back or (due is not None and due <= now):
            return True
        return bool(self.running or len(self._neighbours)) or self._leases.is_due(now)

    # Looks

    def _read(self) -> None:
        """Read what is new: jobs, what is asked of running ones, and which runners died."""
        with desk.changing(self._database) as connection:
            store = find_store(connection)
            if store is None:
                return
            self.index.read(store)
            for attempt in list(self.running.values()):
                self._look_at(find(connection, attempt.claim.oid), attempt)
            dead = self._neighbours.look(store, self._place)
        for id in dead:
            self._ends.rescue(id, self._neighbours)

    def _look_at(self, job: Job | None, attempt: Attempt) -> None:
        if job is None or job.side.cancel or self._has_lost(job, attempt):
            attempt.cancel()

    def _has_lost(self, job: Job, attempt: Attempt) -> bool:
        return job.state is not JobState.DONE and not job.has(attempt.claim)  # done: it just ended

    def _forget(self, now: float) -> None:
        if now >= self._next_purge:
            self._next_purge = now + random.uniform(0.5, 1.5) * PURGE_EVERY  # noqa: S311
            self._changes.commit(lambda store: self._purge.look(store, now))

    # Claims

    def _claim_some(self, now: float) -> None:
        """Claim as many jobs as may begin."""
        while self._has_room():
            self._runtime.give_way(GIVE_WAY)
            place = self._next_place(now)
            if place is None:
                return
            attempt = self._claim_safely(place, now)
            if attempt is not None:
                self._alone = place.entry.alone
                self.figures.begins(attempt)
                self._begin_safely(attempt, place.entry.lock)

    def _has_room(self) -> bool:
        """Tell whether one more job may run: it should get a slot soon, too."""
        running = list(self.running.values())
        in_line = self._worker.gate.jobs_waiting + sum(not one.has_begun for one in running)
        has_slot = in_line < self._worker.gate.slots
        return has_slot and len(running) < self._most and not self._alone and not self._stopping

    def _next_place(self, now: float) -> Place | None:
        """Take the next place; None if no job may begin."""
        place = self._kept_back or self.index.take(now, *self._neighbours.share)
        self._kept_back = None
        if place is not None and place.entry.alone and self.running:
            self._kept_back = place  # and the others wait for it: else its turn never comes
            return None
        return place

    def _claim_safely(self, place: Place, now: float) -> Attempt | None:
        """Claim the job of *place*; put the place back if that cannot be written now."""
        try:
            with self._changes.lock:
                return self._claim(place, now)
        except TransientError:  # somebody else was faster with it, or with what it takes
            self.index.put_off(place, now + SOON)
        except Exception:  # others come first then
            self.index.put_off(place, now + BROKEN)
            raise
        return None

    def _claim(self, place: Place, now: float) -> Attempt | None:
        """Claim the job of *place*; None if it does not wait any more, or has to wait."""
        if self._stopping:
            self.index.put_off(place, now)
            return None
        told: Told = []
        with desk.changing(self._database) as connection:
            found = self._decide(connection, place, now, told)
        self._ends.tell(told)
        if isinstance(found, Attempt):
            if not self.running:  # the claim was a heartbeat, too
                self._next_beat = time.monotonic() + BEAT_EVERY
            self.running[found.claim.job] = found
            return found
        if found is None:
            self.index.drop(place.entry.lock)
        else:
            self.index.put_off(place, found)
        return None

    def _decide(
        self, connection: Any, place: Place, now: float, told: Told
    ) -> Attempt | float | None:
        """Claim the job of *place*; or return when to look again, None if never."""
        store, job = make_store(connection), find(connection, place.oid)
        if job is None:
            return None
        if job.state is JobState.RUNNING and job.runner == self.id and job.id not in self.running:
            desk.let_go(store, job, now)  # a claim was committed after all, whose commit failed
            return None
        if not job.waits(place.entry.generation):
            return None
        if job.id in self.running:  # an attempt that has lost its claim has to end first
            return now + LOOK_EVERY
        names = desk.may_claim(store, job, self._limits)
        if names is not None:
            return self._take_over(store, job, names, now, told)
        if desk.is_open(store, place.entry.queue, self._limits):
            return now + LOOK_EVERY
        self.index.close(place.entry.queue, now + LOOK_EVERY)
        return now

    def _take_over(
        self,
        store: Store,
        job: Job,
        names: list[str],
        now: float,
        told: Told,
    ) -> Attempt | None:
        """Write the claim; None if the attempt has failed at once."""
        connection = store._p_jar
        claim = desk.claim(store, job, self.id, names, now)
        try:
            path = find_context(connection, job.wanted, now)
        except TransientError:
            raise
        except Exception as error:  # gone, too late; or the site is broken, which people see so
            told += fail_at_once(store, job, error, now)
            return None
        found = (find(connection, attempt.claim.oid) for attempt in list(self.running.values()))
        claims = (*(one for one in found if one is not None), job)
        desk.beat(store, self.id, self._place, claims)
        return Attempt(job, claim, path)

    # One job

    def _begin_safely(self, attempt: Attempt, lock: str) -> None:
        try:
            self._begin(partial(self._run, attempt, lock))
        except Exception as error:  # there are too many threads
            self._note_end(attempt, lock, error)

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
                self._ends.settle(attempt, error)
        except Exception:  # the database is away: until then the job is this runner's
            logger.exception("The end of job %s is not written yet.", attempt.claim.job)
            self._unsettled.append((attempt, lock, error))
            return
        if error is None:
            self._ends.done(attempt)
        self.figures.ends(attempt)
        del self.running[attempt.claim.job]
        self._alone = False
        self._known.append((attempt, lock))  # only the loop changes the index

    # Changes

    def _beat(self) -> None:
        self._next_beat = time.monotonic() + BEAT_EVERY
        told = {attempt: attempt.current.told for attempt in list(self.running.values())}

        def beat(store: Store) -> bool:
            jobs = {attempt: find(store._p_jar, attempt.claim.oid) for attempt in told}
            claims = tuple(job for job in jobs.values() if job is not None)
            desk.beat(store, self.id, self._place, claims)
            for attempt, job in jobs.items():
                written = told[attempt]
                if job is not None and written is not None:
                    job.side.progress, job.side.words = written
            return True

        self._changes.commit(beat)
        for attempt, written in told.items():
            attempt.current.has_written(written)

    def _let_go_of_all(self, store: Store) -> bool:
        now = time.time()
        for attempt in list(self.running.values()):
            job = find(store._p_jar, attempt.claim.oid)
            if job is not None and job.has(attempt.claim):
                desk.let_go(store, job, now)
        return True


def _is_closed(database: Any) -> bool:
    """Tell whether *database* was closed, as waitress does before its threads have ended."""
    return "storage" not in vars(database)
