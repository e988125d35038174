"""ASGI: reads a request, drives its visit in a task, and sends the response.

The same as ``middleware``, for a server that is a loop of asyncio. The application is a WSGI
application as ever: its passes run in slots, each a thread. The task of a request waits and keeps
plain data.
"""

from ..kernel.runtime import ClientGone
from ..kernel.runtime.asynced import RequestTask
from ..kernel.runtime.asynced import TaskInterrupts
from .body import announced_length
from .body import BodyRefused
from .body import MOST_DROPPED
from .body import ReceivedBody
from .body import Unread
from .front import EXPECTED
from .front import Front
from .front import has_body
from .readers import Readers
from .scope import make_environ
from .sockets import Talk
from .streams import Sending
from .talking import Talking
from .visit import Response
from .visit import Visit
from .worker import Environ
from .worker import Worker
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from typing import Protocol
from typing import Self
from wsgiref.util import is_hop_by_hop

import asyncio
import contextlib
import time

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: A body may take the time limit for each so many bytes, as in WSGI.
_CHUNK = 64 * 1024


class Life(Protocol):
    """What is to be done when a server begins and ends to serve."""

    async def begins(self) -> None:
        """Take note that the server is about to serve."""

    async def ends(self) -> None:
        """Take note that the server has answered all requests."""


class Asgi(Front):
    """ASGI application that holds responses of a WSGI application.

    Args:
        worker: The worker whose requests it answers. Its process waits with asyncio.
        life: What begins and ends with the server, if the server has no other way for that.
    """

    interrupts: TaskInterrupts

    def __init__(self, worker: Worker, life: Life | None = None) -> None:
        super().__init__(worker)
        self._life = life
        self.interrupts = worker.interrupts  # type: ignore[assignment]
        # A file is read in a thread, and so is a body that the application makes meanwhile.
        self._readers = Readers(worker.settings.max_threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI defines it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        kind = _SocketClient if scope["type"] == "websocket" else _Client
        with kind(scope, receive, send, self._readers) as client:
            await self._answer(client)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Take part in the start and the end of a server."""
        while True:
            kind = (await receive())["type"]
            begins = kind == "lifespan.startup"
            if self._life is not None:
                await (self._life.begins() if begins else self._life.ends())
            await send({"type": f"{kind}.complete"})
            if not begins:
                return

    async def _answer(self, client: "_Client") -> None:
        response = self.say_alive(client.environ)
        if response is None:
            with Visit(self.worker, client.environ) as visit:
                response = await self._respond(visit, client)
                visit.status = int(response.status[:3])
        await client.send(response, self.worker.settings.body_timeout)

    async def _respond(self, visit: Visit, client: "_Client") -> Response:
        try:
            return await self._drive(visit, client)
        except EXPECTED as error:
            return self.answer(visit, error)

    async def _drive(self, visit: Visit, client: "_Client") -> Response:
        request, body = RequestTask(self.interrupts), None
        self.check(visit)
        try:
            if client.has_body:
                body = await self._read_body(request, client)
            client.watch(request)
            return await request.drive(visit.answer(body))
        finally:
            if body is not None:
                body.close()

    async def _read_body(self, request: RequestTask, client: "_Client") -> ReceivedBody:
        settings = self.worker.settings
        length = client.announced_length()
        body = ReceivedBody(length, settings.body_in_memory, self.worker.bodies)
        try:
            await client.read(request, body, settings.body_timeout)
        except BaseException:
            body.close()
            raise
        client.environ["CONTENT_LENGTH"] = str(body.size)
        return body


class _Client:
    """Who asks, and gets the response: a context that lasts until the request is over."""

    _sent_as = "http.response"  # the messages that send a response

    def __init__(self, scope: Scope, receive: Receive, send: Send, readers: Readers) -> None:
        self.environ: Environ = make_environ(scope)
        #: Whether there may be a body. HTTP/2 announces none.
        self.has_body = has_body(self.environ) or scope["http_version"] not in ("1.0", "1.1")
        self._receive = receive
        self._send = send
        self._readers = readers
        self._unread = self.has_body
        self._gone = False
        self._request: RequestTask | None = None
        self._watching: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def announced_length(self) -> int | None:
        """Return how long the body will be; None if that is not known.

        Raises:
            BodyRefused: The length is not a number.
        """
        if "CONTENT_LENGTH" not in self.environ:
            return None
        return announced_length(self.environ)

    async def read(self, request: RequestTask, body: ReceivedBody, patience: float) -> None:
        """Read the request's *body* to its end.

        Raises:
            BodyRefused: It is not what its headers say, or comes too slowly.
            Refused: There is no room for it.
        """
        until, at = time.monotonic() + patience, 0
        while self._unread:
            try:
                message = await request.receive(self._receive, until - time.monotonic())
            except TimeoutError:
                wanted = _CHUNK if body.length is None else min(_CHUNK, body.length - at)
                text = f"less than {wanted} bytes of its body came in {patience:g} s"
                raise BodyRefused(text, "408 Request Timeout") from None
            if message["type"] == "http.disconnect":
                self._gone = True
                break
            self._unread = message.get("more_body", False)
            body.add(message.get("body", b""))
            if body.size - at >= _CHUNK:
                until, at = time.monotonic() + patience, body.size
        body.end()
        if self._unread:
            raise BodyRefused("its body was not sent to its end")

    def watch(self, request: RequestTask) -> None:
        """End *request*, all of which was read, as soon as the client goes away."""
        self._request = request
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while not (await self._receive())["type"].endswith(".disconnect"):
            pass
        self._gone = True
        if self._request is not None:
            self._request.interrupt(ClientGone)

    async def send(self, response: Response, patience: float) -> None:
        """Send *response*, and drop what was not read of the request's body."""
        try:
            status = int(response.status[:3])
            headers = [_encode(*one) for one in response.headers if not is_hop_by_hop(one[0])]
            if status == HTTPStatus.UPGRADE_REQUIRED:  # WSGI keeps it from the application
                headers.append((b"upgrade", b"websocket"))
            start = {"status": status, "headers": headers}
            await self._send({"type": f"{self._sent_as}.start", **start})
            await self._send_body(response.body)
        finally:
            response.close()
        if self._unread and not self._gone and "HTTP_EXPECT" not in self.environ:
            await self._drop(patience)

    async def _send_body(self, body: Iterable[bytes]) -> None:
        chunks = body.chunks if isinstance(body, Unread) else body
        if isinstance(chunks, Sending):
            await self._send_stream(chunks)
        elif not isinstance(chunks, list | tuple):
            await self._send_slowly(iter(chunks))
        else:
            await self._send({"type": f"{self._sent_as}.body", "body": b"".join(chunks)})

    async def _send_stream(self, sending: Sending) -> None:
        """Send a stream; if it breaks off, its response has no end, and the server closes."""
        assert self._request is not None  # noqa: S101  there was a pass
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while not sending.over:
                chunk = await self._request.drive(sending.next_chunk())
                message = {"body": chunk, "more_body": not sending.over}
                async with asyncio.timeout(sending.seconds_left):  # for a client that reads slowly
                    await self._send({"type": f"{self._sent_as}.body", **message})

    async def _send_slowly(self, chunks: Iterator[bytes]) -> None:
        """Send a body that is read, or made, meanwhile."""
        while not self._gone:
            chunk = await self._readers.call(lambda: next(chunks, None))
            message = {"body": chunk or b"", "more_body": chunk is not None}
            await self._send({"type": f"{self._sent_as}.body", **message})
            if chunk is None:
                return

    async def _drop(self, patience: float) -> None:
        """Drop the rest of a body that was not read: the client may not read before."""
        left = MOST_DROPPED
        try:
            async with asyncio.timeout(patience):
                while self._unread and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._unread = message.get("more_body", False)
        except TimeoutError:
            return


class _SocketClient(_Client):
    """Who asks for a websocket."""

    _sent_as = "websocket.http.response"

    def __init__(self, scope: Scope, receive: Receive, send: Send, readers: Readers) -> None:
        super().__init__(scope, receive, send, readers)
        self.has_body = self._unread = False
        self._may_respond = "websocket.http.response" in scope.get("extensions", {})

    async def send(self, response: Response, patience: float) -> None:
        """Serve the websocket if *response* accepts it, else refuse it with *response*."""
        if isinstance(response.body, Talk):
            await self._talk(response.body)
        elif self._may_respond:
            await super().send(response, patience)
        else:
            response.close()
            await self._refuse(*response.status.split(" ", 1))

    async def _talk(self, talk: Talk) -> None:
        assert self._watching is not None  # noqa: S101  there was a pass
        self._watching.cancel()
        try:
            if not self._gone:
                await Talking(talk, self._receive, self._send).run()
        finally:
            talk.close()

    async def _refuse(self, status: str, reason: str) -> None:
        """Refuse it with a status at least, where the server has ASGI without its extensions.

        All that ASGI has is 403. gunicorn can say any status, but nothing else.
        """
        deny = getattr(getattr(self._send, "__self__", None), "_deny", None)
        if deny is not None:
            deny(int(status), reason)
        else:
            await self._send({"type": "websocket.close"})


def _encode(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")
