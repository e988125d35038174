"""What the reader of a stream gets: text, server-sent events or JSON lines.

A format decides how an item is written, and how a reader is told of the end. Events have words
for an error. Text and lines have none: there the connection is broken off.
"""

from ..errors import ResultRefused
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import json
import re

#: What ends a line for the reader of events.
_LINE_END = re.compile(r"\r\n|\r|\n")
_BROKEN = re.compile(r"[\0\r\n]")


@dataclass(frozen=True)
class StreamEvent:
    """One server-sent event.

    Args:
        data: What the event says: a str as it is, anything else as JSON. None: no data.
        event: The event's name; empty: "message".
        id: What the client sends as ``Last-Event-ID`` when it asks again.
        retry: Seconds after which a client that has lost the stream asks again.
        comment: What readers skip.
    """

    data: Any = None
    event: str = ""
    id: str | None = None
    retry: float | None = None
    comment: str = ""


class Format(Protocol):
    """How the items of a stream are written."""

    content_type: str
    heartbeat: bytes  #: shows that the stream goes on, and says nothing; empty if nothing can

    def encode(self, name: str, item: Any) -> bytes:
        """Return *item* of the stream *name* as bytes.

        Raises:
            ResultRefused: It cannot be written.
        """

    def text(self, name: str, item: Any) -> str:
        """Return what *item* adds to the text that ``then=`` gets."""

    def end(self) -> bytes:
        """Return what follows the last item."""

    def broken(self, reason: str) -> bytes | None:
        """Return what tells the reader of a stream that ends for that *reason* before its end.

        None: the connection has to be broken off.
        """


class Text:
    """Plain text."""

    content_type = "text/plain; charset=utf-8"
    heartbeat = b""

    def encode(self, name: str, item: Any) -> bytes:
        """Return a str in UTF-8."""
        if not isinstance(item, str):
            raise ResultRefused(name, f"text() takes str, not {type(item).__qualname__}.")
        return _to_bytes(name, item)

    def text(self, name: str, item: Any) -> str:
        """Return the item."""
        return str(item)

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def broken(self, reason: str) -> None:
        """Return None: text has no word for it."""


class Lines(Text):
    """JSON, one value on each line."""

    content_type = "application/x-ndjson"

    def encode(self, name: str, item: Any) -> bytes:
        """Return *item* as JSON."""
        return _to_json(name, item).encode() + b"\n"

    def text(self, name: str, item: Any) -> str:
        """Return the line."""
        return f"{_to_json(name, item)}\n"


class Events:
    """Server-sent events.

    Args:
        retry: Seconds after which a client that has lost the stream asks again.
    """

    content_type = "text/event-stream; charset=utf-8"
    heartbeat = b":\n\n"

    def __init__(self, retry: float | None = None) -> None:
        self._retry = retry
        self._began = False

    def encode(self, name: str, item: Any) -> bytes:
        """Return *item* as an event; what is no ``StreamEvent`` is its data."""
        event = (
            item if isinstance(item, StreamEvent) else StreamEvent(_NULL if item is None else item)
        )
        lines = [] if self._began or self._retry is None else [_write_retry(name, self._retry)]
        self._began = True
        lines += _write(name, event)
        return _to_bytes(name, "".join(f"{line}\n" for line in (*lines, "")))

    def text(self, name: str, item: Any) -> str:
        """Return the data of the event."""
        data = item.data if isinstance(item, StreamEvent) else item
        return "" if data is None else _to_text(name, data)

    def end(self) -> bytes:
        """Return the event ``end``: a browser would ask again after an end without a word."""
        return b"event: end\ndata: end\n\n"

    def broken(self, reason: str) -> bytes:
        """Return the event ``error``, with the *reason*."""
        return f"event: error\ndata: {reason}\n\n".encode()


#: Stands for JSON's null: None is no data.
_NULL = object()


def _write(name: str, event: StreamEvent) -> list[str]:
    lines = [f": {line}" for line in _LINE_END.split(event.comment)] if event.comment else []
    if event.event:
        lines.append(f"event: {_on_one_line(name, 'event', event.event)}")
    if event.id is not None:
        lines.append(f"id: {_on_one_line(name, 'id', event.id)}")
    if event.retry is not None:
        lines.append(_write_retry(name, event.retry))
    if event.data is not None:
        lines += [f"data: {line}" for line in _LINE_END.split(_to_text(name, event.data))]
    return lines


def _to_text(name: str, data: Any) -> str:
    if data is _NULL:
        return "null"
    return data if isinstance(data, str) else _to_json(name, data)


def _write_retry(name: str, seconds: float) -> str:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ResultRefused(name, f"retry={seconds!r} is not a number of seconds.")
    return f"retry: {round(seconds * 1000)}"


def _on_one_line(name: str, field: str, value: Any) -> str:
    if not isinstance(value, str) or _BROKEN.search(value):
        raise ResultRefused(name, f"the {field} of an event has to be a str on one line.")
    return value


def _to_json(name: str, item: Any) -> str:
    try:
        return json.dumps(item, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ResultRefused(name, f"JSON cannot have it ({error}).") from None


def _to_bytes(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ResultRefused(name, "it has a lone surrogate, half of a character.") from None
