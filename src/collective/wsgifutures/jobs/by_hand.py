"""Jobs without a server: ``jobs.run`` of the package does here what a runner does there.

Each job is published in the test's own process, as its user, through Zope's whole publication.
"""

from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.futures import stand_ins
from ..publisher.layers import join_zope
from ..wsgi.settings import Settings
from ..wsgi.worker import Worker
from .leases import claim_elsewhere
from .leases import complete
from .plain import dumps
from .plain import loads
from .records import Job
from .runner import Runner
from .store import find_job
from .store import find_store
from .store import main_connection
from .store import make_store
from .then import takes_files
from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from collections.abc import Callable
from collections.abc import Mapping
from plone import api
from typing import Any
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from ZPublisher.httpexceptions import HTTPExceptionHandler
from ZPublisher.WSGIPublisher import publish_module

import io
import time
import transaction
import Zope2

#: How many jobs may run in one ``run``: a task that submits itself has no end.
MOST = 1_000


class _RunnerInPlace(Runner):
    """Runs each job where it is claimed, one after the other."""

    def run_due(self, now: float) -> list[str]:
        """Run what is due; return the ids of the jobs."""
        self._due: list[Callable[[], None]] = []
        self._news.forget()
        self._look(now)
        ids = list(self.running)
        for run in self._due:
            run()
        return ids

    def _begin(self, run: Callable[[], None]) -> None:
        self._due.append(run)


class _StandIn:
    """Stands for all executors: what the test settled is there at once."""

    name = "stand-in"

    def start(self, call: Call, done: Callable[[Outcome], None]) -> "_StandIn":
        done(stand_ins[-1](call))
        return self

    def cancel(self) -> None:
        """Do nothing: it has ended."""

    close = cancel


def run(now: float | None = None) -> list[Any]:
    """Run the jobs that are committed and due, and those that they submit; return them.

    A job that fails waits for its next attempt, as on a server: give a later *now* to run it.
    Futures give what the test has settled, if it uses the fixture ``futures``.

    Args:
        now: What time it is, in seconds since the epoch. Default: now.

    Raises:
        RuntimeError: The test has changes that are not committed, or a task submits itself again
            and again.
    """
    if transaction.get()._resources:
        raise RuntimeError("Call transaction.commit() first: jobs.run() runs what is committed.")
    part = join_zope()
    before = getSecurityManager(), getSite(), getRequest()
    try:
        worker = Worker(HTTPExceptionHandler(publish_module), Settings(debug=True))
        if stand_ins:  # the test says what futures give
            worker.executor_of = lambda name: _StandIn()
        runner = _RunnerInPlace(worker, _find_database(), most=1)
        ids: list[str] = []
        while found := runner.run_due(time.time() if now is None else now):
            ids += found
            if len(ids) > MOST:
                raise RuntimeError(f"More than {MOST} jobs ran: does a task submit itself?")
    finally:
        part()
        setSecurityManager(before[0])
        setSite(before[1])
        setRequest(before[2])
    transaction.begin()  # see what they committed
    store = find_store(main_connection(api.portal.get()._p_jar))
    return [find_job(store, id) for id in dict.fromkeys(ids)]


def done_elsewhere(job: Job, result: Any = None, files: Mapping[str, Any] | None = None) -> Job:
    """Do *job* as a worker elsewhere would, which gives *result*; return the job.

    What follows it (``then=``) waits, for ``jobs.run()``.

    Args:
        job: A job of a task with ``elsewhere=True``, committed.
        result: What the worker gives: plain data. It comes as it would over HTTP.
        files: By their names, each an open file, bytes, or a pair of a filename and bytes.

    Raises:
        RuntimeError: The test has changes that are not committed, or the job has to wait: for its
            time, its queue, or its lock.
        NotInThatState: The job does not wait, or is not one for workers elsewhere.
        NotPlain: The result cannot be sent as JSON.
        ResultRefused: It is too large.
        ValueError: There are files, and no task of Plone that gets them.
    """
    if transaction.get()._resources:
        raise RuntimeError("Call transaction.commit() first: a worker sees what is committed.")
    transaction.begin()
    given = loads(dumps(result))
    store, now = make_store(main_connection(api.portal.get()._p_jar)), time.time()
    if files and not takes_files(job):
        raise ValueError(f"{job.wanted.task} has no then= of this Plone that gets the files.")
    sent = {name: _Sent(name, each) for name, each in (files or {}).items()}
    with transaction.manager:
        claim = claim_elsewhere(store, job, _BY_HAND, "", now) if job.due <= now else None
        if claim is None:
            raise RuntimeError(f"{job} has to wait: for its time, its queue, or its lock.")
        complete(store, job, claim.generation, given, now, sent)
    return job


#: The id of the worker elsewhere that a test plays.
_BY_HAND = "by hand"


class _Sent:
    """A file as it comes over HTTP."""

    def __init__(self, name: str, given: Any) -> None:
        self.filename, content = given if isinstance(given, tuple) else (name, given)
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        self.read = source.read


def _find_database() -> Any:
    """Return the database of this test: layers put a new one over Zope's for each."""
    connection = Zope2.bobo_application()._p_jar
    try:
        return connection.db()
    finally:
        connection.close()
