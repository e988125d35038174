"""Jobs without a server: ``jobs.run`` of the package does here what a runner does there.

Each job is published in the test's own process, as its user, through Zope's whole publication.
"""

from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.futures import stand_ins
from ..publisher.layers import join_zope
from ..wsgi.settings import Settings
from ..wsgi.worker import Worker
from .runner import Runner
from .store import find_job
from .store import find_store
from .store import main_connection
from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from collections.abc import Callable
from plone import api
from typing import Any
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from ZPublisher.httpexceptions import HTTPExceptionHandler
from ZPublisher.WSGIPublisher import publish_module

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


def _find_database() -> Any:
    """Return the database of this test: layers put a new one over Zope's for each."""
    connection = Zope2.bobo_application()._p_jar
    try:
        return connection.db()
    finally:
        connection.close()
