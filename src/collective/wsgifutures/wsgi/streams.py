"""Sends a stream: its flow as a WSGI body, from the first chunk to its end.

The server's thread or greenlet asks for a chunk, and sends it. It can be interrupted while it
waits for one here, and only here: in the server it may have sent half of something.
"""

from ..kernel.errors import FuturesError
from ..kernel.errors import Unavailable
from ..kernel.hold import Hold
from ..kernel.runtime import ClientGone
from ..kernel.runtime import SendLimit
from ..kernel.runtime import WorkerStops
from ..kernel.streams.answers import StreamAnswer
from ..kernel.streams.flow import BrokenOff
from ..kernel.streams.flow import Flow
from ..kernel.streams.flow import STOPPED
from ..kernel.waiting import drive
from ..kernel.waiting import Steps
from ..traces.paths import render_path
from .worker import Environ
from .worker import Worker
from collections.abc import Hashable
from collections.abc import Iterator
from typing import Any
from typing import NoReturn
from typing import Protocol

import errno
import logging

logger = logging.getLogger(__name__)


class StreamFailed(Exception):
    """A stream has failed before its first item, by the error that is its cause."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name  #: the stream's name

    def __str__(self) -> str:
        return f"The stream {self.name} failed before its first item."


class StreamUncommitted(Exception):
    """The pass that wanted a stream was answered with it, but its work was thrown away."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name  #: the stream's name

    def __str__(self) -> str:
        return (
            f"The stream {self.name} is not begun, since the transaction of its view was aborted. "
            "plone.protect does that if a view writes for a user without a token: send one "
            "(_authenticator or X-CSRF-TOKEN) with the request."
        )


class Asked(Protocol):
    """The request that is answered with a stream."""

    hold: Hold
    environ: Environ
    path: str  #: without its query string
    client: Hashable


class Sending:
    """The body of one response that is streamed.

    Args:
        worker: Counts it.
        asked: The request.
        answer: What the view has returned.
    """

    def __init__(self, worker: Worker, asked: Asked, answer: StreamAnswer) -> None:
        self.hold = asked.hold
        self.path = asked.path
        self.client = asked.client
        self.number = 0
        self._method = asked.environ["REQUEST_METHOD"]
        self._socket = asked.environ.get("gunicorn.socket")
        self._worker = worker
        self._flow = Flow(answer, worker.executor_of, worker.clock)
        self._following = answer.following
        self._first: bytes | None = None
        self._limit: SendLimit | None = None
        self._is_open = True
        worker.held.add_stream(self)

    @property
    def waiter(self) -> Flow:
        """What an operator can cancel."""
        return self._flow

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return self._flow.name

    def begin(self, until: float) -> Steps[None]:
        """Start the stream, and wait for its first chunk.

        Raises:
            StreamTimeout, Unavailable: There is none in time, or a service is unavailable.
            StreamFailed: It raised another error.
        """
        self._flow.start()
        try:
            self._first = yield from self._flow.first(until)
        except Exception as error:
            self._flow.error = error
            self._flow.stop()
            if isinstance(error, FuturesError) and isinstance(error, TimeoutError | Unavailable):
                raise
            raise StreamFailed(self.stream) from error

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._limit is None:
            self._limit = self._limit_sending()
        self._limit.sending = False
        while True:
            if self._flow.over:
                self.close()
                raise StopIteration
            chunk = drive(self.next_chunk())
            if chunk:
                self._limit.sending = True
                return chunk

    def close(self) -> None:
        """End the stream: called by the server, whatever happened."""
        if not self._is_open:
            return
        self._is_open = False
        if self._limit is not None:
            self._limit.end()
        following = self._following
        if following is not None and following.keep_going and not self._flow.over:
            self._worker.runtime.take(self._go_on(), self._worker.interrupts)
        else:
            self._end(wanted=False)

    def _go_on(self) -> Steps[None]:
        """Make the stream to its end for whoever gets its text: its client has left."""
        try:
            with self._worker.interrupts.allowed(None):
                while not self._flow.over:
                    yield from self._flow.chunks()
        except WorkerStops:
            self._flow.stop()
        except BrokenOff:
            self._log()
        finally:
            self._end(wanted=True)

    def _end(self, *, wanted: bool) -> None:
        flow = self._flow
        wanted = wanted or flow.error is not None or flow.ended_by == STOPPED
        flow.stop()
        self._worker.held.remove_stream(self)
        if self._following is None:
            return
        if flow.is_whole:
            self._following.end()
        else:
            text = f"The stream {self.stream} did not come to its end."
            self._following.end(text, wanted=wanted)

    def _limit_sending(self) -> SendLimit:
        return self._worker.interrupts.limit_sending(self.seconds_left)

    @property
    def over(self) -> bool:
        """Whether all of it was handed over."""
        return self._flow.over

    @property
    def seconds_left(self) -> float:
        """For how many seconds it may go on."""
        return max(0.0, self._flow.ends_at - self._worker.clock())

    def next_chunk(self) -> Steps[bytes]:
        """Return the next chunk, which may be empty; the last one if it is ``over`` then.

        Raises:
            ConnectionResetError: The connection is to be closed, without the end of a body.
        """
        chunk, self._first = self._first, None
        if chunk:
            return chunk
        try:
            chunk = yield from self._wait()
        except BrokenOff:
            self._log()
            self._break(f"the stream {self.stream} is not whole")
        if self._flow.over:
            self._log()
        return chunk

    def _wait(self) -> Steps[bytes]:
        try:
            with self._worker.interrupts.allowed(self._socket):
                return (yield from self._flow.chunks())
        except WorkerStops:
            return self._flow.end(STOPPED)
        except ClientGone:
            self._worker.record.gone += 1
            self._break("the client has gone")

    def _break(self, why: str) -> NoReturn:
        """Have the server close the connection, without the end of a body: in silence."""
        self.close()
        raise ConnectionResetError(errno.ECONNRESET, why)

    def _log(self) -> None:
        error: Any = self._flow.error
        if error is None:
            return
        where = self._method, render_path(self.path), self.stream
        trace = {"trace_id": self.hold.trace}
        if isinstance(error, FuturesError):
            logger.warning("%s %s: the stream %s ended early: %s", *where, error, extra=trace)
        else:
            text = "%s %s: the stream %s failed after its first item."
            logger.error(text, *where, exc_info=error, extra=trace)


def find_last_event_id(environ: Environ) -> str:
    """Return the id of the last event that the client got; empty if it asks for the first time."""
    value = str(environ.get("HTTP_LAST_EVENT_ID", ""))
    return value.encode("latin-1", "replace").decode("utf-8", "replace")
