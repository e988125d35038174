"""What is kept of jobs in the ZODB, and how one job moves from state to state.

A job is one persistent object, so whoever changes it conflicts with everybody else who does: a
claim, a cancel and "done" exclude each other. That is all the locking there is. ::

    WAITING --claim--> RUNNING --finish--> DONE
       ^                  |
       +--again-----------+--bury---> DEAD         (out of attempts, or nobody can do it)
       |                  +--cancel-> CANCELLED    (also from WAITING and DEAD)
       +--retry------- DEAD, CANCELLED             (a person wants it)

Each claim has a number, ``generation``. A runner that lost its claim has an older number, and
what it did is not committed.

The moves decide; they neither look at a clock nor open a database.
"""

from .errors import ClaimLost
from .errors import NotInThatState
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from enum import Enum
from persistent import Persistent
from typing import Any
from typing import NamedTuple

import pickle


class JobState(Enum):
    """The state of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


#: The states of a job that needs nothing more.
ENDED = (JobState.DONE, JobState.DEAD, JobState.CANCELLED)


class Wanted(NamedTuple):
    """What was submitted. It never changes."""

    task: str  #: the name of the task
    title: str  #: the task's, for people
    arguments: bytes  #: pickled: a tuple and a dict
    context: str  #: the UID of the context; empty for the site itself
    origin: Any  #: an ``Origin``: who submitted it, and where
    queue: str
    priority: int  #: the head start in the line, in seconds; lower is later
    attempts: int  #: how many of them may fail
    timeout: float  #: of one attempt, in seconds
    submitted: float  #: when, in seconds since the epoch
    deadline: float  #: when it has to be done, in seconds since the epoch
    lock: str = ""  #: jobs with the same one do not run side by side
    unique: str = ""  #: ``key=``
    then: str = ""  #: the name of the task that gets the result
    secret: bool = False  #: whether its arguments are kept out of what people see
    trace: str = ""  #: the ``traceparent`` of the request that submitted it
    depth: int = 0  #: how many jobs before it were the same, each submitted by the one before
    elsewhere: bool = False  #: whether a worker elsewhere does it, and no runner
    slot: tuple[float, str] | None = None  #: of timed work: which of its times it is for, and zone

    @property
    def label(self) -> str:
        """The task's title, or its name."""
        return self.title or self.task


class Claim(NamedTuple):
    """The right of one runner to do one job."""

    job: str  #: its id
    oid: bytes  #: of its record
    generation: int


class Job(Persistent):  # type: ignore[misc]
    """One submission of a task.

    Args:
        id: Its name, the same for ever.
        wanted: What was submitted.
        due: When it may begin, in seconds since the epoch.
    """

    attempt = 0  #: how many attempts have failed
    deaths = 0  #: how many runners died while they had it
    generation = 0  #: the number of its last claim
    runner = ""  #: the id of the runner that claimed it last
    since = 0.0  #: when it came into its state, in seconds since the epoch
    error = ""  #: why its last attempt failed, in a line
    traceback = ""  #: of the last error
    said = ""  #: how its worker elsewhere ended the last claim: complete, fail or release
    files: Any = None  #: those that a worker elsewhere left for it, by their names
    awaits_stream = False  #: its argument is the text of a stream that has not ended
    _result = b""

    def __init__(self, id: str, wanted: Wanted, due: float) -> None:
        self.id = id
        self._wanted = _Kept(wanted)
        self.side = Side()
        self.due = due
        self.since = self._counts_from = wanted.submitted
        self._state = JobState.WAITING.value

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self._state}>"

    @property
    def state(self) -> JobState:
        """Its state."""
        return JobState(self._state)

    @property
    def wanted(self) -> Wanted:
        """What was submitted."""
        return self._wanted.value  # type: ignore[no-any-return]

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be done for it."""
        return self.state in ENDED

    @property
    def result(self) -> Any:
        """What the task returned; None until the job is done."""
        return pickle.loads(self._result) if self._result else None

    @property
    def key(self) -> str:
        """The same in each attempt: for services that do a thing once for each key."""
        return self.id

    def note_slot(self, slot: float, zone: str) -> None:
        """Note for which time of timed work this is, before the job is committed."""
        self._wanted = _Kept(self.wanted._replace(slot=(slot, zone)))

    # Moves

    def claim(self, runner: str, now: float) -> Claim:
        """Give the job to *runner*."""
        self._leave(JobState.WAITING)
        self.generation += 1
        self.runner, self.said = runner, ""
        self._enter(JobState.RUNNING, now)
        return Claim(self.id, self._p_oid, self.generation)

    def has(self, claim: Claim) -> bool:
        """Tell whether the job runs, and *claim* is its last one."""
        return self.state is JobState.RUNNING and self.generation == claim.generation

    def waits(self, generation: int) -> bool:
        """Tell whether the job still waits in the place that it got in that *generation*."""
        return self.state is JobState.WAITING and self.generation == generation

    def check(self, claim: Claim) -> None:
        """Raise ``ClaimLost`` if *claim* is not the last one, or the job is not running."""
        if not self.has(claim):
            raise ClaimLost(self.id, self._state)

    def take_text(self, arguments: bytes, now: float) -> None:
        """Let a job begin that waited for a stream: its text is in the *arguments*."""
        self._leave(JobState.WAITING)
        self._wanted = _Kept(self.wanted._replace(arguments=arguments))
        self.awaits_stream = False
        self.due = now

    def finish(self, claim: Claim, result: bytes, now: float) -> None:
        """Note that the work is done, together with its effects."""
        self.check(claim)
        self._result = result
        self.error = self.traceback = ""
        self._enter(JobState.DONE, now)

    def again(self, now: float, due: float, error: str = "", traceback: str = "") -> None:
        """Let a running job wait for another attempt, which may begin at *due*."""
        self._leave(JobState.RUNNING)
        self.due = due
        if error:
            self.error, self.traceback = error, traceback
        self._enter(JobState.WAITING, now)

    def bury(self, now: float, error: str, traceback: str = "") -> None:
        """Give up: the job is kept for a person to look at."""
        self._leave(JobState.RUNNING, JobState.WAITING)
        self.error, self.traceback = error, traceback or self.traceback
        self._enter(JobState.DEAD, now)

    def cancel(self, now: float) -> None:
        """End the job without its work; a dead one is not wanted any more."""
        self._leave(JobState.RUNNING, JobState.WAITING, JobState.DEAD)
        self._enter(JobState.CANCELLED, now)

    def retry(self, now: float) -> None:
        """Let a dead or cancelled job wait again, with all of its attempts and its time."""
        self._leave(JobState.DEAD, JobState.CANCELLED)
        self.attempt = self.deaths = 0
        self.due = now
        self.side = Side()
        allowed = self.wanted.deadline - self._counts_from
        self._counts_from = now
        self._wanted = _Kept(self.wanted._replace(deadline=now + allowed))
        self._enter(JobState.WAITING, now)

    def _leave(self, *states: JobState) -> None:
        if self.state not in states:
            raise NotInThatState(self.id, self._state, [state.value for state in states])

    def _enter(self, state: JobState, now: float) -> None:
        self._state = state.value
        self.since = now
        if state in (JobState.DONE, JobState.CANCELLED):
            self.files = None


class _Kept(Persistent):  # type: ignore[misc]
    """A value in an object of its own: a job that changes does not write it again."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Side(Persistent):  # type: ignore[misc]
    """What is told of a running job, or asked of it, without a conflict with its end."""

    progress = 0.0  #: from 0 to 1
    words = ""  #: where it is, for people
    cancel = False  #: whether somebody wants it to end
    lease = 0.0  #: until when a worker elsewhere has the job, in seconds since the epoch


class Entry(NamedTuple):
    """A place in a line: when the job may be claimed. Read without loading the job."""

    job: Job
    generation: int  #: the job's, when it got the place
    queue: str
    priority: int
    due: float
    lock: str
    alone: bool  #: it killed a runner, maybe: nothing runs beside it
    deadline: float  #: when it is given up
    user: str  #: whose job it is
    task: str
    elsewhere: bool = False  #: whether a worker elsewhere does it
    site: str = ""  #: the UID of its site
    site_path: str = ""  #: a copy of a site may have its UID, at another path


class _Line(LOBTree):  # type: ignore[misc]
    """Entries by their numbers. The leaves are small, since each submission writes one anew."""

    max_leaf_size = 20


class Lane(Persistent):  # type: ignore[misc]
    """The jobs that one thread of one process submitted, for as long as they are kept.

    Nobody else adds to it, so submissions never conflict. It is closed when it is full or old;
    only then it is purged.

    Args:
        id: Its name.
        made: When it was made, in seconds since the epoch.
    """

    low = 0  #: no job below this number waits in this lane

    def __init__(self, id: str, made: float) -> None:
        self.id = id
        self.made = made
        self.jobs = _Line()  #: all of its jobs, by their numbers

    def next(self) -> int:
        """Return the number of the next job."""
        return next_number(self.jobs)


def next_number(line: Any) -> int:
    """Return the number after the last one in *line*, a BTree."""
    return int(line.maxKey()) + 1 if line else 0


class Runner(Persistent):  # type: ignore[misc]
    """A process that runs jobs, while it has some.

    Args:
        id: Its name, another one after each start.
        place: Where it runs: machine and process id.
    """

    beat = 0  #: changes as long as the process lives
    claims: tuple[Job, ...] = ()  #: what it runs, and maybe what it has run

    def __init__(self, id: str, place: tuple[str, int]) -> None:
        self.id = id
        self.place = place


class Lease(NamedTuple):
    """Who has a job elsewhere, as long as ``holds``. How long stands in the job's ``Side``."""

    job: Job
    generation: int
    worker: str  #: its id
    key: str  #: what the worker called its claim

    @property
    def holds(self) -> bool:
        """Whether the job still runs under this claim."""
        return holds((self.job, self.generation))


class Store(Persistent):  # type: ignore[misc]
    """The root of all jobs of a database."""

    leases: Any = None  #: of jobs that run elsewhere, by their ids; None: there never was one

    def __init__(self) -> None:
        self.lanes = OOBTree()  #: by their ids
        self.again = LOBTree()  #: places of jobs that wait once more, by their numbers
        self.runners = OOBTree()  #: those that run jobs now, by their ids
        self.taken = OOBTree()  #: the last holder of a lock or of a place in a queue, by its name
        self.unique = OOBTree()  #: the last job of a ``key=``, by task and key
        self.dead = OOBTree()  #: dead jobs, by their ids
        self.paused = OOBTree()  #: queues that a person has stopped, and since when
        self.leases = OOBTree()

    def lease_of(self, job: Job) -> Lease | None:
        """Return the lease that holds of *job*; None if it has none."""
        value = (self.leases or {}).get(job.id)
        lease = None if value is None else Lease(*value)
        return lease if lease is not None and lease.holds else None

    def line_up(self, job: Job) -> None:
        """Let *job* stand in the line once more."""
        self.again[next_number(self.again)] = tuple(entry_of(job))


def holds(held: tuple[Job, int] | None) -> bool:
    """Tell whether what ``Store.taken`` has is still held: nobody needs to give it back."""
    if held is None:
        return False
    job, generation = held
    return job.state is JobState.RUNNING and job.generation == generation


def entry_of(job: Job) -> Entry:
    """Return the place of *job* in a line."""
    wanted = job.wanted
    return Entry(
        job,
        job.generation,
        wanted.queue,
        wanted.priority,
        job.due,
        wanted.lock,
        job.deaths > 0,
        wanted.deadline,
        user_key(wanted.origin),
        wanted.task,
        wanted.elsewhere,
        wanted.origin.site_uid,
        wanted.origin.site,
    )


def user_key(origin: Any) -> str:
    """Return whose job it is, as a lane keeps it."""
    return f"{origin.folder}:{origin.user}" if origin.user else ""
