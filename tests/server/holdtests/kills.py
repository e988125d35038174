"""Ends this process at a named point, as ``kill -9`` and the out-of-memory killer do.

A test puts a file with the name of a point into the folder ``HOLDTESTS_KILLS``. The first process
that comes there takes the file away, and is gone. The points of a commit are those of a data
manager that is the last one in each phase: at ``voted`` all others have voted and none has
finished; at ``finished`` all others have.

Jobs of a worker elsewhere that is killed come back after ``HOLDTESTS_LEASE`` seconds.
"""

from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import leases
from contextlib import contextmanager
from transaction.interfaces import TransientError

import functools
import os
import signal
import transaction


def end_here(point):
    """End the process, if a test wants it to end at *point*."""
    try:
        os.unlink(os.path.join(os.environ.get("HOLDTESTS_KILLS", "/nowhere"), point))
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Phases:
    """A data manager with a point in each phase of the commit of *what*."""

    transaction_manager = transaction.manager

    def __init__(self, what):
        self.what = what

    def sortKey(self):
        return "~~"

    def tpc_begin(self, txn):
        end_here(f"{self.what}-begins")

    def tpc_vote(self, txn):
        end_here(f"{self.what}-voted")

    def tpc_finish(self, txn):
        end_here(f"{self.what}-finished")

    def commit(self, txn):
        """Write nothing."""

    abort = tpc_abort = commit

    def savepoint(self):
        return self

    def rollback(self):
        """Undo nothing."""


def watch_the_runner():
    """Let claims and rescues have points, and note the conflicts of what the runner writes."""
    desk.claim = _watch(desk.claim, "claim")
    desk.rescue = _watch(desk.rescue, "rescue")
    desk.changing = _note_conflicts(desk.changing)


def _watch(function, what):
    @functools.wraps(function)
    def watched(store, *args):
        store._p_jar.transaction_manager.get().join(Phases(what))
        return function(store, *args)

    return watched


def _note_conflicts(changing):
    @contextmanager
    def noting(database):
        try:
            with changing(database) as connection:
                yield connection
        except TransientError as conflict:
            note_conflict("runner", conflict)
            raise

    return noting


def publication_fails(event):
    """Note a conflict of a request or of a job."""
    error = event.exc_info[1]
    if isinstance(error, TransientError):
        environ = event.request.environ
        who = "job" if "collective.wsgifutures.job" in environ else environ["REQUEST_METHOD"]
        note_conflict(who, error)


def note_conflict(who, error):
    """Write down who had a conflict about an object of which class."""
    if file := os.environ.get("HOLDTESTS_CONFLICTS_LOG"):
        with open(file, "a") as out:
            out.write(f"{who} {getattr(error, 'class_name', None)} {type(error).__name__}\n")


if "HOLDTESTS_KILLS" in os.environ:
    watch_the_runner()

if "HOLDTESTS_LEASE" in os.environ:
    leases.LEASE = float(os.environ["HOLDTESTS_LEASE"])
