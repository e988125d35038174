"""What is sent: what the application answered in a pass, and our own words where it cannot."""

from ..kernel.errors import FuturesError
from .body import BodyRefused
from .body import Unread
from .limits import RETRY_AFTER
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import itertools

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

BUSY = "The site is busy. Please try again in a moment."
_LATE = "A service that this page depends on did not answer in time. Please try again in a moment."
_UNAVAILABLE = "A service that this page depends on is unavailable. Please try again in a moment."


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
    def successful(self) -> bool:
        """Tell whether its status is 2xx."""
        return self.status.startswith("2")

    @property
    def is_whole(self) -> bool:
        """Tell whether all of its body is there: nothing is read any more to make it."""
        return isinstance(self._body, list | tuple)

    def receive(self, application: Application, environ: Environ) -> None:
        """Call *application* and keep what it answers, its body as the very object."""
        self._body = application(environ, self._start)
        if not self.status:  # it starts with its first chunk
            chunks = iter(self._body)
            first = next(chunks, b"")
            self._body = _Joined([first], chunks, self._body)
        if not self.status:
            raise RuntimeError("The application did not call start_response.")
        if self._written:
            self._body = _Joined(self._written, iter(self._body), self._body)

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


class Words:
    """Our own answers to one request.

    Args:
        environ: The request's.
        patience: How long it may take to drop what is left of its body, in seconds.
    """

    def __init__(self, environ: Environ, patience: float) -> None:
        self._environ = environ
        self._patience = patience

    def say(self, status: str, text: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Answer with *text*."""
        body = text.encode() + b"\n"
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ]
        chunks = [] if self._environ["REQUEST_METHOD"] == "HEAD" else [body]
        return Response(status, headers, Unread(chunks, self._environ, self._patience))

    def busy(self) -> Response:
        """Answer a request that this worker cannot serve now."""
        headers = [("Retry-After", str(RETRY_AFTER)), ("Cache-Control", "no-store")]
        return self.say("503 Service Unavailable", BUSY, headers)

    def late(self) -> Response:
        """Answer a request whose last pass did not end in time."""
        return self.say("504 Gateway Timeout", _LATE)

    def refused(self, refused: BodyRefused) -> Response:
        """Answer a request whose body is not taken."""
        return self.say(refused.status, f"The request is refused: {refused.text}.")

    def failed(self, error: FuturesError) -> Response:
        """Answer a request that an error ends which no view caught: a service is late, or away."""
        if isinstance(error, TimeoutError):
            return self.late()
        headers = getattr(error, "headers", {}).items()
        return self.say("503 Service Unavailable", _UNAVAILABLE, headers)

    def gone(self) -> Response:
        """Answer nobody: for the server's log, with nginx's status."""
        return self.say("499 Client Closed Request", "")
