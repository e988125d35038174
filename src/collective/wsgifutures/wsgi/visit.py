"""One request: its way, its passes through the application, and what these answered.

The way is written as steps, so that a thread, a greenlet or anything else can take them; it
knows no server. A pass runs in a slot, and between two of them nothing but plain data is kept.
"""

from ..kernel.gate import NoAnswer
from ..kernel.gate import Refused
from ..kernel.hold import Hold
from ..kernel.passes import Pass
from ..kernel.passes import publish
from ..kernel.runtime import ClientGone
from ..kernel.runtime import Interrupted
from ..kernel.runtime import WorkerStops
from ..kernel.waiting import Steps
from ..kernel.waiting import Waiter
from ..traces import ids
from ..traces import spans
from ..traces.call_spans import CallSpans
from . import journal
from . import timing
from .body import RequestBody
from .joints import joints
from .worker import Application
from .worker import Environ
from .worker import StartResponse
from .worker import Worker
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import contextvars
import io
import itertools
import time

#: In the environ of each pass: it has a hold, and a second middleware passes through.
MARK = "collective.wsgifutures.held"

#: In the environ of each pass: the settings of its process, for who shows them.
SETTINGS = "collective.wsgifutures.settings"

#: How a response ended where one of those came between.
_ENDS: dict[type[BaseException] | None, str] = {
    ClientGone: "gone",
    NoAnswer: "expired",
    Refused: "refused",
    WorkerStops: "stopped",
}


class Visit:
    """One request, while it is answered: a context that lasts until its response is there.

    Args:
        worker: What it is served with.
        environ: The server's, as WSGI has it.
    """

    __slots__ = (
        "_call_spans",
        "_ended_by",
        "_failed",
        "_is_held",
        "_span",
        "_token",
        "_trace",
        "client",
        "environ",
        "hold",
        "number",
        "path",
        "status",
        "waiter",
        "worker",
    )

    hold: Hold
    waiter: Waiter

    def __init__(self, worker: Worker, environ: Environ) -> None:
        self.worker = worker
        self.environ = environ
        self.path: str = environ.get("PATH_INFO", "")  #: without its query string
        self.client: Hashable = None  #: whose request it is, once it is held
        self.number = 0  #: by which its held response is known in this worker
        #: Of its response; or it has none.
        self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self._call_spans: CallSpans | None = None
        self._ended_by: type[BaseException] | None = None
        self._failed = False
        self._is_held = False

    def __enter__(self) -> "Visit":
        self._trace, self._span = ids.begin(self.environ)
        self._token = ids.current.set(self._trace)
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        self._failed = kind is not None
        if self._is_held:
            self._log()
        if self._span is not spans.NONE:
            self._end_span(kind, *raised)
        ids.current.reset(self._token)

    def answer(self, body: RequestBody | None) -> "Steps[Response]":
        """Publish, hold, and publish again; return the last response.

        Args:
            body: The request's; None: it has none.

        Raises:
            Refused: A limit of the worker is reached.
            NoAnswer: Its last pass did not end in time.
            Interrupted: It is ended from outside.
            BaseException: What the application raised.
        """
        worker = self.worker
        hold = self.hold = self._new_hold()
        self.waiter = self._new_waiter()
        worker.record.requests += 1
        try:
            response = yield from worker.gate.run_new(self._attempt(body))
            if response is None:
                response = yield from self._hold(body)
        except BaseException as error:
            self._break_off(error)
            raise
        finally:
            self.waiter.close()
            worker.record.passes += hold.passes
        if hold.tells_times:
            timing.tell(response.headers, hold)
        if worker.settings.debug:
            response.headers.append(("X-Hold-Passes", str(hold.passes)))
        return response

    def _hold(self, body: RequestBody | None) -> "Steps[Response]":
        """Hold the response until a pass gives it."""
        worker, hold = self.worker, self.hold
        until = hold.ends_at + worker.settings.grace
        self._is_held = True
        self.client = hold.client or self.environ.get("REMOTE_ADDR")
        worker.held.add(self)
        try:
            while True:
                yield from self.waiter.wait()
                if hold.expired:
                    worker.record.wait_ends(hold, self.path, self.number)
                response = yield from worker.gate.run_resumed(self._attempt(body), until)
                if response is not None:
                    return response
        finally:
            worker.held.remove(self, worker.clock())

    def _attempt(self, body: RequestBody | None) -> "Attempt":
        return Attempt(self.worker, self.environ, body, self.hold, self._span is not spans.NONE)

    def _new_hold(self) -> Hold:
        settings = self.worker.settings
        return Hold(
            self.worker.clock(),
            deadline=settings.deadline,
            max_passes=settings.max_passes,
            debug=settings.debug,
            trace=self._trace.id,
        )

    def _new_waiter(self) -> Waiter:
        if self.worker.waiter is not None:
            return self.worker.waiter(self.hold)
        executor_of = self.worker.executor_of
        if self._span.recorded:
            self._call_spans = CallSpans(executor_of)
            executor_of = self._call_spans.executor_of
        return Waiter(self.hold, executor_of, signal=self.worker.runtime.signal())

    def _break_off(self, error: BaseException) -> None:
        """Note that *error* ends it, before the calls that still run are stopped."""
        self._ended_by = type(error)
        if isinstance(error, Interrupted):
            self.hold.note_pending(self.worker.clock())

    def _log(self) -> None:
        """Log a held response that took long."""
        seconds = self.worker.clock() - (self.hold.ends_at - self.hold.deadline)
        if seconds >= self.worker.settings.slow_request:
            request = self.environ["REQUEST_METHOD"], self.path
            journal.log(self.hold, request, self.status, self._ended(), seconds)

    def _end_span(self, *raised: Any) -> None:
        """Tell in the span what became of the request, and end it."""
        if hasattr(self, "hold"):
            self._span.tell(passes=self.hold.passes)
        if self._is_held:
            self._span.tell(waited=self.hold.waited, ended=self._ended())
        if self._call_spans is not None:
            self._call_spans.end()
        self._span.answered(self.status)
        self._span.__exit__(*raised)

    def _ended(self) -> str:
        """Return how it ended, in one word."""
        if self._ended_by in _ENDS:
            return _ENDS[self._ended_by]
        if self._failed:
            return "failed"
        if self.hold.cancelled:
            return "cancelled"
        return "expired" if self.hold.late else "answered"


class Attempt:
    """One pass. Called in a slot, gives the response or None: held.

    Made in its request's own thread, whose context its slot sees.

    Args:
        worker: Whose slot it is.
        environ: The request's.
        body: The request's; None: it has none.
        hold: The request's.
        is_traced: The request has a span that is recorded.
    """

    def __init__(
        self,
        worker: Worker,
        environ: Environ,
        body: RequestBody | None,
        hold: Hold,
        is_traced: bool,
    ) -> None:
        self.path: str = environ.get("PATH_INFO", "")
        self.trace = hold.trace
        self.began = 0.0  #: in seconds of ``time.monotonic``
        self.where: Any = None  #: the thread or greenlet that publishes
        self.is_logged = False  #: as one that takes too long
        self._worker = worker
        self._environ = environ
        self._body = body
        self._hold = hold
        self._is_traced = is_traced
        self._context = contextvars.copy_context()
        self._pass: Pass | None = None
        self._input: Any = None
        self._response = Response()

    def __call__(self) -> "Response | None":
        """Publish."""
        # Not before: a request that waits for a slot opens no file.
        self._input = io.BytesIO() if self._body is None else self._body.open()
        running, last = self._worker.monitor.running, False
        self.where, self.began = self._worker.runtime.here(), time.monotonic()
        running[id(self)] = self
        try:
            self._pass = Pass(self._hold, self._worker.clock())
            last = publish(self._pass, self._receive, self._worker.clock, self._context)
        finally:
            del running[id(self)]
            for joint in joints:
                joint.clean_up()
            if not last or self._response.is_whole:
                self._input.close()  # else its file stays for as long as somebody knows of it
            if not last:
                self._context.run(self._response.close)
        return self._response if last else None

    def view_name(self) -> str:
        """Return the name of what is being published, the path where there is none."""
        name = self._pass.publisher.view_name() if self._pass is not None else ""
        return name or self.path

    def _receive(self) -> bool:
        application, environ = self._worker.application, self._own_environ()
        if not self._is_traced:
            return self._response.receive(application, environ)
        with spans.of_pass(self._hold.passes, self.view_name):
            return self._response.receive(application, environ)

    def _own_environ(self) -> Environ:
        """Return an environ that this pass may write into."""
        environ = dict(self._environ)
        environ[MARK] = True
        environ[SETTINGS] = self._worker.settings
        environ["wsgi.input"] = self._input
        if "HTTP_TRANSFER_ENCODING" in environ:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(0 if self._body is None else self._body.size)
        return environ


class Response:
    """What an application answered."""

    def __init__(
        self, status: str = "", headers: Iterable[tuple[str, str]] = (), body: Iterable[bytes] = ()
    ) -> None:
        self.status = status
        self.headers = list(headers)
        self._written: list[bytes] = []
        self._body = body

    @property
    def is_whole(self) -> bool:
        """Tell whether all of its body is there: nothing is read any more to make it."""
        return isinstance(self._body, list | tuple)

    def receive(self, application: Application, environ: Environ) -> bool:
        """Call *application* and keep what it answers; tell whether its status is 2xx.

        Its body is kept as the very object.
        """
        self._body = application(environ, self._start)
        if not self.status:  # it starts with its first chunk
            chunks = iter(self._body)
            first = next(chunks, b"")
            self._body = _Joined([first], chunks, self._body)
        if not self.status:
            raise RuntimeError("The application did not call start_response.")
        if self._written:
            self._body = _Joined(self._written, iter(self._body), self._body)
        return self.status.startswith("2")

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Start the response and return its body."""
        try:
            start_response(self.status, self.headers)
        except BaseException:
            self.close()
            raise
        return self._body

    def close(self) -> None:
        """Close the body of a response that is not sent."""
        _close(self._body)

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        self.status = status
        self.headers = list(headers)
        return self._written.append


class _Joined:
    """A body with chunks before it that were there first."""

    def __init__(self, first: list[bytes], rest: Iterable[bytes], body: Any) -> None:
        self._chunks = itertools.chain(first, rest)
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        _close(self._body)


def _close(body: Any) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
