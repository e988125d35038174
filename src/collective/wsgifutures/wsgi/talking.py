"""Serves a websocket, in the loop of the server, until the first of these ends it.

Its function, its client, a limit, an operator, the end of the worker. Whatever ends it, its
function is cancelled, and its client is told why if it is still there.
"""

from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.executors import ASYNC
from ..kernel.runtime import Interrupted
from ..kernel.runtime.asynced import TaskInterrupts
from ..kernel.sockets.socket import WebSocket
from ..traces.paths import render_path
from .sockets import Talk
from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import asyncio
import contextlib
import logging

logger = logging.getLogger(__name__)

#: How many messages wait for the function, before the client has to wait.
WAITING = 16

#: Seconds that a client may take to say that it has seen the end.
CLOSE_SECONDS = 5.0


class End(NamedTuple):
    """Why a websocket is closed: what its client is told."""

    code: int
    reason: str


RETURNED = End(1000, "")
STOPPED = End(1001, "the server stops")
LATE = End(1008, "time limit")
IDLE = End(1008, "idle")
CANCELLED = End(1008, "cancelled")
TOO_LARGE = End(1009, "message too large")
FAILED = End(1011, "error")
GONE = End(0, "nobody is told")


class Talking:
    """One websocket that is open.

    Args:
        talk: What is known of it.
        receive: Returns the next message of the server, as ASGI has it.
        send: Sends one.
    """

    def __init__(
        self,
        talk: Talk,
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._talk = talk
        self._worker = talk.worker
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[End] = self._loop.create_future()
        self._inbox: asyncio.Queue[str | bytes] = asyncio.Queue(WAITING)
        self._moved = talk.worker.clock()  # when there was a message

    async def run(self) -> None:
        """Accept the websocket, and serve it to its end."""
        await self._send({"type": "websocket.accept", "subprotocol": self._talk.subprotocol})
        end = await self._serve()
        if end is GONE:
            return
        with contextlib.suppress(OSError, RuntimeError):  # as servers say that it is closed
            async with asyncio.timeout(CLOSE_SECONDS):
                message = {"code": end.code, "reason": end.reason}
                await self._send({"type": "websocket.close", **message})

    def interrupt_soon(self, reason: type[Interrupted]) -> None:
        """End it with its worker. May be called in any thread."""
        self._end_soon(STOPPED)

    def _end_soon(self, end: End) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._end, end)

    def _end(self, end: End) -> bool:
        """End it, unless something else has ended it; tell whether this does."""
        if self._ended.done():
            return False
        self._ended.set_result(end)
        return True

    async def _serve(self) -> End:
        sockets = self._interrupts.sockets
        sockets.add(self)
        self._talk.on_cancel = lambda: self._end_soon(CANCELLED)
        hearing = asyncio.ensure_future(self._hear())
        hearing.add_done_callback(lambda _: self._end(GONE))
        job = self._talk.context.run(self._start)
        try:
            return await self._wait()
        finally:
            self._end(GONE)
            self._talk.on_cancel = None
            sockets.discard(self)
            hearing.cancel()
            job.cancel()

    @property
    def _interrupts(self) -> TaskInterrupts:
        return self._worker.interrupts  # type: ignore[return-value]  # as of every Asgi

    async def _wait(self) -> End:
        """Wait for the end, within the limits."""
        limits, clock = self._talk.answer.limits, self._worker.clock
        until = clock() + limits.timeout
        while not self._ended.done():
            now = clock()
            if now >= until:
                self._end(LATE)
            elif now >= self._moved + limits.between:
                self._end(IDLE)
            else:
                left = min(until, self._moved + limits.between) - now
                await asyncio.wait([self._ended], timeout=left)
        return self._ended.result()

    async def _hear(self) -> None:
        """Take what the client sends, for as long as it is there."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("text")
            data = message.get("bytes") if data is None else data
            if data is None:
                continue
            if _size(data) > self._talk.answer.max_size:
                self._end(TOO_LARGE)
                return
            self._moved = self._worker.clock()
            await self._inbox.put(data)

    def _start(self) -> Any:
        call = Call(self._talk.stream, None, self._call)
        return self._worker.executor_of(ASYNC).start(call, self._has_returned)

    async def _call(self) -> None:
        call = self._talk.answer.call
        assert call.function is not None  # noqa: S101  as a websocket has it
        socket = WebSocket(self._take, self._give, self._talk.subprotocol)
        try:
            await call.function(socket, *call.args, **call.kwargs)
        except asyncio.CancelledError:  # all tasks of the loop are cancelled: it ends
            self._end(FAILED)
            raise

    def _has_returned(self, outcome: Outcome) -> None:
        error = outcome.exception()
        if error is None:
            self._end(RETURNED)
        elif self._end(FAILED):
            where = render_path(self._talk.path), self._talk.stream
            trace = {"trace_id": self._talk.hold.trace}
            logger.error("GET %s: the websocket %s failed.", *where, exc_info=error, extra=trace)

    async def _take(self) -> str | bytes:
        self._check_open()
        return await self._inbox.get()

    async def _give(self, message: str | bytes) -> None:
        self._check_open()
        kind = "text" if isinstance(message, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: message})
        except OSError:  # before anything else has told that the client is gone
            self._end(GONE)
            raise
        self._moved = self._worker.clock()
        await asyncio.sleep(0)  # a server with room waits for nothing, and all others would

    def _check_open(self) -> None:
        if self._ended.done():
            raise ConnectionError(f"The websocket {self._talk.stream} is closed.")


def _size(message: str | bytes) -> int:
    return len(message.encode() if isinstance(message, str) else message)
