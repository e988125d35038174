"""WSGI: reads a request, drives its visit, and sends what came of it.

It sits outside of Zope's own pipeline, so that what stands there (exception handling,
logging) sees each pass as a request of its own. The greenlet (or thread) of the request
keeps plain data and waits; the passes run in slots.
"""

from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..kernel.errors import Unavailable
from ..kernel.gate import NoAnswer
from ..kernel.gate import Refused
from ..kernel.runtime import ClientGone
from ..kernel.runtime import drive
from ..kernel.runtime import WorkerStops
from ..traces import ids
from ..traces.paths import render_path
from .answers import Environ
from .answers import Response
from .answers import StartResponse
from .answers import Words
from .attempt import MARK
from .body import BodyRefused
from .body import RequestBody
from .visit import Visit
from .worker import Worker
from collections.abc import Iterable

import logging

logger = logging.getLogger(__name__)


class Middleware:
    """WSGI middleware that holds responses.

    Args:
        worker: What it serves with.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        worker = self.worker
        if MARK in environ:
            return worker.application(environ, start_response)
        words = Words(environ, worker.settings.body_timeout)
        liveness_path = worker.settings.liveness_path
        if liveness_path and environ.get("PATH_INFO") == liveness_path:
            return words.say("200 OK", "alive").send(start_response)
        with Visit(worker, environ) as visit:
            response = self._respond(visit, words)
            visit.status = int(response.status[:3])
        return response.send(start_response)

    def _respond(self, visit: Visit, words: Words) -> Response:
        worker = self.worker
        try:
            return self._drive(visit)
        except BodyRefused as refused:
            return words.refused(refused)
        except Refused as refused:
            worker.refuse(refused.limit, visit.path)
            return words.busy()
        except WorkerStops:
            return words.busy()
        except NoAnswer:
            return words.late()
        except (FutureTimeout, HoldExpired, Unavailable) as error:
            what = visit.environ["REQUEST_METHOD"], render_path(visit.path)
            logger.warning("%s %s: %s", *what, error, extra={"trace_id": ids.current_id()})
            return words.failed(error)
        except ClientGone:
            worker.record.gone += 1
            return words.gone()

    def _drive(self, visit: Visit) -> Response:
        worker, environ = self.worker, visit.environ
        settings = worker.settings
        worker.gate.check()
        with worker.interrupts.allowed(None):  # a client that has sent all may close its side
            body = RequestBody(
                environ, settings.body_in_memory, worker.bodies, settings.body_timeout
            )
        try:
            with worker.interrupts.allowed(environ.get("gunicorn.socket")):
                return drive(visit.answer(body))
        finally:
            body.close()
