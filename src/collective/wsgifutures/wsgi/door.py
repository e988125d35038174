"""Refuses a request before the server has parsed it, if the worker can take no more.

Accepting, parsing and answering a request costs gunicorn about as much as a small view costs
Zope. A worker that gets three times the requests that it can serve would spend all its time on
refusals. A request that is understood from its first bytes is refused here; any other request
goes the usual way, and is refused there.
"""

from .answers import BUSY
from .limits import RETRY_AFTER
from .worker import Worker
from collections.abc import Callable
from typing import Any

import re
import socket
import ssl

#: How many bytes of a request are looked at; a longer request goes the usual way.
_PEEK = 8192

#: Headers of a request that has a body, or expects more than an answer.
_MORE = re.compile(rb"\n(content-length|transfer-encoding|expect|upgrade)[ \t]*:", re.IGNORECASE)

_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    f"Content-Length: {len(BUSY) + 1}\r\n"
    f"Retry-After: {RETRY_AFTER}\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n\r\n"
)


class Door:
    """Stands before *handle*, the method of gunicorn's worker that handles a connection.

    *worker*, ours, knows whether more can be taken.
    """

    def __init__(self, handle: Callable[[Any, Any, Any], None], worker: Worker) -> None:
        self._handle = handle
        self._worker = worker
        path = worker.settings.liveness_path
        self._alive = f" {path} ".encode() if path else None

    def __call__(self, listener: Any, client: Any, address: Any) -> None:
        """Handle a new connection, or refuse its request and close it."""
        limit = self._worker.refuses()
        if limit is None or isinstance(client, ssl.SSLSocket) or not self._refuse(client):
            self._handle(listener, client, address)
        else:
            self._worker.refuse(limit)

    def _refuse(self, client: Any) -> bool:
        """Answer a request without a body; False where it is none."""
        client.settimeout(self._worker.settings.body_timeout)
        try:
            head = client.recv(_PEEK, socket.MSG_PEEK)
            if not self._is_whole(head):
                return False
            client.recv(len(head))
            body = b"" if head.startswith(b"HEAD ") else BUSY.encode() + b"\n"
            client.sendall(_HEAD.encode() + body)
            client.close()
        except OSError:  # the client has gone, or sends nothing
            client.close()
        return True

    def _is_whole(self, head: bytes) -> bool:
        """Tell whether *head* is a whole request without a body, not for the liveness path."""
        if not head.startswith((b"GET ", b"HEAD ")) or head.find(b"\r\n\r\n") != len(head) - 4:
            return False
        if self._alive is not None and self._alive in head[: head.index(b"\r\n")]:
            return False
        return _MORE.search(head) is None
