"""What a message is, as plain data: nothing of kombu, Zope or a database.

Bodies are JSON or bytes. Nothing is ever pickled for a broker, nor unpickled from one.
"""

from .errors import MessageRefused
from .errors import MessageUnfit
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType
from typing import Any

import datetime
import json
import uuid

#: Each name of ours at a broker begins with this.
PREFIX = "wsgifutures."

#: The exchange, queue and routing key of messages that nobody could use.
DEAD = f"{PREFIX}dead"

#: The largest body, in bytes: it is kept in the ZODB until it is sent. A message that comes may
#: be as large.
LARGEST = 1024 * 1024

#: The largest headers of a message, as JSON, in bytes.
LARGEST_HEADERS = 32 * 1024

#: The longest names of exchanges, routing keys and ids, in bytes: AMQP has no longer ones.
LONGEST_NAME = 255

JSON = "application/json"
BYTES = "application/octet-stream"

#: The other properties of a message that may be given, and what each takes.
PROPERTIES: Mapping[str, type] = MappingProxyType(
    {
        "app_id": str,
        "correlation_id": str,
        "expiration": float,  # in seconds
        "priority": int,
        "reply_to": str,
        "type": str,
    }
)


@dataclass(frozen=True)
class Message:
    """A message that is about to be sent."""

    exchange: str
    routing_key: str
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)  #: of ``PROPERTIES``
    id: str = field(default_factory=lambda: uuid.uuid4().hex)  #: the same each time it is sent
    mandatory: bool = True  #: whether it is an error if no queue gets it


@dataclass(frozen=True)
class Delivery:
    """A message that has come."""

    queue: str
    body: bytes
    content_type: str = ""
    id: str = ""
    exchange: str = ""
    routing_key: str = ""
    redelivered: bool = False
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    def value(self) -> Any:
        """Return the body: what JSON says, or bytes.

        Raises:
            MessageUnfit: It calls itself JSON and is none, or is too large.
        """
        if len(self.body) > LARGEST:
            raise MessageUnfit(f"Its body has {len(self.body)} bytes, and at most {LARGEST} fit.")
        if not _is_json(self.content_type):
            return self.body
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            reason = f"Its content type is {self.content_type}, and its body is not JSON: {error}"
            raise MessageUnfit(reason) from None

    def described(self) -> dict[str, Any]:
        """Return everything but the body, as plain data."""
        others = {name: _plain(value) for name, value in self.properties.items()}
        return {
            **others,
            "message_id": self.id,
            "queue": self.queue,
            "exchange": self.exchange,
            "routing_key": self.routing_key,
            "redelivered": self.redelivered,
            "content_type": self.content_type,
            "headers": {str(name): _plain(value) for name, value in self.headers.items()},
        }


def encode(body: Any, content_type: str | None) -> tuple[bytes, str]:
    """Return *body* as it is sent, and its content type.

    Raises:
        MessageRefused: It is neither JSON nor bytes, or too large.
    """
    if isinstance(body, bytes):
        encoded, kind = body, content_type or BYTES
    else:
        encoded, kind = _to_json(body), content_type or JSON
        if not _is_json(kind):
            reason = f"is {kind!r}, and the body is not bytes. Encode it, and pass the bytes."
            raise MessageRefused("content_type", reason)
    if len(encoded) > LARGEST:
        reason = f"has {len(encoded)} bytes; at most {LARGEST} are sent. Send where it is instead."
        raise MessageRefused("body", reason)
    return encoded, kind


def check_name(where: str, name: Any) -> str:
    """Return *name*, of an exchange or a routing key.

    Raises:
        MessageRefused: It is not a text, or too long.
    """
    if not isinstance(name, str):
        raise MessageRefused(where, f"is {name!r}, which is not a text.")
    if len(name.encode()) > LONGEST_NAME:
        raise MessageRefused(where, f"is longer than the {LONGEST_NAME} bytes that AMQP allows.")
    return name


def check_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return *headers*, as plain data.

    Raises:
        MessageRefused: They are something else than texts, numbers, lists and dicts by texts.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping) or not all(isinstance(name, str) for name in headers):
        raise MessageRefused("headers", f"is {headers!r}; it takes values by their names.")
    encoded = _to_json(dict(headers), "headers")
    if len(encoded) > LARGEST_HEADERS:
        raise MessageRefused("headers", f"has {len(encoded)} bytes; {LARGEST_HEADERS} may be sent.")
    return json.loads(encoded)  # type: ignore[no-any-return]


def check_properties(properties: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return *properties* of a message.

    Raises:
        MessageRefused: There is no such property, or it does not take that value.
    """
    found = dict(properties or {})
    for name, value in found.items():
        if name not in PROPERTIES:
            known = ", ".join(sorted(PROPERTIES))
            raise MessageRefused("properties", f"has {name!r}; there are: {known}.")
        kind = PROPERTIES[name]
        fits = isinstance(value, int | float if kind is float else kind)
        if not fits or isinstance(value, bool):
            raise MessageRefused(
                "properties", f"has {name}={value!r}, which is no {kind.__name__}."
            )
    return found


def _to_json(value: Any, where: str = "body") -> bytes:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"is neither JSON nor bytes ({error}). Nothing is pickled: pass plainer data."
        raise MessageRefused(where, reason) from None


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in (JSON, "application/x-json", "text/json") or kind.endswith("+json")


_PLAIN = (type(None), bool, int, float, str, bytes, datetime.datetime)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if type(value) in _PLAIN else str(value)
