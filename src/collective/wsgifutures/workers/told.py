"""Logs and counts what became of a job elsewhere, once that is committed."""

from ..jobs import journal
from ..jobs.joint import runners
from ..jobs.records import Job
from ..jobs.records import JobState
from typing import Any

import transaction

#: What the figures call the end of an attempt that did not end the job, by what the worker said.
_NAMES = {"fail": "failed", "release": "stopped"}


def tell_of_end(job: Job, seconds: float) -> None:
    """Tell of what a worker has said of *job*, so many *seconds* after its claim."""
    ended = job.state in (JobState.DONE, JobState.DEAD, JobState.CANCELLED)
    what = job.state.value if ended else _NAMES[job.said]
    txn = transaction.get()
    txn.join(_Told(txn, what, journal.from_elsewhere(job, seconds)))


class _Told:
    """Acts when its transaction is committed: a data manager with nothing of its own."""

    def __init__(self, txn: Any, what: str, line: journal.Line) -> None:
        self.transaction_manager = txn
        self._what = what
        self._line = line

    def sortKey(self) -> str:
        """Come after the databases."""
        return "~collective.wsgifutures.workers"

    def tpc_begin(self, txn: Any) -> None:
        """Do nothing."""

    commit = tpc_vote = tpc_abort = abort = tpc_begin

    def tpc_finish(self, txn: Any) -> None:
        """Tell."""
        for runner in runners:
            runner.figures.count(self._what)
        self._line.log()

    def savepoint(self) -> "_Told":
        """Return what a rollback undoes: nothing."""
        return self

    def rollback(self) -> None:
        """Do nothing."""
