"""The request body, kept so that every pass can read it and seek in it from its start.

It is read before the request takes a slot, so a slow upload keeps nobody waiting. Zope's
own conflict retry seeks in it too, which a server's bare input does not allow.
"""

from ..kernel.runtime import current
from .limits import Room
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from typing import BinaryIO

import errno
import io
import itertools
import os
import tempfile
import time

_CHUNK = 64 * 1024


#: How much of a refused body is dropped before its connection is closed, in bytes.
_MOST_DROPPED = 64 * 1024**2

#: In the environ of a request while reading whose body something was raised: how far the
#: server has read is not known, and where the next request begins neither.
_LOST = "collective.wsgifutures.lost"


class BodyRefused(Exception):
    """The client sent less than it announced, a length that is no number, too much, too slowly."""

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
        patience: How long each 64 KiB of it may take to come, in seconds. Under gevent.

    Raises:
        BodyRefused: The body is not what its headers say, larger than the whole room, or
            comes too slowly.
        Refused: The room has no more bytes now.
    """

    def __init__(
        self, environ: dict[str, Any], in_memory: int, room: Room, patience: float
    ) -> None:
        self.size = 0  #: in bytes
        self._room = room
        self._data = b""
        self._file: io.FileIO | None = None
        length = _length(environ)
        if length == 0:
            return
        self._limit(length or 0)
        room.check(length or 0)
        try:
            chunks = _chunks(environ, length, patience)
            self._keep(self._counted(chunks), in_memory)
            if length is not None and self.size < length:
                raise BodyRefused(f"its body ended after {self.size} of {length} bytes")
            environ["wsgi.input"] = io.BytesIO()  # nothing is left; not every server knows
        except BaseException:
            self.close()
            raise

    def open(self) -> BinaryIO:
        """Return the body as a new file at its start."""
        if self._file is None:
            return io.BytesIO(self._data)
        return io.BufferedReader(_Reader(os.dup(self._file.fileno()), self.size))

    def close(self) -> None:
        """Drop the body. What was opened before stays readable."""
        self._data = b""
        self._room.give(self.size)
        self.size = 0
        if self._file is not None:
            self._file.close()
            self._file = None

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
        # Without a name: nothing is left of it where the process is killed.
        self._file = file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  until close
        for chunk in itertools.chain(small, chunks):
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]


class _Reader(io.RawIOBase):
    """Reads an open file from its start, wherever others read it.

    Args:
        descriptor: Of the file. It is closed with this one.
        size: How long the file is, in bytes.
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
            raise ValueError(f"there is nothing before the start ({start + offset})")
        self._position = start + offset
        return self._position

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class Unread:
    """The body of a response to a request whose own body was not read to its end.

    What is left is read and dropped when the response is sent: the client may not look at
    it before. gunicorn would do so too, without an end and letting nobody else run. Where
    that is too much or takes too long, or where reading broke off, nobody knows where the
    next request begins, and the connection has to be closed.

    Args:
        chunks: The response's body.
        environ: The server's.
        patience: How long it may take to drop what is left, in seconds.
    """

    def __init__(self, chunks: Iterable[bytes], environ: dict[str, Any], patience: float) -> None:
        self._chunks = chunks
        self._environ = environ
        self._patience = patience

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Drop what is left.

        Raises:
            ConnectionResetError: Not all of it. gunicorn closes the connection then, and
                says nothing. A shutdown would not do: what has come is still read.
        """
        if not self._drop() and self._may_be_lost():
            raise ConnectionResetError(errno.ECONNRESET, "the rest of the request is not read")

    def _may_be_lost(self) -> bool:
        """Tell whether the connection goes on where this request is believed to end."""
        http_1 = not self._environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
        return http_1 and "gunicorn.socket" in self._environ

    def _drop(self) -> bool:
        """Read to the end; False where that is too much, takes too long or is not possible."""
        if _LOST in self._environ:
            return False
        left = _MOST_DROPPED
        try:
            with _patient(self._patience, "the rest of its body did not come"):
                for chunk in _chunks(self._environ, _length(self._environ), self._patience):
                    left -= len(chunk)
                    if left < 0:
                        return False
        except Exception:  # too slow, gone, or no body at all
            return False
        return True


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


def _chunks(environ: dict[str, Any], length: int | None, patience: float) -> Iterator[bytes]:
    left = length
    while left is None or left > 0:
        chunk = _read(environ, _CHUNK if left is None else min(_CHUNK, left), patience)
        if not chunk:
            return
        if left is not None:
            left -= len(chunk)
        yield chunk
        time.sleep(0)  # a client that sends fast lets others run too


def _read(environ: dict[str, Any], size: int, patience: float) -> bytes:
    text = f"less than {size} bytes of its body came in {patience:g} s"
    try:
        with _patient(patience, text):
            chunk: bytes = environ["wsgi.input"].read(size)
            return chunk
    except BaseException:
        environ[_LOST] = True
        raise


def _patient(seconds: float, text: str) -> AbstractContextManager[Any]:
    """Return a context that is left with ``BodyRefused`` after so long."""
    return current().time_limit(seconds, BodyRefused(text, "408 Request Timeout"))
