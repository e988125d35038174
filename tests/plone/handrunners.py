"""A runner of jobs that is run by hand, and keeps what it has seen between two runs."""

from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from collective.wsgifutures.jobs.by_hand import _find_database
from collective.wsgifutures.jobs.by_hand import _RunnerInPlace
from collective.wsgifutures.publisher.layers import join_zope
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from ZPublisher.httpexceptions import HTTPExceptionHandler
from ZPublisher.WSGIPublisher import publish_module

import time
import transaction


class HandRunner(_RunnerInPlace):
    """Runs what is due in ``go``."""

    def __init__(self, **options):
        worker = Worker(HTTPExceptionHandler(publish_module), Settings())
        super().__init__(worker, _find_database(), **{"most": 1, **options})

    def go(self, later=0.0):
        """Look until nothing is due, so many seconds *later* than now; return the report."""
        part = join_zope()
        before = getSecurityManager(), getSite(), getRequest()
        try:
            while self.run_due(time.time() + later):
                pass
        finally:
            part()
            setSecurityManager(before[0])
            setSite(before[1])
            setRequest(before[2])
        self.count_now(later)
        transaction.begin()
        return self.report()

    def count_now(self, later=0.0):
        """Count what waits, however short ago that was done."""
        self._counting.is_due, self._counting._next = True, 0.0
        self._counting.count(self._database, time.time() + later)
