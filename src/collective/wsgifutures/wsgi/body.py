"""The request body, kept so that every pass can read it from its start, and seek in it.

The body is read before the request takes a slot, so a slow upload keeps nobody waiting. Zope's
own conflict retry seeks in the body too, which a server's bare input does not allow.
"""

from ..kernel.runtime import current
from .limits import Room
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from typing import BinaryIO
from typing import Protocol

import errno
import io
import os
import tempfile
import time

#: How many bytes are read at a time.
_CHUNK = 64 * 1024

#: How many bytes of a refused body are dropped before its connection is closed.
MOST_DROPPED = 64 * 1024**2

#: The environ's mark of a body whose reading failed: nobody knows how far the server has read,
#: nor where the next request begins.
_LOST = "collective.wsgifutures.lost"


class BodyRefused(Exception):
    """The client sent a body that is short, too large or too slow, or has no valid length."""

    def __init__(self, text: str, status: str = "400 Bad Request") -> None:
        super().__init__(text, status)
        self.text = text  #: what is wrong with the body
        self.status = status  #: the status of the answer


class Body(Protocol):
    """The body of a request. Every pass reads it from its start."""

    size: int  #: in bytes

    def open(self) -> BinaryIO:
        """Return the body as a new file at its start."""


class BytesBody:
    """A body whose bytes are *data*, which no client sends: that of a job."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)  #: in bytes
        self._data = data

    def open(self) -> BinaryIO:
        """Return the body as a new file at its start."""
        return io.BytesIO(self._data)


class ReceivedBody:
    """The body of one request: a small body in memory, a larger one in a temporary file.

    Whoever reads it from the server adds what comes, and tells when it has ended.

    Args:
        length: How many bytes are announced; None if the length is not known before the end.
        in_memory: How many bytes are kept in memory.
        room: Counts the bytes of all bodies, as they come.

    Raises:
        BodyRefused: It is announced to be larger than the whole room.
        Refused: The room has no more bytes now.
    """

    def __init__(self, length: int | None, in_memory: int, room: Room) -> None:
        self.size = 0  #: in bytes
        self.length = length  #: what is announced
        self._in_memory = in_memory
        self._room = room
        self._small: list[bytes] = []
        self._data = b""
        self._file: io.FileIO | None = None
        if length != 0:
            self._check(length or 0)
            room.check(length or 0)

    def add(self, chunk: bytes) -> None:
        """Keep the next *chunk*.

        Raises:
            BodyRefused: The body is larger than the whole room.
            Refused: The room has no more bytes now.
        """
        self._check(self.size + len(chunk))
        self._room.take(len(chunk))
        self.size += len(chunk)
        if self._file is None and self.size <= self._in_memory:
            self._small.append(chunk)
        else:
            self._write(chunk)

    def end(self) -> None:
        """Let passes read the body: the client sends nothing more.

        Raises:
            BodyRefused: The body is shorter than it was announced.
        """
        if self.length is not None and self.size < self.length:
            raise BodyRefused(f"its body ended after {self.size} of {self.length} bytes")
        self._data = b"".join(self._small)
        self._small.clear()

    def open(self) -> BinaryIO:
        """Return the body as a new file at its start."""
        if self._file is None:
            return io.BytesIO(self._data)
        return io.BufferedReader(_Reader(os.dup(self._file.fileno()), self.size))

    def close(self) -> None:
        """Drop the body. Files that were opened before stay readable."""
        self._data = b""
        self._small.clear()
        self._room.give(self.size)
        self.size = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _check(self, size: int) -> None:
        """Refuse a body that is larger than the whole room."""
        if size > self._room.size:
            text = f"its body is larger than {self._room.size} bytes"
            raise BodyRefused(text, "413 Content Too Large")

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            # The file has no name, so it is gone if the process is killed.
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  until close
        for part in (*self._small, chunk):
            left = memoryview(part)
            while left:
                left = left[self._file.write(left) :]
        self._small.clear()


class RequestBody(ReceivedBody):
    """The body of one request, read from WSGI's input to its end.

    Args:
        environ: The server's environ.
        in_memory: How many bytes are kept in memory.
        room: Counts the bytes of all bodies, as they come.
        patience: How long each 64 KiB may take to come, in seconds; under gevent only.

    Raises:
        BodyRefused: The body is not what its headers say, larger than the whole room, or
            comes too slowly.
        Refused: The room has no more bytes now.
    """

    def __init__(
        self, environ: dict[str, Any], in_memory: int, room: Room, patience: float
    ) -> None:
        super().__init__(announced_length(environ), in_memory, room)
        if self.length == 0:
            return
        try:
            for chunk in _chunks(environ, self.length, patience):
                self.add(chunk)
            self.end()
            environ["wsgi.input"] = io.BytesIO()  # the input is at its end; not every server knows
        except BaseException:
            self.close()
            raise


class _Reader(io.RawIOBase):
    """Reads an open file from its start; other readers have positions of their own.

    Closing the reader closes its *descriptor*. The file has *size* bytes.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._descriptor, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek before the start of the body, to {start + offset}")
        self._position = start + offset
        return self._position

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class Unread:
    """The body of a response to a request whose own body was not read to its end.

    The rest of the body is read and dropped after the response is sent: the client may not
    read the response before. gunicorn would do so too, without a limit and letting nobody else
    run. If the rest is too large or too slow, or reading broke off, nobody knows where the next
    request begins, and the connection has to be closed.

    Args:
        chunks: The response's body.
        environ: The server's environ.
        patience: How long dropping the rest of the request's body may take, in seconds.
    """

    def __init__(self, chunks: Iterable[bytes], environ: dict[str, Any], patience: float) -> None:
        self.chunks = chunks  #: of the response
        self._environ = environ
        self._patience = patience

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        """Drop the rest of the request's body.

        Raises:
            ConnectionResetError: Some of it could not be dropped. gunicorn then closes the
                connection in silence. After a shutdown it would still read what has come.
        """
        if not self._drop() and self._may_be_lost():
            raise ConnectionResetError(errno.ECONNRESET, "the rest of the request was not read")

    def _may_be_lost(self) -> bool:
        """Tell whether the next request could be read from within this one's body."""
        http_1 = not self._environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
        return http_1 and "gunicorn.socket" in self._environ

    def _drop(self) -> bool:
        """Read to the end; return False if the rest is too large, too slow or unreadable."""
        if _LOST in self._environ:
            return False
        left = MOST_DROPPED
        try:
            with _time_limit(self._patience, "the rest of its body did not come"):
                for chunk in _chunks(
                    self._environ, announced_length(self._environ), self._patience
                ):
                    left -= len(chunk)
                    if left < 0:
                        return False
        except Exception:  # the client is too slow or gone, or sends no valid body
            return False
        return True


def announced_length(environ: dict[str, Any]) -> int | None:
    """Return how many bytes to read; None means up to the end of the input.

    Raises:
        BodyRefused: The length is not a number.
    """
    terminated = environ.get("wsgi.input_terminated", False)
    announced = environ.get("CONTENT_LENGTH") or None
    if terminated and (announced is None or "HTTP_TRANSFER_ENCODING" in environ):
        # A body without a length is chunked, or empty.
        return None if "HTTP_TRANSFER_ENCODING" in environ else 0
    length = str(announced or 0).strip()
    if not (length.isascii() and length.isdigit()):
        raise BodyRefused(f"its Content-Length is {announced!r}, not a number")
    return int(length)


def _chunks(environ: dict[str, Any], length: int | None, patience: float) -> Iterator[bytes]:
    left = length
    while left is None or left > 0:
        chunk = _read(environ, _CHUNK if left is None else min(_CHUNK, left), patience)
        if not chunk:
            return
        if left is not None:
            left -= len(chunk)
        yield chunk
        time.sleep(0)  # others run too while a client sends fast


def _read(environ: dict[str, Any], size: int, patience: float) -> bytes:
    text = f"less than {size} bytes of its body came in {patience:g} s"
    try:
        with _time_limit(patience, text):
            chunk: bytes = environ["wsgi.input"].read(size)
            return chunk
    except BaseException:
        environ[_LOST] = True
        raise


def _time_limit(seconds: float, text: str) -> AbstractContextManager[Any]:
    """Return a context that is left with ``BodyRefused`` after so long."""
    return current().time_limit(seconds, BodyRefused(text, "408 Request Timeout"))
