"""What becomes of attempts that did not end with "done": written, and then counted and logged."""

from ..kernel.runtime import Interrupted
from . import desk
from . import journal
from . import leases
from .changes import Changes
from .changes import find
from .errors import ClaimLost
from .figures import Figures
from .leases import Leases
from .neighbours import Neighbours
from .records import Job
from .records import JobState
from .records import Store
from .work import Attempt
from functools import partial
from transaction.interfaces import TransientError

import time

#: What is told when it is committed: its name in the figures, and a line for the log.
Told = list[tuple[str, journal.Line]]


class Ends:
    """Writes how the attempts of one runner end, and how those of dead runners did.

    Args:
        changes: Commits.
        figures: Counts.
    """

    def __init__(self, changes: Changes, figures: Figures) -> None:
        self._changes = changes
        self._figures = figures

    def settle(self, attempt: Attempt, error: BaseException) -> None:
        """Write that nothing of an attempt is committed, unless it is another runner's job now."""
        told: Told = []
        try:
            self._changes.commit(partial(_write_end, attempt, error, told))
        except ClaimLost:
            told = [("lost", journal.lost(attempt, time.time() - attempt.since))]
        self.tell(told)

    def done(self, attempt: Attempt) -> None:
        """Tell that the work of an attempt is committed."""
        self.tell([("done", journal.done(attempt, time.time() - attempt.since))])

    def rescue(self, id: str, neighbours: Neighbours) -> None:
        """Let the jobs of the dead runner *id* wait again."""
        told: Told = []
        self._changes.commit(partial(_write_rescue, id, neighbours, told))
        self.tell(told)

    def rescue_elsewhere(self, look: Leases, now: float) -> None:
        """Let the jobs wait again whose workers elsewhere are silent."""
        told: Told = []
        try:
            self._changes.commit(partial(_write_silent, look, now, told))
        except TransientError:  # claims were faster, each time
            look.put_off()
        else:
            self.tell(told)

    def tell(self, told: Told) -> None:
        """Count and log what is committed."""
        for what, line in told:
            self._figures.count(what)
            line.log()


def fail_at_once(store: Store, job: Job, error: BaseException, now: float) -> Told:
    """Write that a claimed *job* cannot even begin; return what to tell after the commit."""
    desk.settle(store, job, error, now)
    return [(_name(job), journal.hopeless(job, error))]


def _write_end(attempt: Attempt, error: BaseException, told: Told, store: Store) -> bool:
    now, job = time.time(), find(store._p_jar, attempt.claim.oid)
    if job is None:
        raise ClaimLost(attempt.claim.job, "gone")
    job.check(attempt.claim)
    if isinstance(error, Interrupted | TransientError):
        desk.let_go(store, job, now, desk.SOON)
        what = "stopped" if isinstance(error, Interrupted) else "conflicts"
        told[:] = [(what, journal.let_go(attempt, error, now - attempt.since))]
    else:
        desk.settle(store, job, error, now)
        told[:] = [(_name(job), journal.failed(attempt, job, error, now - attempt.since))]
    return True


def _write_rescue(id: str, neighbours: Neighbours, told: Told, store: Store) -> bool:
    told.clear()  # of a try that was in vain
    record = store.runners.get(id)
    if record is None or neighbours.has_moved(record):
        return False
    store._p_jar.readCurrent(record)  # a heartbeat meanwhile is a conflict
    for job in desk.rescue(store, record, time.time()):
        what = "dead" if job.state is JobState.DEAD else "rescued"
        told.append((what, journal.rescued(job)))
    return True


def _write_silent(look: Leases, now: float, told: Told, store: Store) -> bool:
    told.clear()  # of a try that was in vain
    for job in look.look(store, now):
        leases.rescue(store, job, now)
        what = "dead" if job.state is JobState.DEAD else "rescued"
        told.append((what, journal.silent(job)))
    return leases.clean(store) or bool(told)


def _name(job: Job) -> str:
    """Return what became of a *job* whose attempt has failed, as the figures have it."""
    return "failed" if job.state is JobState.WAITING else job.state.value
