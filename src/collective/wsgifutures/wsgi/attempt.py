"""One pass of a visit: publishes it by the WSGI application, in a slot."""

from ..kernel.hold import Hold
from ..kernel.passes import Pass
from ..kernel.passes import publish
from ..traces import spans
from .answers import Environ
from .answers import Response
from .body import RequestBody
from .joints import joints
from .worker import Worker
from typing import Any

import contextvars

#: In the environ of each pass: it has a hold, and a second middleware passes through.
MARK = "collective.wsgifutures.held"

#: In the environ of each pass: the settings of its process, for who shows them.
SETTINGS = "collective.wsgifutures.settings"


class Attempt:
    """One pass. Called in a slot, gives the response or None: held.

    Made in its request's own thread, whose context its slot sees.

    Args:
        worker: Whose slot it is.
        environ: The request's.
        body: The request's.
        hold: The request's.
    """

    def __init__(self, worker: Worker, environ: Environ, body: RequestBody, hold: Hold) -> None:
        self.path: str = environ.get("PATH_INFO", "")
        self.trace = hold.trace
        self.is_logged = False  #: as one that takes too long
        self._worker = worker
        self._environ = environ
        self._body = body
        self._hold = hold
        self._context = contextvars.copy_context()
        self._pass: Pass | None = None
        self._input: Any = None
        self._response = Response()

    def __call__(self) -> Response | None:
        """Publish."""
        self._input = self._body.open()  # not before: who waits for a slot opens no file
        last = False
        try:
            last = self._worker.monitor.run(self, self._publish)
        finally:
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

    def _publish(self) -> bool:
        clock = self._worker.clock
        self._pass = Pass(self._hold, clock())
        return publish(self._pass, self._receive, clock, self._context)

    def _receive(self) -> bool:
        with spans.of_pass(self._hold.passes, self.view_name):
            self._response.receive(self._worker.application, self._own_environ())
        return self._response.successful

    def _own_environ(self) -> Environ:
        """Return an environ that this pass may write into."""
        environ = dict(self._environ)
        environ[MARK] = True
        environ[SETTINGS] = self._worker.settings
        environ["wsgi.input"] = self._input
        if "HTTP_TRANSFER_ENCODING" in environ:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(self._body.size)
        return environ
