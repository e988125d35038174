"""Applications of a few lines, and what a client gets from them."""

from collective.wsgifutures import future
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.worker import Worker
from contextvars import ContextVar
from wsgiref.util import setup_testing_defaults

import io
import os
import threading

SECONDS = 20  # until a test gives up

#: What happened, in its order. Empty when a test begins.
log = []
setting = ContextVar("setting", default="unset")

#: Set when a test ends.
never = threading.Event()


@future(key="echo")
def echo(value):
    log.append(f"call {value}")
    return value


def holding(application, settings=None, **options):
    """Return *application* behind the middleware."""
    return Middleware(Worker(application, settings, **options))


class Answer:
    """What came to the client."""

    def __init__(self, app, environ):
        self.starts = []
        self.returned = app(environ, lambda *start: self.starts.append(start))
        self.body = b"".join(self.returned)
        if hasattr(self.returned, "close"):
            self.returned.close()

    @property
    def status(self):
        return self.starts[0][0]

    @property
    def headers(self):
        return dict(self.starts[0][1])


def open_files_in(folder):
    """Return how many files are open there; none has a name that a killed process leaves."""
    assert os.listdir(folder) == []
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    names = [os.readlink(link) for link in links if os.path.lexists(link)]
    return sum(name.startswith(str(folder)) for name in names)


def make_environ(**environ):
    """Return the environ of a GET."""
    environ.setdefault("wsgi.input", io.BytesIO())
    environ.setdefault("QUERY_STRING", "")
    setup_testing_defaults(environ)
    return environ


def page(view, status="200 OK"):
    """Return an application that answers what *view* of its environ returns."""

    def app(environ, start_response):
        log.append("pass")
        text = view(environ)
        start_response(status, [("Content-Type", "text/plain")])
        return [str(text).encode()]

    return app
