"""This package's own answers, if the application gives none: 403, 408, 413, 499, 500, 503, 504."""

from ..kernel.errors import FuturesError
from . import apologies
from .apologies import Apology
from .body import BodyRefused
from .body import Unread
from .limits import RETRY_AFTER
from .visit import Response
from .worker import Environ
from collections.abc import Iterable

BUSY = f"{apologies.BUSY.title}. {apologies.AGAIN}"
_LATE = f"{apologies.LATE.text} {apologies.AGAIN}"
_UNAVAILABLE = f"{apologies.UNAVAILABLE.text} {apologies.AGAIN}"
_BROKEN = f"{apologies.BROKEN.text} {apologies.AGAIN}"
_UNCOMMITTED = "The request is refused: what it changes was not saved, so nothing is streamed."
_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
_NO_STORE = (("Cache-Control", "no-store"),)


class Words:
    """This package's own answers to one request.

    Args:
        environ: The request's WSGI environ.
        patience: How long the rest of its body may take to be dropped, in seconds.
    """

    def __init__(self, environ: Environ, patience: float) -> None:
        self._environ = environ
        self._patience = patience

    def say(self, status: str, text: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Answer with *text*."""
        return self._send(status, text.encode() + b"\n", [*_TEXT, *headers])

    def _apologize(
        self, status: str, apology: Apology, text: str, headers: Iterable[tuple[str, str]]
    ) -> Response:
        """Answer a browser with a page that says *apology*, others with *text*."""
        environ = self._environ
        if not apologies.is_for_people(environ.get("HTTP_ACCEPT", "")):
            return self.say(status, text, headers)
        language = apologies.choose_language(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        may_repeat = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        page = apologies.render(apology, language, may_repeat=may_repeat)
        return self._send(status, page, [*apologies.HEADERS, *headers])

    def _send(self, status: str, body: bytes, headers: list[tuple[str, str]]) -> Response:
        headers.append(("Content-Length", str(len(body))))
        chunks = [] if self._environ["REQUEST_METHOD"] == "HEAD" else [body]
        return Response(status, headers, Unread(chunks, self._environ, self._patience))

    def busy(self) -> Response:
        """Answer a request that this worker cannot serve now."""
        headers = [("Retry-After", str(RETRY_AFTER)), *_NO_STORE]
        return self._apologize("503 Service Unavailable", apologies.BUSY, BUSY, headers)

    def late(self) -> Response:
        """Answer a request whose last pass did not end in time."""
        return self._apologize("504 Gateway Timeout", apologies.LATE, _LATE, _NO_STORE)

    def refused(self, refused: BodyRefused) -> Response:
        """Answer a request whose body is refused."""
        return self.say(refused.status, f"The request is refused: {refused.text}.")

    def failed(self, error: FuturesError) -> Response:
        """Answer a request whose view did not catch *error*: a service is late or unavailable."""
        if isinstance(error, TimeoutError):
            return self.late()
        headers = [*getattr(error, "headers", {}).items(), *_NO_STORE]
        what = apologies.UNAVAILABLE, _UNAVAILABLE
        return self._apologize("503 Service Unavailable", *what, headers)

    def broken(self) -> Response:
        """Answer a request whose stream has failed before its first item."""
        what = apologies.BROKEN, _BROKEN
        return self._apologize("500 Internal Server Error", *what, _NO_STORE)

    def uncommitted(self) -> Response:
        """Answer a request whose stream is not begun, since its work was thrown away."""
        return self.say("403 Forbidden", _UNCOMMITTED, _NO_STORE)

    def gone(self) -> Response:
        """Answer a client that has left: only the server's log gets it, with nginx's status."""
        return self.say("499 Client Closed Request", "")
