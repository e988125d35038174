"""What answers requests of any server: which request gets what, if its visit ends by an exception.

How a request is read, driven and sent is the server's: ``middleware`` does that for WSGI.
"""

from ..kernel.arrivals import Refused
from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..kernel.errors import StreamTimeout
from ..kernel.errors import Unavailable
from ..kernel.gate import NoAnswer
from ..kernel.runtime import ClientGone
from ..kernel.runtime import WorkerStops
from ..traces import ids
from ..traces.paths import render_path
from .answers import Words
from .body import BodyRefused
from .streams import StreamFailed
from .streams import StreamUncommitted
from .visit import Response
from .visit import Visit
from .worker import Environ
from .worker import Worker

import logging

logger = logging.getLogger(__name__)

#: The lengths of a request without a body. A chunked body has another header.
_NO_LENGTH = (None, "", "0")
_CHUNKED = "HTTP_TRANSFER_ENCODING"

#: The exceptions that end a visit with an answer of ours. Any other one is the server's.
EXPECTED = (
    *(BodyRefused, ClientGone, FutureTimeout, HoldExpired, NoAnswer, Refused, StreamFailed),
    *(StreamTimeout, StreamUncommitted, Unavailable, WorkerStops),
)


class Front:
    """Answers requests of one server.

    Args:
        worker: The worker whose requests it answers.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def say_alive(self, environ: Environ) -> Response | None:
        """Answer who asks whether the worker lives; None: the request is another one."""
        liveness_path = self.worker.settings.liveness_path
        if liveness_path and environ.get("PATH_INFO") == liveness_path:
            return self._words(environ).say("200 OK", "alive")
        return None

    def check(self, visit: Visit) -> None:
        """Refuse a request before its body is read, if it may not wait for a slot.

        Raises:
            Refused: A limit is reached.
        """
        gate = self.worker.gate
        if gate.new:  # if no request waits for a slot, none is refused
            gate.check(visit.path)

    def answer(self, visit: Visit, error: BaseException) -> Response:
        """Return the answer to a request whose *visit* ended by *error*, one of ``EXPECTED``."""
        words, worker = self._words(visit.environ), self.worker
        match error:
            case BodyRefused():
                return words.refused(error)
            case Refused():
                worker.refuse(error.limit, visit.path)
                return words.busy()
            case WorkerStops():
                return words.busy()
            case NoAnswer():
                return words.late()
            case FutureTimeout() | HoldExpired() | StreamTimeout() | Unavailable():
                self._log(logging.WARNING, visit, error)
                return words.failed(error)
            case StreamFailed():
                self._log(logging.ERROR, visit, error, error.__cause__)
                return words.broken()
            case StreamUncommitted():
                self._log(logging.ERROR, visit, error)
                return words.uncommitted()
        worker.record.gone += 1
        return words.gone()

    def _words(self, environ: Environ) -> Words:
        return Words(environ, self.worker.settings.body_timeout)

    def _log(
        self, level: int, visit: Visit, text: object, error: BaseException | None = None
    ) -> None:
        method, path = visit.environ["REQUEST_METHOD"], render_path(visit.path)
        trace = {"trace_id": ids.current_id()}
        logger.log(level, "%s %s: %s", method, path, text, exc_info=error, extra=trace)


def has_body(environ: Environ) -> bool:
    """Tell whether the request's headers announce a body."""
    return environ.get("CONTENT_LENGTH") not in _NO_LENGTH or _CHUNKED in environ
