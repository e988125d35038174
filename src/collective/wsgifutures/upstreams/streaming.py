"""An answer that is read as it comes: as bytes, lines or server-sent events.

It has the limits, the place, the breaker and the headers of its upstream, as any other call. The
place and the connection are kept until its ``with`` ends.
"""

from ..kernel.streams.formats import StreamEvent
from ..traces import spans
from .answers import Headers
from .errors import UpstreamFailed
from .errors import UpstreamStatus
from .errors import UpstreamTimeout
from .request import Request
from .service import Service
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from typing import Self

import codecs
import re
import time

#: What ends a line of events. A lone CR at the end of what has come may be half of a CRLF.
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


class AnswerStream:
    """An answer of an upstream, for ``with``. ``Upstream.stream`` returns it.

    Args:
        service: The upstream's.
        request: What is sent when ``with`` begins.
        total: How many seconds the whole answer may take.
    """

    status: int  #: as 200
    headers: Headers  #: by name, in any case

    def __init__(self, service: Service, request: Request, total: float) -> None:
        self._service = service
        self._request = request
        self._total = total
        self._ends = ExitStack()
        self._opened: Any = None

    def __repr__(self) -> str:
        return f"<stream of {self._service.name}>"

    def __enter__(self) -> Self:
        service, request = self._service, self._request
        until = time.monotonic() + self._total
        with ExitStack() as ends:
            span = spans.of_call(service.name, request.method, service.settings.base_url)
            with span:
                self._opened = service.open(request, until, ends)
                span.answered(self._opened.status)
            self._ends = ends.pop_all()
        self.status, self.headers = self._opened.status, self._opened.headers
        return self

    def __exit__(self, *raised: object) -> None:
        self._ends.close()

    def raise_for_status(self) -> Self:
        """Return the answer itself where its status is below 400.

        Raises:
            UpstreamStatus: It is an error's.
        """
        if self.status >= 400:
            raise UpstreamStatus(self._service.name, self._opened.host, self.status)
        return self

    def bytes(self) -> Iterator[bytes]:
        """Yield the bytes as they come.

        Raises:
            UpstreamError: The answer breaks off, is late or too large.
        """
        try:
            yield from self._opened.parts()
        except (UpstreamFailed, UpstreamTimeout):
            self._service.note_broken()
            raise

    def lines(self) -> Iterator[str]:
        """Yield the lines as they come, without their ends; in UTF-8.

        Raises:
            UpstreamError: As ``bytes``.
        """
        return _split(self.bytes())

    def events(self) -> Iterator[StreamEvent]:
        """Yield the server-sent events as they come; comments are skipped.

        Raises:
            UpstreamError: As ``bytes``.
        """
        return _read_events(self.lines())


def _split(parts: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest: list[str] = []  # of a line whose end has not come; joined once
    for part in parts:
        text = decoder.decode(part)
        held_back = bool(rest) and rest[-1].endswith("\r")
        if not held_back and _LINE_END.search(text) is None:
            rest.append(text)
            continue
        *lines, last = _LINE_END.split("".join((*rest, text)))
        rest = [last]
        yield from lines
    end = "".join(rest) + decoder.decode(b"", final=True)
    if end:
        yield end.removesuffix("\r")


def _read_events(lines: Iterable[str]) -> Iterator[StreamEvent]:
    """Yield events as the HTML standard reads them; one that has no end is dropped."""
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield _event("\n".join(data), fields)
            fields, data = {}, []
        elif name == "data":
            data.append(value)
        elif name in ("event", "id", "retry") and "\0" not in value:
            fields[name] = value


def _event(data: str, fields: dict[str, str]) -> StreamEvent:
    retry = fields.get("retry", "")
    seconds = int(retry) / 1000 if retry.isascii() and retry.isdigit() else None
    return StreamEvent(data, fields.get("event", ""), fields.get("id"), seconds)
