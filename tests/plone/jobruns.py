"""Jobs, published by hand as a runner publishes them, in a site of ``holdsite``."""

from collective.wsgifutures.jobs.origin import make_environ
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.publishing import JOB
from collective.wsgifutures.jobs.publishing import Run
from collective.wsgifutures.jobs.publishing import TASK_VIEW
from collective.wsgifutures.kernel.waiting import drive
from collective.wsgifutures.wsgi.body import RequestBody
from collective.wsgifutures.wsgi.limits import Room
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.visit import Visit
from collective.wsgifutures.wsgi.worker import Worker
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from holdsite import left_over
from holdsite import record_passes
from zope.component.hooks import setSite
from ZPublisher.httpexceptions import HTTPExceptionHandler
from ZPublisher.WSGIPublisher import publish_module

_threads = ThreadPoolExecutor(4)

ANONYMOUS = Origin(site="/plone", server_url="http://nohost")


def origin_of(user, folder="/plone", **more):
    """Return the origin of what a user of *folder* submits."""
    return Origin(user, folder, site="/plone", server_url="http://nohost", **more)


class Jobs:
    """Runs jobs, each in a thread, and keeps what became of the last one."""

    def __init__(self, site):
        self._site = site
        self.done = []  #: the results that "done" was called with
        self.passes = []  #: of the last job: a status each, or what was raised
        self.left_over = []
        self.response = None

    def run(self, function, origin=ANONYMOUS, path="/plone", **more) -> Run:
        """Run a function as a task."""
        return self.publish(origin, path, function=function, **more)

    def publish(self, origin, path="/plone", *, view=TASK_VIEW, function=None, done=None, **more):
        """Publish a view as a job; raise what it raised."""
        run = Run(origin, done or self._write_done, function=function, view=view)
        environ = make_environ(origin, path, view=view, **more)
        environ[JOB] = run
        self.send(environ)
        if run.error is not None:  # a WSGI filter may have made an answer of it
            raise run.error
        return run

    def send(self, environ):
        """Publish an environ."""
        self.passes = []
        try:
            _threads.submit(Context().run, self._answer, environ).result()
        finally:
            self._site.sync()

    def _answer(self, environ):
        setSite(None)
        application = record_passes(HTTPExceptionHandler(publish_module), self.passes)
        worker = Worker(application, Settings())
        length = environ.get("CONTENT_LENGTH")
        body = RequestBody(environ, 1000, Room(1000), 1.0) if length else None
        try:
            with Visit(worker, environ) as visit:
                self.response = drive(visit.answer(body))
        finally:
            self.left_over = left_over()

    def _write_done(self, connection, result):
        self.done.append(result)
        connection.root()["done"] = connection.root().get("done", 0) + 1

    @property
    def written(self) -> int:
        """How often "done" was committed."""
        return self._site.portal._p_jar.root().get("done", 0)
