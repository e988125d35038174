"""Refuses a request before the server has parsed it, if the worker can take no more.

Accepting, parsing and answering a request costs gunicorn about as much as a small view costs
Zope. A worker that gets three times the requests that it can serve would spend all its time on
refusals. A request that is understood from its first bytes is refused here; any other request
goes the usual way, and is refused there.
"""

from . import apologies
from .answers import BUSY
from .limits import RETRY_AFTER
from .worker import Worker
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import re
import socket
import ssl

#: How many bytes of a request are looked at; a longer request goes the usual way.
_PEEK = 8192

#: Headers of a request that has a body, or expects more than an answer.
_MORE = re.compile(rb"\n(content-length|transfer-encoding|expect|upgrade)[ \t]*:", re.IGNORECASE)

#: Headers that say which answer its client can read.
_WANTS = re.compile(rb"\n(accept(?:-language)?)[ \t]*:([^\r\n]*)", re.IGNORECASE)


def _answer(body: bytes, headers: Iterable[tuple[str, str]]) -> tuple[bytes, bytes]:
    """Return the head and the body of a refusal."""
    lines = [
        "HTTP/1.1 503 Service Unavailable",
        *map(": ".join, headers),
        f"Content-Length: {len(body)}",
        f"Retry-After: {RETRY_AFTER}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    return "\r\n".join((*lines, "", "")).encode(), body


_TEXT = _answer(BUSY.encode() + b"\n", [("Content-Type", "text/plain; charset=utf-8")])
_PAGES = {
    language: _answer(apologies.render(apologies.BUSY, language), apologies.HEADERS)
    for language in apologies.LANGUAGES
}


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
        limit = self._refuse(client)
        if limit is None:
            self._handle(listener, client, address)
        else:
            self._worker.refuse(limit)

    def _refuse(self, client: Any) -> str | None:
        """Answer a request that is refused; return the limit, None if it is to be handled."""
        limit = self._worker.refuses()
        if limit is None or isinstance(client, ssl.SSLSocket):
            return None
        client.settimeout(self._worker.settings.body_timeout)
        try:
            head = client.recv(_PEEK, socket.MSG_PEEK)
            if not self._is_whole(head) or self._worker.refuses(_path_of(head)) is None:
                return None
            client.recv(len(head))
            answer, body = _choose_answer(head)
            client.sendall(answer if head.startswith(b"HEAD ") else answer + body)
            client.close()
        except OSError:  # the client has gone, or sends nothing
            client.close()
        return limit

    def _is_whole(self, head: bytes) -> bool:
        """Tell whether *head* is a whole request without a body, not for the liveness path."""
        if not head.startswith((b"GET ", b"HEAD ")) or head.find(b"\r\n\r\n") != len(head) - 4:
            return False
        if self._alive is not None and self._alive in head[: head.index(b"\r\n")]:
            return False
        return _MORE.search(head) is None


def _path_of(request: bytes) -> str:
    """Return the path of a request as ``PATH_INFO`` has it."""
    target = request.split(b" ", 2)[1].partition(b"?")[0]
    return unquote_to_bytes(target).decode("latin-1")


def _choose_answer(request: bytes) -> tuple[bytes, bytes]:
    """Return a page in its visitor's language to a browser, text to other clients."""
    wants = {name.lower(): value.decode("latin-1") for name, value in _WANTS.findall(request)}
    if not apologies.is_for_people(wants.get(b"accept", "")):
        return _TEXT
    return _PAGES[apologies.choose_language(wants.get(b"accept-language", ""))]
