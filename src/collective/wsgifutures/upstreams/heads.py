"""http.client's response, and what it has to refuse.

http.client takes half of a head, a broken length or a broken chunk for an answer. A view would
get what the service never said, and a cache would keep it. So these are errors here.

Interim answers (1xx) are skipped, whatever their number. Otherwise the answer that follows would
be that of the next call on the connection.
"""

from http import HTTPStatus
from http.client import BadStatusLine
from http.client import HTTPException
from http.client import HTTPMessage
from http.client import HTTPResponse
from typing import Any
from urllib3.util.response import assert_header_parsing

import re

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\r\n]*)?\r?\n")
_END = b"\r\n"

#: The longest line between chunks, in bytes; older versions of urllib3 name no limit.
_LONGEST_LINE = 64 * 1024


class NotWhole(HTTPException):
    """An answer ends too early, or does not say where it ends."""


class Response(HTTPResponse):
    """The answer to one request, with a whole head."""

    fp: Any

    def begin(self) -> None:
        """Read the head, after those of interim answers."""
        plain = self.fp
        self.fp = _Lines(plain)
        try:
            super().begin()
            while self.status < HTTPStatus.OK:
                if self.status == HTTPStatus.SWITCHING_PROTOCOLS:  # nobody asked for that
                    raise BadStatusLine(str(self.status))
                self.headers = None  # type: ignore[assignment]  # so that it begins again
                super().begin()
        finally:
            self.fp = plain
        if _is_chunked(self.headers):
            self.fp = _Chunks(plain)


def _is_chunked(headers: HTTPMessage) -> bool:
    """Tell whether *headers* announce a body in chunks.

    Raises:
        NotWhole, HeaderParsingError: They do not say where the body ends, or are broken.
    """
    assert_header_parsing(headers)  # after a line that is not a header, all others are lost
    lengths = {one.strip() for one in headers.get_all("content-length", [])}
    if len(lengths) > 1 or not all(re.fullmatch("[0-9]+", one) for one in lengths):
        raise NotWhole("its Content-Length is not a number, or there are two")
    codings = ",".join(headers.get_all("transfer-encoding", [])).lower().split(",")
    known = [one.strip() for one in codings if one.strip() not in ("", "identity")]
    if known not in ([], ["chunked"]):
        raise NotWhole("its Transfer-Encoding is not chunked")
    return bool(known)


class _Lines:
    """Reads a head. http.client takes the end of a connection for the end of the head."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        self._begun = False

    def readline(self, limit: int) -> bytes:
        line: bytes = self._plain.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit and (line or self._begun):
            raise NotWhole("its head ends too early")
        self._begun = True
        return line

    def close(self) -> None:
        self._plain.close()


class _Chunks:
    """Reads chunks. urllib3 takes ``-1`` for a size, and any two bytes for the end of a chunk."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        self._left: int | None = None  #: bytes of a chunk and its end; None: a size comes next

    def readline(self, limit: int = _LONGEST_LINE) -> bytes:
        line: bytes = self._plain.readline(limit)
        if self._left is None:
            size = _CHUNK.fullmatch(line)
            if not size:
                raise NotWhole("the size of a chunk is missing, or not a number")
            self._left = int(size[1], 16) and int(size[1], 16) + len(_END)
        return line

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._plain.read(size)
        before, self._left = self._left or 0, (self._left or 0) - len(data)
        if before <= len(_END) and data != _END[-before:][: len(data)]:
            raise NotWhole("a chunk does not end where it should")
        self._left = self._left or None
        return data

    def flush(self) -> None:
        self._plain.flush()

    def close(self) -> None:
        self._plain.close()
