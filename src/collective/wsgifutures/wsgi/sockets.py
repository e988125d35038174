"""Websockets: which request may have one, and what is known of one that a view has accepted.

A websocket counts as held. ``talking`` serves it, in the loop of the server.
"""

from ..kernel.errors import NoWebSockets
from ..kernel.errors import OriginRefused
from ..kernel.errors import UpgradeRequired
from ..kernel.sockets.answers import SocketAnswer
from .scope import HANDSHAKE
from .streams import Asked
from .worker import Environ
from .worker import Worker
from collections.abc import Callable
from urllib.parse import urlsplit

import contextvars

_PORTS = {"http": 80, "https": 443}


def check_handshake(answer: SocketAnswer, environ: Environ, public: str) -> None:
    """Refuse a request that cannot have the websocket of *answer*.

    Args:
        answer: What the view is about to return.
        environ: The request's environ.
        public: Where visitors have the site; empty: where the request's headers say.

    Raises:
        UpgradeRequired, NoWebSockets, OriginRefused: It cannot.
    """
    name = answer.source.name
    if HANDSHAKE not in environ:
        asks = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        raise NoWebSockets(name) if asks else UpgradeRequired(name)
    public = public or f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    origin = environ.get("HTTP_ORIGIN")  # every browser sends it, and no page can change it
    allowed = [_read_origin(one) for one in (public, *answer.origins)]
    if origin is not None and (_read_origin(origin) or origin) not in allowed:
        raise OriginRefused(name, public)


def _read_origin(url: str) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port; None if *url* is no URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


class Talk:
    """One websocket that a view has accepted: the body of the response to its handshake.

    Args:
        worker: Counts it.
        asked: The request.
        answer: What the view has returned.
    """

    def __init__(self, worker: Worker, asked: Asked, answer: SocketAnswer) -> None:
        self.hold = asked.hold
        self.path = asked.path
        self.client = asked.client
        self.number = 0
        self.stream = answer.source.name  #: its name, where streams are shown
        self.answer = answer
        offered = asked.environ[HANDSHAKE]
        self.subprotocol = next((one for one in answer.subprotocols if one in offered), None)
        self.context = contextvars.copy_context()  #: of its function: the request's trace
        self.on_cancel: Callable[[], None] | None = None  #: ends it for an operator
        self.worker = worker
        self._is_open = True
        worker.held.add_stream(self)

    @property
    def waiter(self) -> "Talk":
        """What an operator can cancel."""
        return self

    def cancel(self) -> None:
        """Let it end soon. May be called in any thread."""
        end = self.on_cancel
        if end is not None:
            end()

    def close(self) -> None:
        """Count it no more: called by the server, whatever happened."""
        if self._is_open:
            self._is_open = False
            self.worker.held.remove_stream(self)
