"""WSGI: reads a request, drives its visit, and sends the response.

The middleware is outside of Zope's own pipeline. So the exception handling and the logging
there see each pass as a request of its own. The greenlet or thread of the request waits and
keeps plain data; the passes run in slots.
"""

from ..kernel.arrivals import Refused
from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..kernel.errors import StreamTimeout
from ..kernel.errors import Unavailable
from ..kernel.gate import NoAnswer
from ..kernel.runtime import ClientGone
from ..kernel.runtime import WorkerStops
from ..kernel.waiting import drive
from ..traces import ids
from ..traces.paths import render_path
from .answers import Words
from .body import BodyRefused
from .body import RequestBody
from .streams import StreamFailed
from .streams import StreamUncommitted
from .visit import MARK
from .visit import Response
from .visit import Visit
from .worker import Environ
from .worker import StartResponse
from .worker import Worker
from collections.abc import Iterable

import logging

logger = logging.getLogger(__name__)

#: The lengths of a request without a body. A chunked body has another header.
_NO_LENGTH = (None, "", "0")
_CHUNKED = "HTTP_TRANSFER_ENCODING"


class Middleware:
    """WSGI middleware that holds responses.

    Args:
        worker: The worker whose requests it answers.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI defines it."""
        worker = self.worker
        if MARK in environ:
            return worker.application(environ, start_response)
        liveness_path = worker.settings.liveness_path
        if liveness_path and environ.get("PATH_INFO") == liveness_path:
            return self._words(environ).say("200 OK", "alive").send(start_response)
        with Visit(worker, environ) as visit:
            response = self._respond(visit)
            visit.status = int(response.status[:3])
        return response.send(start_response)

    def _words(self, environ: Environ) -> Words:
        return Words(environ, self.worker.settings.body_timeout)

    def _respond(self, visit: Visit) -> Response:
        worker = self.worker
        try:
            return self._drive(visit)
        except BodyRefused as refused:
            return self._words(visit.environ).refused(refused)
        except Refused as refused:
            worker.refuse(refused.limit, visit.path)
            return self._words(visit.environ).busy()
        except WorkerStops:
            return self._words(visit.environ).busy()
        except NoAnswer:
            return self._words(visit.environ).late()
        except (FutureTimeout, HoldExpired, StreamTimeout, Unavailable) as error:
            method, path = visit.environ["REQUEST_METHOD"], render_path(visit.path)
            trace = {"trace_id": ids.current_id()}
            logger.warning("%s %s: %s", method, path, error, extra=trace)
            return self._words(visit.environ).failed(error)
        except StreamFailed as failed:
            self._log_error(visit, failed, failed.__cause__)
            return self._words(visit.environ).broken()
        except StreamUncommitted as refused:
            self._log_error(visit, refused, None)
            return self._words(visit.environ).uncommitted()
        except ClientGone:
            worker.record.gone += 1
            return self._words(visit.environ).gone()

    def _log_error(self, visit: Visit, text: object, error: BaseException | None) -> None:
        method, path = visit.environ["REQUEST_METHOD"], render_path(visit.path)
        trace = {"trace_id": ids.current_id()}
        logger.error("%s %s: %s", method, path, text, exc_info=error, extra=trace)

    def _drive(self, visit: Visit) -> Response:
        worker, environ = self.worker, visit.environ
        if worker.gate.new:  # if no request waits for a slot, none is refused
            worker.gate.check(visit.path)
        body = self._read_body(environ)
        try:
            with worker.interrupts.allowed(environ.get("gunicorn.socket")):
                return drive(visit.answer(body))
        finally:
            if body is not None:
                body.close()

    def _read_body(self, environ: Environ) -> RequestBody | None:
        """Return the request's body, None if it has none."""
        if environ.get("CONTENT_LENGTH") in _NO_LENGTH and _CHUNKED not in environ:
            return None
        worker, settings = self.worker, self.worker.settings
        with worker.interrupts.allowed(None):  # a client that has sent all may close its side
            return RequestBody(
                environ, settings.body_in_memory, worker.bodies, settings.body_timeout
            )
