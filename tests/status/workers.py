"""A worker of a few lines: an application behind the hold, and who asks it."""

from collective.wsgifutures import future
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from wsgiref.util import setup_testing_defaults

import io
import threading
import time

SECONDS = 20  # until a test gives up


def wait_until(true):
    """Wait until *true* gives something."""
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until, "that was not so in time"
        time.sleep(0.001)


class Site:
    """Views by the last part of their paths: ``held`` waits for ``go``, ``fast`` for nothing."""

    def __init__(self, **settings):
        self.go = threading.Event()
        self.worker = Worker(self._app, Settings(**settings))
        self.answers = []
        self.threads = []
        self.wait = future(key="pkg.wait")(lambda path: self.go.wait(SECONDS))
        self.short = future(key="pkg.short", timeout=0.05)(lambda path: self.go.wait(SECONDS))

    def _app(self, environ, start_response):
        path = environ["PATH_INFO"]
        if "client" in environ:
            current_pass().hold.client = environ["client"]
        view = path.rpartition("/")[2]
        text = {"held": self.wait, "short": self.short}.get(view, str)(path)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(text).encode()]

    def ask(self, path, **environ):
        """Return the status of the answer."""
        environ = {"PATH_INFO": path, "wsgi.input": io.BytesIO(), **environ}
        setup_testing_defaults(environ)
        statuses = []
        body = Middleware(self.worker)(environ, lambda status, *_: statuses.append(status))
        b"".join(body)
        return int(statuses[0][:3])

    def hold(self, path="/Plone/held", **environ):
        """Ask in a thread, and wait until the response is held."""
        before = self.worker.held.count
        one = threading.Thread(
            target=lambda: self.answers.append(self.ask(path, **environ)), daemon=True
        )
        self.threads.append(one)
        one.start()
        wait_until(lambda: self.worker.held.count > before)
        return one

    def finish(self):
        """Let all go on; return the statuses of those that were held."""
        self.go.set()
        for one in self.threads:
            one.join(SECONDS)
        return self.answers
