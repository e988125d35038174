"""The middleware: publishes a request, holds its response, publishes it again.

It sits outside of Zope's own pipeline, so that what stands there (exception handling,
logging) sees each pass as a request of its own. What a pass gives is only sent where it
was the last one. The greenlet (or thread) of the request keeps plain data and waits;
the passes run in slots.
"""

from ..kernel import executors
from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..kernel.gate import Gate
from ..kernel.gate import NoAnswer
from ..kernel.hold import Hold
from ..kernel.passes import publish_once
from ..kernel.waiting import Waiter
from .body import BodyRefused
from .body import RequestBody
from .settings import Settings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import contextvars
import itertools
import logging
import sys
import time

logger = logging.getLogger(__name__)

#: In the environ of each pass: it has a hold, and a second middleware passes through.
MARK = "collective.wsgifutures.held"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class Joint:
    """What a publisher has to do with passes. The one for Zope is in ``publisher``."""

    def max_slots(self) -> int | None:
        """Return how many passes it can publish at a time, None for any number."""
        return None

    def clean_up(self) -> None:
        """Drop what the publisher keeps per thread about the request of a pass."""


#: The joints of this process. A publisher's package adds its own when it is configured.
joints: list[Joint] = []


class NotConfigured(RuntimeError):
    """Zope is there, and its joint is not."""


class Republish:
    """WSGI middleware that holds responses.

    Args:
        application: What publishes, loaded completely.
        settings: Where it is not given, those of the environment.

    Raises:
        NotConfigured: It is Zope, and the ZCML of this package was not loaded.
    """

    def __init__(self, application: Application, settings: Settings | None = None) -> None:
        if "ZPublisher.WSGIPublisher" in sys.modules and not joints:
            raise NotConfigured(
                "Zope runs without the ZCML of collective.wsgifutures, so a held request "
                "would be committed in each of its passes. Add the package to the "
                'instance\'s zcml, or write <include package="collective.wsgifutures" />.'
            )
        self.application = application
        self.settings = settings or Settings.read()
        self._gate = Gate(self._slots())
        self._executor = executors.default()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        if MARK in environ:
            return self.application(environ, start_response)
        try:
            body = RequestBody(environ, self.settings.body_in_memory)
        except BodyRefused as refused:
            text = f"The request is broken: {refused}."
            return _plain(environ, start_response, "400 Bad Request", text)
        hold = Hold(
            time.monotonic(),
            deadline=self.settings.deadline,
            max_passes=self.settings.max_passes,
        )
        waiter = Waiter(hold, self._executor)
        try:
            response = self._last_response(environ, body, hold, waiter)
        except NoAnswer:
            return _plain(environ, start_response, "504 Gateway Timeout", _TOO_LATE)
        except (FutureTimeout, HoldExpired) as error:
            logger.warning("%s %s: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"), error)
            return _plain(environ, start_response, "504 Gateway Timeout", _TOO_LATE)
        finally:
            waiter.close()
            body.close()
        if self.settings.debug:
            response.headers.append(("X-Hold-Passes", str(hold.passes)))
        return response.send(start_response)

    def _last_response(
        self, environ: Environ, body: RequestBody, hold: Hold, waiter: Waiter
    ) -> "Response":
        while True:
            response = self._publish(environ, body, hold)
            if response is not None:
                return response
            waiter.wait()

    def _publish(self, environ: Environ, body: RequestBody, hold: Hold) -> "Response | None":
        """Publish once, in a slot. Nothing of the pass is kept but its response."""
        again = hold.passes > 0
        until = hold.ends_at + self.settings.grace if again else None
        one = Publication(self.application, environ, body, hold)
        response: Response | None = self._gate.run(one, resumed=again, until=until)
        return response

    def _slots(self) -> int:
        wanted = self.settings.slots
        limits = [limit for joint in joints if (limit := joint.max_slots()) is not None]
        slots = min([wanted, *limits])
        if slots < wanted:
            logger.warning("%d slots, not %d: the ZODB pool has no more.", slots, wanted)
        return slots


class Publication:
    """One pass of one request. Called in a slot, gives the response or None: held."""

    def __init__(
        self, application: Application, environ: Environ, body: RequestBody, hold: Hold
    ) -> None:
        self._application = application
        self._environ = environ
        self._body = body
        self._hold = hold
        self._context = contextvars.copy_context()  # the request's, seen from the slot
        self._input = body.open()
        self._response = Response()

    def __call__(self) -> "Response | None":
        """Publish."""
        last = False
        try:
            last = publish_once(self._hold, self._publish, context=self._context)
        finally:
            for joint in joints:
                joint.clean_up()
            if not last:
                self._input.close()
                self._context.run(self._response.close)
        return self._response if last else None

    def _publish(self) -> bool:
        self._response.receive(self._application, self._pass_environ())
        return self._response.successful

    def _pass_environ(self) -> Environ:
        """Return an environ that this pass may write into."""
        environ = dict(self._environ)
        environ[MARK] = True
        environ["wsgi.input"] = self._input
        if "HTTP_TRANSFER_ENCODING" in environ:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(self._body.size)
        return environ


class Response:
    """What an application answered."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._body: Iterable[bytes] = ()

    @property
    def successful(self) -> bool:
        """Tell whether its status is 2xx."""
        return self.status.startswith("2")

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
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

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
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


_TOO_LATE = "A service that this page needs did not answer in time. Please try again in a moment."


def _plain(
    environ: Environ, start_response: StartResponse, status: str, text: str
) -> Iterable[bytes]:
    body = text.encode() + b"\n"
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def filter_app(application: Application, global_conf: dict[str, str], **options: str) -> Republish:
    """Return *application* behind PasteDeploy's ``egg:collective.wsgifutures#hold``.

    Args:
        application: The rest of the pipeline.
        global_conf: Of the configuration file; not read.
        options: Settings by their names.
    """
    return Republish(application, Settings.read(options))
