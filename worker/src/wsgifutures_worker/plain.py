"""Plain data as JSON: what JSON has no word for is tagged with its type.

``{"$type": "datetime", "value": "2026-11-30T12:00:00+00:00"}``. Tuples become lists. A dict with a
key ``$type`` of its own is refused, so that nobody takes it for a tag.
"""

from base64 import b64decode
from base64 import b64encode
from collections.abc import Callable
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import math

TAG = "$type"

#: Each type that JSON lacks: what it is called, how its value is written, and read again.
_TAGGED: list[tuple[type, str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (datetime, "datetime", datetime.isoformat, datetime.fromisoformat),  # a date too: first
    (date, "date", date.isoformat, date.fromisoformat),
    (time, "time", time.isoformat, time.fromisoformat),
    (timedelta, "timedelta", timedelta.total_seconds, lambda s: timedelta(seconds=s)),
    (bytes, "bytes", lambda data: b64encode(data).decode(), b64decode),
    (Decimal, "Decimal", str, Decimal),
    (UUID, "UUID", str, UUID),
    (frozenset, "frozenset", lambda data: [encode(one) for one in data], frozenset),
    (set, "set", lambda data: [encode(one) for one in data], set),
]
_READERS = {name: read for _, name, _, read in _TAGGED}


def encode(data: Any) -> Any:
    """Return *data* as JSON can hold it.

    Raises:
        TypeError: Something in it is not plain data; the message says its type.
    """
    if data is None or type(data) in (bool, int, str):
        return data
    if type(data) is float:
        return _finite(data)
    if type(data) in (list, tuple):
        return [encode(one) for one in data]
    if type(data) is dict:
        return {_key(key): encode(value) for key, value in data.items()}
    return _tagged(data)


def decode(data: Any) -> Any:
    """Return what ``encode`` was given.

    Raises:
        TypeError: It has a tag that this version does not know.
    """
    if isinstance(data, list):
        return [decode(one) for one in data]
    if not isinstance(data, dict):
        return data
    if TAG not in data:
        return {key: decode(value) for key, value in data.items()}
    name = data[TAG]
    if name not in _READERS:
        raise TypeError(f'"{name}" is no type that this worker knows. Is it older than the site?')
    return _READERS[name](decode(data.get("value")))


def _tagged(data: Any) -> dict[str, Any]:
    for kind, name, write, _ in _TAGGED:
        if type(data) is kind:
            return {TAG: name, "value": write(data)}
    raise TypeError(
        f"{type(data).__name__} is not plain data. Hand over None, bool, int, float, str, bytes, "
        "Decimal, UUID, dates and times, and lists, tuples, sets and dicts of these."
    )


def _finite(data: float) -> float:
    if not math.isfinite(data):
        raise TypeError(f"{data} cannot be written as JSON. Hand over None in its place.")
    return data


def _key(key: object) -> str:
    if type(key) is not str or key == TAG:
        raise TypeError(f'A key of a dict has to be a str other than "{TAG}".')
    return key
