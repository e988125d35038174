"""One request: its way, its passes through the application, and the application's responses.

The way is written as steps, which a thread, a greenlet or anything else can take, and needs no
server. A pass runs in a slot. Between two passes, only plain data is kept.
"""

from ..kernel.arrivals import Refused
from ..kernel.errors import StreamBusy
from ..kernel.gate import NoAnswer
from ..kernel.hold import Hold
from ..kernel.passes import Pass
from ..kernel.passes import publish
from ..kernel.passes import wait_first
from ..kernel.runtime import ClientGone
from ..kernel.runtime import Interrupted
from ..kernel.runtime import WorkerStops
from ..kernel.sockets.answers import SocketAnswer
from ..kernel.streams.answers import StreamAnswer
from ..kernel.waiting import Steps
from ..kernel.waiting import Waiter
from ..traces import ids
from ..traces import spans
from ..traces.call_spans import CallSpans
from . import journal
from . import timing
from .body import Body
from .clients import find_client
from .joints import joints
from .sockets import check_handshake
from .sockets import Talk
from .streams import find_last_event_id
from .streams import Sending
from .streams import StreamUncommitted
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
from typing import Self

import contextvars
import io
import itertools
import time

#: In the environ of each pass: the request has a hold. A second middleware does nothing then.
MARK = "collective.wsgifutures.held"

#: In the environ of each pass: the settings of the process, for views that show them.
SETTINGS = "collective.wsgifutures.settings"

#: How a response ended, by the exception that broke it off.
_ENDS: dict[type[BaseException] | None, str] = {
    ClientGone: "gone",
    NoAnswer: "expired",
    Refused: "refused",
    WorkerStops: "stopped",
}


class Visit:
    """One request, while it is answered: a context that lasts until its response is there.

    Args:
        worker: The worker that serves the request.
        environ: The server's WSGI environ.
    """

    __slots__ = (
        "_call_spans",
        "_ended_by",
        "_failed",
        "_is_held",
        "_token",
        "_trace",
        "client",
        "environ",
        "hold",
        "number",
        "path",
        "span",
        "status",
        "waiter",
        "worker",
    )

    hold: Hold
    waiter: Waiter
    span: spans.Span
    stream = ""  #: it is held, and not streamed

    def __init__(self, worker: Worker, environ: Environ) -> None:
        self.worker = worker
        self.environ = environ
        self.path: str = environ.get("PATH_INFO", "")  #: without its query string
        self.client: Hashable = None  #: whose request it is, once its response is held
        self.number = 0  #: the number of its held response in this worker
        #: The status of its response, 500 until there is a response.
        self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self._call_spans: CallSpans | None = None
        self._ended_by: type[BaseException] | None = None
        self._failed = False
        self._is_held = False

    def __enter__(self) -> Self:
        self._trace, self.span = self._begin_trace()
        self._token = ids.current.set(self._trace)
        return self

    def _begin_trace(self) -> tuple[ids.Trace, spans.Span]:
        return ids.begin(self.environ)

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        self._failed = kind is not None
        if self._is_held:
            self._log()
        if self.span is not spans.NONE:
            self._end_span(kind, *raised)
        ids.current.reset(self._token)

    def answer(self, body: Body | None) -> "Steps[Response]":
        """Publish, hold, and publish again; return the last response.

        Args:
            body: The request's body; None if it has none.

        Raises:
            Refused: A limit of the worker is reached.
            NoAnswer: The last pass did not end in time.
            Interrupted: The client has left, or the worker stops.
            BaseException: The application raised an error.
        """
        worker = self.worker
        self._prepare(Hold, worker.settings.deadline)
        worker.record.requests += 1
        try:
            response = None
            if not self._waits_first(body):
                response = yield from worker.gate.run_new(Attempt(self, body), self.path)
            if response is None:
                response = yield from self._hold(body)
        except BaseException as error:
            self._break_off(error)
            raise
        finally:
            self.waiter.close()
            worker.record.passes += self.hold.passes
        if self.hold.tells_times:
            timing.tell(response.headers, self.hold)
        if worker.settings.debug:
            response.headers.append(("X-Hold-Passes", str(self.hold.passes)))
        if response.stream is not None:
            yield from self._stream(response, response.stream)
        return response

    def _stream(self, response: "Response", answer: StreamAnswer) -> "Steps[None]":
        """Begin the stream of a committed pass, and wait for its first chunk.

        Raises:
            StreamFailed, StreamTimeout, Unavailable: It gave none.
            StreamUncommitted: The work of the pass was thrown away.
        """
        if self.environ["REQUEST_METHOD"] == "HEAD" or not response.may_have_body:
            response.body = ()
            answer.end_following("It never began.", wanted=False)
            return
        if not answer.is_committed():
            raise StreamUncommitted(answer.source.name)
        answer.last_event_id = find_last_event_id(self.environ)
        self.client = self.hold.client or self._address()
        if isinstance(answer, SocketAnswer):
            response.status, response.body = (
                "101 Switching Protocols",
                Talk(self.worker, self, answer),
            )
            return
        until = max(self.hold.ends_at, self.worker.clock() + self.worker.settings.grace)
        sending = Sending(self.worker, self, answer)
        try:
            yield from sending.begin(until)
        except BaseException as error:
            sending.close()
            self._break_off(error)
            raise
        response.body = sending
        own = {name.lower() for name in answer.headers}
        kept = [one for one in response.headers if one[0].lower() not in own]
        response.headers[:] = [*kept, *answer.headers.items()]

    def check_room(self, name: str) -> None:
        """Raise ``StreamBusy`` if there is no room for the stream *name* of this request.

        A response that was held has its place already.
        """
        if self._is_held:
            return
        try:
            self.worker.held.check(self.hold.client or self._address())
        except Refused as refused:
            self.worker.refuse(refused.limit, self.path)
            raise StreamBusy(name, refused.limit) from None

    def check_handshake(self, answer: SocketAnswer, public: str) -> None:
        """Raise ``HandshakeRefused`` if this request cannot have the websocket of *answer*."""
        check_handshake(answer, self.environ, public)

    def _address(self) -> str:
        return find_client(str(self.environ.get("REMOTE_ADDR", "")))

    def _waits_first(self, body: Body | None) -> bool:
        """Let the hold wait before the first pass, if a joint says for what."""
        for joint in joints:
            call = joint.wait_first(self, body)
            if call is not None:
                wait_first(self.hold, call, self.worker.clock())
                return True
        return False

    def _hold(self, body: Body | None) -> "Steps[Response]":
        """Hold the response until a pass returns it."""
        worker, hold = self.worker, self.hold
        until = hold.ends_at + worker.settings.grace
        self._is_held = True
        self.client = hold.client or self._address()
        worker.held.add(self)
        try:
            while True:
                was_last = hold.expired  # and ended by a conflict
                yield from self.waiter.wait()
                if hold.came_to_nothing:
                    return Response("204 No Content", [("Cache-Control", "no-store")])
                if hold.expired and not was_last:
                    worker.record.wait_ends(hold, self.path, self.number)
                # A pass may have lowered the deadline, even to a time that is over.
                ends_at = max(hold.ends_at, worker.clock())
                until = min(until, ends_at + worker.settings.grace)
                response = yield from worker.gate.run_resumed(Attempt(self, body), until)
                if response is not None:
                    return response
        finally:
            worker.held.remove(self, worker.clock())

    def _prepare(self, kind: type[Hold], deadline: float) -> None:
        """Make the hold, of that *kind*, and its waiter."""
        worker, settings = self.worker, self.worker.settings
        self.hold = kind(
            worker.clock(),
            deadline=deadline,
            max_passes=settings.max_passes,
            debug=settings.debug,
            trace=self._trace.id,
        )
        if worker.waiter is not None:
            self.waiter = worker.waiter(self.hold)
            return
        executor_of = worker.executor_of
        if self.span.recorded:
            self._call_spans = CallSpans(executor_of)
            executor_of = self._call_spans.executor_of
        self.waiter = Waiter(self.hold, executor_of, signal=worker.runtime.signal())

    def _break_off(self, error: BaseException) -> None:
        """Note that *error* ends the visit, before the calls that still run are stopped."""
        self._ended_by = type(error)
        if isinstance(error, Interrupted):
            self.hold.note_pending(self.worker.clock())

    def _log(self) -> None:
        """Log a held response if it took long, and not because there was no work."""
        if self.hold.is_for_work:
            return
        seconds = self.worker.clock() - (self.hold.ends_at - self.hold.deadline)
        if seconds >= self.worker.settings.slow_request:
            request = self.environ["REQUEST_METHOD"], self.path
            journal.log(self.hold, request, self.status, self._describe_end(), seconds)

    def _end_span(self, *raised: Any) -> None:
        """Note in the span what became of the request, and end the span."""
        if hasattr(self, "hold"):
            self.span.tell(passes=self.hold.passes)
        if self._is_held:
            self.span.tell(waited=self.hold.waited, ended=self._describe_end())
        if self._call_spans is not None:
            self._call_spans.end()
        self._note_answer()
        self.span.__exit__(*raised)

    def _note_answer(self) -> None:
        """Note in the span how the request was answered."""
        self.span.answered(self.status)

    def _describe_end(self) -> str:
        """Return how the visit ended, in one word."""
        if self._ended_by in _ENDS:
            return _ENDS[self._ended_by]
        if self._failed:
            return "failed"
        if self.hold.cancelled:
            return "cancelled"
        return "expired" if self.hold.late else "answered"


class Attempt:
    """One pass. A slot calls it, and gets the response, or None if the response is held.

    It is made in the request's own thread, and copies the context of that thread for the slot.

    Args:
        visit: The visit of the request.
        body: The request's body; None if it has none.
    """

    def __init__(self, visit: Visit, body: Body | None) -> None:
        self.path = visit.path
        self.trace = visit.hold.trace
        self.began = 0.0  #: in seconds of ``time.monotonic``
        self.where: Any = None  #: the thread or greenlet that publishes
        self.is_logged = False  #: whether it was logged as slow
        self._visit = visit
        self._worker = visit.worker
        self._body = body
        self._context = contextvars.copy_context()
        self._pass: Pass | None = None
        self._input: Any = None
        self._response = Response()

    def __call__(self) -> "Response | None":
        """Publish."""
        # Here, and not earlier: a request that waits for a slot should open no file.
        self._input = io.BytesIO() if self._body is None else self._body.open()
        running, last = self._worker.monitor.running, False
        self.where, self.began = self._worker.runtime.here(), time.monotonic()
        running[id(self)] = self
        try:
            outside, wait = self._context.copy(), self._visit.waiter.wait_inside
            now = self._worker.clock()
            self._pass = Pass(self._visit.hold, now, lambda call: outside.run(wait, call))
            self._pass.check_room = self._visit.check_room
            self._pass.check_handshake = self._visit.check_handshake
            last = publish(self._pass, self._receive, self._worker.clock, self._context)
        finally:
            del running[id(self)]
            for joint in joints:
                joint.clean_up()
            if not last or self._response.is_whole:
                self._input.close()  # else its file is kept for as long as the input is known
            if not last:
                self._context.run(self._response.close)
        return self._response if last else None

    def view_name(self) -> str:
        """Return the name of the view that is published, the path if there is no name."""
        name = self._pass.publisher.view_name() if self._pass is not None else ""
        return name or self.path

    def _receive(self) -> bool:
        application, environ = self._worker.application, self._own_environ()
        if self._visit.span is spans.NONE:
            return self._response.receive(application, environ)
        with spans.of_pass(self._visit.hold.passes, self.view_name):
            return self._response.receive(application, environ)

    def _own_environ(self) -> Environ:
        """Return a copy of the environ for this pass, which may change it."""
        environ = dict(self._visit.environ)
        environ[MARK] = True
        environ[SETTINGS] = self._worker.settings
        environ["wsgi.input"] = self._input
        if "HTTP_TRANSFER_ENCODING" in environ:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(0 if self._body is None else self._body.size)
        return environ


class Response:
    """The response of an application, or of this package."""

    def __init__(
        self, status: str = "", headers: Iterable[tuple[str, str]] = (), body: Iterable[bytes] = ()
    ) -> None:
        self.status = status
        self.headers = list(headers)
        #: Whether all of its body is there, so that the request's body is not read any more.
        self.is_whole = False
        self._written: list[bytes] = []
        self.body: Any = body

    def receive(self, application: Application, environ: Environ) -> bool:
        """Call *application* and keep its response; tell whether the status is 2xx.

        The object that the application returns is kept as the body.
        """
        self.body = application(environ, self._start)
        if not self.status:  # the application starts the response with its first chunk
            chunks = iter(self.body)
            first = next(chunks, b"")
            self.body = _Joined([first], chunks, self.body)
        if not self.status:
            raise RuntimeError("The application did not call start_response.")
        if self._written:
            self.body = _Joined(self._written, iter(self.body), self.body)
        self.is_whole = isinstance(self.body, list | tuple | StreamAnswer)
        return self.status.startswith("2")

    @property
    def stream(self) -> StreamAnswer | None:
        """The stream that is to be sent as its body, None if it has another body."""
        return self.body if isinstance(self.body, StreamAnswer) else None

    @property
    def may_have_body(self) -> bool:
        """Whether it says by its status that something was made."""
        return self.status.startswith("2") and not self.status.startswith(("204", "205"))

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Start the response and return its body."""
        try:
            start_response(self.status, self.headers)
        except BaseException:
            self.close()
            raise
        return self.body  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the body of a response that is not sent."""
        _close(self.body)

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        self.status = status
        self.headers = list(headers)
        return self._written.append


class _Joined:
    """A body, and before it the chunks that were read from it or written already."""

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
