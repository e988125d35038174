"""One request, from its first byte to its answer: what is known of it, and its way.

The way is written as steps, so that a thread, a greenlet or anything else can take them; it
knows no server. A pass runs in a slot, and between two of them nothing but plain data is kept.
"""

from ..kernel.gate import NoAnswer
from ..kernel.gate import Refused
from ..kernel.hold import Hold
from ..kernel.runtime import ClientGone
from ..kernel.runtime import Interrupted
from ..kernel.runtime import Steps
from ..kernel.runtime import WorkerStops
from ..kernel.waiting import Waiter
from ..traces import ids
from ..traces import spans
from ..traces.call_spans import CallSpans
from . import journal
from . import timing
from .answers import Environ
from .answers import Response
from .attempt import Attempt
from .body import RequestBody
from .worker import Worker
from collections.abc import Hashable
from http import HTTPStatus
from typing import Any

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
        self._span = spans.of_request(self.environ).__enter__()
        self._token = ids.current.set(ids.of(self.environ))
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        self._failed = kind is not None
        if hasattr(self, "hold"):
            self._tell()
        if self._call_spans is not None:
            self._call_spans.end()
        self._span.answered(self.status)
        self._span.__exit__(kind, *raised)
        ids.current.reset(self._token)

    def answer(self, body: RequestBody) -> Steps[Response]:
        """Publish, hold, and publish again; return the last response.

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
        timing.tell(response.headers, hold)
        if worker.settings.debug:
            response.headers.append(("X-Hold-Passes", str(hold.passes)))
        return response

    def _hold(self, body: RequestBody) -> Steps[Response]:
        """Hold the response until a pass gives it."""
        worker, hold = self.worker, self.hold
        until = hold.ends_at + worker.settings.grace
        self._is_held = True
        self.client = hold.client or self.environ.get("REMOTE_ADDR")
        worker.held.add(self)
        worker.record.held += 1
        try:
            while True:
                yield from self.waiter.wait()
                worker.record.wait_ends(hold, self.path, self.number)
                response = yield from worker.gate.run_resumed(self._attempt(body), until)
                if response is not None:
                    return response
        finally:
            worker.record.hold_ends(hold, worker.clock(), self.path)
            worker.held.remove(self)

    def _attempt(self, body: RequestBody) -> Attempt:
        return Attempt(self.worker, self.environ, body, self.hold)

    def _new_hold(self) -> Hold:
        settings = self.worker.settings
        return Hold(
            self.worker.clock(),
            deadline=settings.deadline,
            max_passes=settings.max_passes,
            debug=settings.debug,
            trace=ids.current_id(),
        )

    def _new_waiter(self) -> Waiter:
        if self.worker.waiter is not None:
            return self.worker.waiter(self.hold)
        executor_of = self.worker.executors.get
        if self._span.recorded:
            self._call_spans = CallSpans(executor_of)
            executor_of = self._call_spans.executor_of
        return Waiter(self.hold, executor_of)

    def _break_off(self, error: BaseException) -> None:
        """Note that *error* ends it, before the calls that still run are stopped."""
        self._ended_by = type(error)
        if isinstance(error, Interrupted):
            self.hold.note_pending(self.worker.clock())

    def _tell(self) -> None:
        """Tell what became of it, in its span and in the log."""
        hold = self.hold
        self._span.tell(passes=hold.passes)
        if not self._is_held:
            return
        ended = self._ended()
        self._span.tell(waited=hold.waited, ended=ended)
        seconds = self.worker.clock() - hold.since
        if seconds >= self.worker.settings.slow_request:
            request = self.environ["REQUEST_METHOD"], self.path
            journal.log(hold, request, self.status, ended, seconds)

    def _ended(self) -> str:
        """Return how it ended, in one word."""
        if self._ended_by in _ENDS:
            return _ENDS[self._ended_by]
        if self._failed:
            return "failed"
        if self.hold.cancelled:
            return "cancelled"
        return "expired" if self.hold.late else "answered"
