"""One pass of a request through the WSGI application, and what it answered."""

from ..kernel.hold import Hold
from ..kernel.passes import publish_once
from ..traces import spans
from .body import RequestBody
from .joints import joints
from .monitor import Monitor
from .settings import Settings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import contextvars
import itertools
import time

#: In the environ of each pass: it has a hold, and a second middleware passes through.
MARK = "collective.wsgifutures.held"

#: In the environ of each pass: the settings of its process, for who shows them.
SETTINGS = "collective.wsgifutures.settings"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class Publication:
    """One pass of one request. Called in a slot, gives the response or None: held."""

    def __init__(
        self,
        application: Application,
        environ: Environ,
        body: RequestBody,
        hold: Hold,
        monitor: Monitor,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._environ = environ
        self._body = body
        self._hold = hold
        self._monitor = monitor
        self._settings = settings
        self._clock = clock
        self._context = contextvars.copy_context()  # the request's, seen from the slot
        self._input: Any = None
        self._response = Response()

    def __call__(self) -> "Response | None":
        """Publish."""
        self._input = self._body.open()  # not before: who waits for a slot opens no file
        last = False
        try:
            path = self._environ.get("PATH_INFO", "")
            last = self._monitor.run(self.view, path, self._publish_once, self._hold.trace)
        finally:
            for joint in joints:
                joint.clean_up()
            if not last or self._response.is_whole:
                self._input.close()  # else its file stays for as long as somebody knows of it
            if not last:
                self._context.run(self._response.close)
        return self._response if last else None

    def view(self) -> str:
        """Return the name of what is being published, the path where there is none."""
        this = self._hold.publishing
        name = this.view() if this is not None and this.view is not None else ""
        return name or str(self._environ.get("PATH_INFO", ""))

    def _publish_once(self) -> bool:
        return publish_once(self._hold, self._publish, self._clock, self._context)

    def _publish(self) -> bool:
        with spans.of_pass(self._hold.passes, self.view):
            self._response.receive(self._application, self._pass_environ())
        return self._response.successful

    def _pass_environ(self) -> Environ:
        """Return an environ that this pass may write into."""
        environ = dict(self._environ)
        environ[MARK] = True
        environ[SETTINGS] = self._settings
        environ["wsgi.input"] = self._input
        if "HTTP_TRANSFER_ENCODING" in environ:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(self._body.size)
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
