"""WSGI: reads a request, drives its visit, and sends the response.

The middleware is outside of Zope's own pipeline. So the exception handling and the logging
there see each pass as a request of its own. The greenlet or thread of the request waits and
keeps plain data; the passes run in slots.
"""

from ..kernel.waiting import drive
from .body import RequestBody
from .front import EXPECTED
from .front import Front
from .front import has_body
from .visit import MARK
from .visit import Response
from .visit import Visit
from .worker import Environ
from .worker import StartResponse
from collections.abc import Iterable


class Middleware(Front):
    """WSGI middleware that holds responses.

    Args:
        worker: The worker whose requests it answers.
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI defines it."""
        worker = self.worker
        if MARK in environ:
            return worker.application(environ, start_response)
        alive = self.say_alive(environ)
        if alive is not None:
            return alive.send(start_response)
        with Visit(worker, environ) as visit:
            response = self._respond(visit)
            visit.status = int(response.status[:3])
        return response.send(start_response)

    def _respond(self, visit: Visit) -> Response:
        try:
            return self._drive(visit)
        except EXPECTED as error:
            return self.answer(visit, error)

    def _drive(self, visit: Visit) -> Response:
        worker, environ = self.worker, visit.environ
        self.check(visit)
        body = self._read_body(environ)
        try:
            with worker.interrupts.allowed(environ.get("gunicorn.socket")):
                return drive(visit.answer(body))
        finally:
            if body is not None:
                body.close()

    def _read_body(self, environ: Environ) -> RequestBody | None:
        """Return the request's body, None if it has none."""
        if not has_body(environ):
            return None
        worker, settings = self.worker, self.worker.settings
        with worker.interrupts.allowed(None):  # a client that has sent all may close its side
            return RequestBody(
                environ, settings.body_in_memory, worker.bodies, settings.body_timeout
            )
