"""The request body, kept so that every pass can read it and seek in it from its start.

It is read before the request takes a slot, so a slow upload keeps nobody waiting. Zope's
own conflict retry seeks in it too, which a server's bare input does not allow.
"""

from .limits import Room
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from typing import BinaryIO

import io
import itertools
import os
import tempfile
import time

_CHUNK = 64 * 1024


class BodyRefused(Exception):
    """The client sent less than it announced, a length that is no number, or too much."""

    def __init__(self, text: str, status: str = "400 Bad Request") -> None:
        super().__init__(text, status)
        self.text = text  #: what is wrong with it
        self.status = status  #: what to answer


class RequestBody:
    """The body of one request: in memory while small, beyond that in a temporary file.

    Args:
        environ: The server's. Its input is read to the end.
        in_memory: How many bytes are kept in memory.
        room: What it takes its bytes from, as they come.

    Raises:
        BodyRefused: The body is not what its headers say, or larger than the whole room.
        Refused: The room has no more bytes now.
    """

    def __init__(self, environ: dict[str, Any], in_memory: int, room: Room) -> None:
        self.size = 0  #: in bytes
        self._room = room
        self._data = b""
        self._path: str | None = None
        length = _length(environ)
        if length == 0:
            return
        self._limit(length or 0)
        room.check(length or 0)
        try:
            self._keep(self._counted(_chunks(environ["wsgi.input"], length)), in_memory)
            if length is not None and self.size < length:
                raise BodyRefused(f"its body ended after {self.size} of {length} bytes")
        except BaseException:
            self.close()
            raise

    def open(self) -> BinaryIO:
        """Return the body as a new file at its start."""
        if self._path is None:
            return io.BytesIO(self._data)
        return open(self._path, "rb")

    def close(self) -> None:
        """Drop the body. What was opened before stays readable."""
        self._data = b""
        self._room.give(self.size)
        self.size = 0
        if self._path is not None:
            os.unlink(self._path)
            self._path = None

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._limit(self.size + len(chunk))
            self._room.take(len(chunk))
            self.size += len(chunk)
            yield chunk

    def _limit(self, size: int) -> None:
        """Refuse a body that never fits."""
        if size > self._room.size:
            text = f"its body is larger than {self._room.size} bytes"
            raise BodyRefused(text, "413 Content Too Large")

    def _keep(self, chunks: Iterator[bytes], in_memory: int) -> None:
        small = []
        for chunk in chunks:
            small.append(chunk)
            if self.size > in_memory:
                self._keep_in_file(small, chunks)
                return
        self._data = b"".join(small)

    def _keep_in_file(self, small: list[bytes], chunks: Iterator[bytes]) -> None:
        with tempfile.NamedTemporaryFile(prefix="wsgifutures-", delete=False) as kept:
            self._path = kept.name
            kept.writelines(itertools.chain(small, chunks))


class Unread:
    """The body of a response to a request whose own body was not read to its end.

    What is left is read and dropped when the response is sent: the client may not look at
    it before. gunicorn would do so too, and let nobody else run meanwhile.

    Args:
        chunks: The response's body.
        environ: The server's.
    """

    def __init__(self, chunks: Iterable[bytes], environ: dict[str, Any]) -> None:
        self._chunks = chunks
        self._environ = environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Drop what is left."""
        with suppress(BodyRefused, OSError):
            for _ in _chunks(self._environ["wsgi.input"], _length(self._environ)):
                pass


def _length(environ: dict[str, Any]) -> int | None:
    """Return how many bytes to read; None means up to the end of the input."""
    terminated = environ.get("wsgi.input_terminated", False)
    announced = environ.get("CONTENT_LENGTH") or None
    if terminated and (announced is None or "HTTP_TRANSFER_ENCODING" in environ):
        # Only a chunked body may come without a length.
        return None if "HTTP_TRANSFER_ENCODING" in environ else 0
    length = str(announced or 0).strip()
    if not (length.isascii() and length.isdigit()):
        raise BodyRefused(f"its Content-Length is {announced!r}, not a number")
    return int(length)


def _chunks(stream: BinaryIO, length: int | None) -> Iterator[bytes]:
    left = length
    while left is None or left > 0:
        chunk = stream.read(_CHUNK if left is None else min(_CHUNK, left))
        if not chunk:
            return
        if left is not None:
            left -= len(chunk)
        yield chunk
        time.sleep(0)  # a client that sends fast lets others run too
