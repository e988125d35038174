"""The middleware: publishes a request, holds its response, publishes it again.

It sits outside of Zope's own pipeline, so that what stands there (exception handling,
logging) sees each pass as a request of its own. What a pass gives is only sent where it
was the last one. The greenlet (or thread) of the request keeps plain data and waits;
the passes run in slots.
"""

from ..kernel import executors
from ..kernel.errors import FuturesError
from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..kernel.errors import Unavailable
from ..kernel.gate import Gate
from ..kernel.gate import NoAnswer
from ..kernel.gate import Refused
from ..kernel.hold import Hold
from ..kernel.waiting import Waiter
from ..traces import ids
from ..traces.paths import shown
from . import audit
from . import timing
from .body import BodyRefused
from .body import RequestBody
from .body import Unread
from .held import HeldResponses
from .interrupts import ClientGone
from .interrupts import Interrupts
from .interrupts import NoInterrupts
from .interrupts import WorkerStops
from .joints import joints
from .journal import Entry
from .limits import Refusals
from .limits import RETRY_AFTER
from .limits import Room
from .monitor import Monitor
from .publication import Application
from .publication import Environ
from .publication import MARK
from .publication import Publication
from .publication import Response
from .publication import StartResponse
from .record import Record
from .settings import Settings
from .settings import SLOTS
from collections.abc import Callable
from collections.abc import Iterable

import logging
import sys
import time

logger = logging.getLogger(__name__)

_TOO_LATE = "A service that this page needs did not answer in time. Please try again in a moment."
_AWAY = "A service that this page needs cannot be had now. Please try again in a moment."
BUSY = "The site is busy. Please try again in a moment."


#: Each is called with the middleware of a worker that begins to serve.
at_start: list[Callable[["Republish"], None]] = []


class NotConfigured(RuntimeError):
    """Zope runs without the ZCML of this package."""


class Republish:
    """WSGI middleware that holds responses.

    Args:
        application: What publishes, loaded completely.
        settings: Where it is not given, those of the environment.
        clock: Gives the time of a hold, in seconds.
        waiter: Makes what runs the futures of a hold.

    Raises:
        NotConfigured: It is Zope, and the ZCML of this package was not loaded.
    """

    def __init__(
        self,
        application: Application,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        waiter: Callable[[Hold], Waiter] | None = None,
    ) -> None:
        if "ZPublisher.WSGIPublisher" in sys.modules and not joints:
            raise NotConfigured(
                "Zope runs without the ZCML of collective.wsgifutures, so a held request "
                "would be committed in each of its passes. Add the package to the "
                'instance\'s zcml, or write <include package="collective.wsgifutures" />.'
            )
        self.application = application
        self.settings = settings = settings or Settings.read()
        self.held = HeldResponses(settings)
        self.refusals = Refusals(settings)
        self.record = Record()
        self.monitor = Monitor(settings.slow_pass, settings.blocked)
        self.interrupts = Interrupts() if executors.under_gevent() else NoInterrupts()
        self.clock = clock
        self._started = False
        self._waiter = waiter
        self._bodies = Room(settings.max_bodies)
        self.gate = Gate(self._slots(), settings.max_waiting, settings.max_wait)
        self._executors = executors.Executors(
            settings.max_threads, settings.max_processes, settings.max_queued
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        if MARK in environ:
            return self.application(environ, start_response)
        liveness_path = self.settings.liveness_path
        if liveness_path and environ.get("PATH_INFO") == liveness_path:
            return self._text(environ, "200 OK", "alive").send(start_response)
        with Entry(environ, self.settings.slow_request, self.clock) as entry:
            response = self._response(environ, entry)
            entry.status = int(response.status[:3])
        return response.send(start_response)

    def _response(self, environ: Environ, entry: Entry) -> Response:
        try:
            return self._answer(environ, entry)
        except BodyRefused as refused:
            text = f"The request is refused: {refused.text}."
            return self._text(environ, refused.status, text)
        except Refused as refused:
            self.refuse(refused.limit, environ.get("PATH_INFO", ""))
            return self._busy(environ)
        except WorkerStops:
            return self._busy(environ)
        except NoAnswer:
            return self._text(environ, "504 Gateway Timeout", _TOO_LATE)
        except (FutureTimeout, HoldExpired, Unavailable) as error:
            what = environ["REQUEST_METHOD"], shown(environ.get("PATH_INFO", ""))
            logger.warning("%s %s: %s", *what, error, extra={"trace_id": ids.current_id()})
            return self._without(environ, error)
        except ClientGone:
            self.record.gone += 1
            return self._text(environ, "499 Client Closed Request", "")  # nginx's, for the log

    def start(self) -> None:
        """Let all begin that looks at this worker; where it has begun, do nothing."""
        if self._started:
            return
        self._started = True
        self.monitor.start()
        for begin in at_start:
            begin(self)

    def refuses(self) -> str | None:
        """Return the limit for which a new request would be refused now, None for none."""
        try:
            self.gate.check()
        except Refused as refused:
            return refused.limit
        return None

    def refuse(self, limit: str, path: str = "") -> None:
        """Count and log a request that is refused.

        Args:
            limit: The setting that is in the way.
            path: Of the request, without its query string, where it is known.
        """
        self.refusals.note(limit)
        self.record.refuse(limit, path)

    def _answer(self, environ: Environ, entry: Entry) -> Response:
        self.gate.check()
        settings = self.settings
        with self.interrupts.allowed({}):  # a client that has sent all of it may close its side
            body = RequestBody(
                environ, settings.body_in_memory, self._bodies, settings.body_timeout
            )
        try:
            with self.interrupts.allowed(environ):
                return self._hold(environ, body, entry)
        finally:
            body.close()

    def _hold(self, environ: Environ, body: RequestBody, entry: Entry) -> Response:
        """Publish, hold, and publish again, up to the last response."""
        settings = self.settings
        hold = entry.hold = Hold(
            self.clock(),
            deadline=settings.deadline,
            max_passes=settings.max_passes,
            debug=settings.debug,
            trace=ids.current_id(),
        )
        waiter = self._new_waiter(hold, entry)
        self.record.requests += 1
        try:
            response: Response | None = self.gate.run_new(self._pass(environ, body, hold))
            entry.held = response is None
            if response is None:
                response = self._held(environ, body, hold, waiter)
        except BaseException as error:
            entry.breaks_off(error)
            raise
        finally:
            waiter.close()
            self.record.passes += hold.passes
        timing.tell(response.headers, hold)
        if settings.debug:
            response.headers.append(("X-Hold-Passes", str(hold.passes)))
        return response

    def _held(self, environ: Environ, body: RequestBody, hold: Hold, waiter: Waiter) -> Response:
        until = hold.ends_at + self.settings.grace
        response: Response | None = None
        path = environ.get("PATH_INFO", "")
        client = hold.client or environ.get("REMOTE_ADDR")
        one = self.held.one_more(client, hold, waiter, path)
        with one:
            self.record.held += 1
            try:
                while response is None:
                    waiter.wait()
                    self.record.wait_ends(hold, path, one.number)
                    response = self.gate.run_resumed(self._pass(environ, body, hold), until)
            finally:
                self.record.hold_ends(hold, self.clock(), path)
        return response

    def _new_waiter(self, hold: Hold, entry: Entry) -> Waiter:
        if self._waiter is not None:
            return self._waiter(hold)
        return Waiter(hold, entry.executors(self._executors))

    def _pass(self, environ: Environ, body: RequestBody, hold: Hold) -> Publication:
        return Publication(
            self.application, environ, body, hold, self.monitor, self.settings, self.clock
        )

    def _text(
        self, environ: Environ, status: str, text: str, headers: Iterable[tuple[str, str]] = ()
    ) -> Response:
        body = text.encode() + b"\n"
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ]
        chunks = [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        return Response(status, headers, Unread(chunks, environ, self.settings.body_timeout))

    def _without(self, environ: Environ, error: FuturesError) -> Response:
        """Answer for an error that nobody caught: what was needed was late, or is away."""
        if isinstance(error, TimeoutError):
            return self._text(environ, "504 Gateway Timeout", _TOO_LATE)
        headers = getattr(error, "headers", {}).items()
        return self._text(environ, "503 Service Unavailable", _AWAY, headers)

    def _busy(self, environ: Environ) -> Response:
        headers = [("Retry-After", str(RETRY_AFTER)), ("Cache-Control", "no-store")]
        return self._text(environ, "503 Service Unavailable", BUSY, headers)

    def _slots(self) -> int:
        good = [joint.good_slots() for joint in joints]
        wanted = self.settings.slots or min([n for n in good if n is not None], default=SLOTS)
        limits = [joint.max_slots() for joint in joints]
        slots = min([wanted, *(n for n in limits if n is not None)])
        if slots < wanted:
            logger.warning("%d slots, not %d: the ZODB pool has no more.", slots, wanted)
        return slots


def filter_app(application: Application, global_conf: dict[str, str], **options: str) -> Republish:
    """Return *application* behind PasteDeploy's ``egg:collective.wsgifutures#hold``.

    Args:
        application: The rest of the pipeline.
        global_conf: Of the configuration file; not read.
        options: Settings by their names.

    Raises:
        StartRefused: Greenlets are not safe here.
        SettingRefused: One of *options* is not what it takes.
    """
    audit.refuse(audit.of_process(joints))
    republish = Republish(application, Settings.read(options))
    republish.start()
    return republish
