"""Plain data as JSON, for workers elsewhere: what JSON does not have is tagged.

::

    {"$type": "datetime", "value": "2026-05-01T10:00:00+02:00"}

=============  ===============================================================
``$type``      ``value``
=============  ===============================================================
bytes          base64
Decimal        as Python prints it
UUID           with hyphens
date           ISO 8601, as ``time`` and ``datetime``; ``fold`` beside it if it is 1
datetime       the same; ``zone`` beside it if it has the name of one
timedelta      seconds, a number
set            a list, as of a ``frozenset``
float          ``nan``, ``inf``, ``-inf``; all others are numbers of JSON
complex        a list of two numbers
dict           a list of pairs, if a key is no text or begins with ``$``
=============  ===============================================================

Tuples become lists. Enums, named tuples and dataclasses need their classes, which a worker
elsewhere does not have: they are refused.
"""

from base64 import b64decode
from base64 import b64encode
from collections.abc import Callable
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import json
import math

#: How deep values may be nested.
DEPTH = 100


class NotPlain(ValueError):
    """A value cannot be written as JSON, or what was read is none of ours; it says why."""


def dumps(value: Any) -> str:
    """Return *value* as JSON.

    Raises:
        NotPlain: It is not plain data, or needs a class.
    """
    return json.dumps(write(value), allow_nan=False, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    """Return what *text* says.

    Raises:
        NotPlain: It is not JSON, or has a tag that is not known.
    """
    try:
        parsed = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotPlain(f"it is not JSON: {error}") from None
    return read(parsed)


def write(value: Any, depth: int = DEPTH) -> Any:
    """Return *value* as ``json.dumps`` takes it.

    Raises:
        NotPlain: See ``dumps``.
    """
    if depth < 0:
        raise NotPlain("it is nested too deeply; pass flatter data.")
    kind = type(value)
    if kind in (type(None), bool, int, str):
        return value
    writer = _WRITERS.get(kind)
    if writer is None:
        raise NotPlain(
            f"a worker elsewhere has no {kind.__qualname__}; pass its plain values instead."
        )
    return writer(value, depth - 1)


def read(value: Any, depth: int = DEPTH) -> Any:
    """Return what a parsed *value* stands for.

    Raises:
        NotPlain: See ``loads``.
    """
    if depth < 0:
        raise NotPlain("it is nested too deeply; send flatter data.")
    if isinstance(value, list):
        return [read(each, depth - 1) for each in value]
    if not isinstance(value, dict):
        return value
    if "$type" not in value:
        return {key: read(each, depth - 1) for key, each in value.items()}
    reader = _READERS.get(value["$type"]) if isinstance(value["$type"], str) else None
    if reader is None:
        raise NotPlain(f"there is no $type {value['$type']!r}.")
    try:
        return reader({**value, "value": read(value["value"], depth - 1)})
    except NotPlain:
        raise
    except Exception as error:
        raise NotPlain(f"{value['$type']}: {error}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f'{name} is not JSON; write {{"$type": "float", "value": "nan"}}')


def _tag(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"$type": kind, "value": value, **{key: each for key, each in more.items() if each}}


def _write_float(value: float, depth: int) -> Any:
    return value if math.isfinite(value) else _tag("float", str(value))


def _write_complex(value: complex, depth: int) -> Any:
    return _tag("complex", [_write_float(value.real, 0), _write_float(value.imag, 0)])


def _write_time(value: time, depth: int) -> Any:
    if value.tzinfo is not None and not isinstance(value.tzinfo, timezone):
        raise NotPlain("a time of day in a zone has no offset; pass a datetime.")
    return _tag("time", value.isoformat(), fold=value.fold)


def _write_datetime(value: datetime, depth: int) -> Any:
    if value.tzinfo is None:
        return _tag("datetime", value.isoformat(), fold=value.fold)
    zone = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)
    return _tag("datetime", value.isoformat(), zone=zone, fold=value.fold)


def _write_dict(value: dict[Any, Any], depth: int) -> Any:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: write(each, depth) for key, each in value.items()}
    return _tag("dict", [[write(k, depth), write(v, depth)] for k, v in value.items()])


def _write_list(value: Any, depth: int) -> list[Any]:
    return [write(each, depth) for each in value]


def _as_list(kind: str) -> Callable[[Any, int], Any]:
    return lambda value, depth: _tag(kind, _write_list(value, depth))


_WRITERS: dict[type, Callable[[Any, int], Any]] = {
    float: _write_float,
    complex: _write_complex,
    bytes: lambda value, _: _tag("bytes", b64encode(value).decode()),
    Decimal: lambda value, _: _tag("Decimal", str(value)),
    UUID: lambda value, _: _tag("UUID", str(value)),
    date: lambda value, _: _tag("date", value.isoformat()),
    time: _write_time,
    datetime: _write_datetime,
    timedelta: lambda value, _: _tag("timedelta", value.total_seconds()),
    list: _write_list,
    tuple: _write_list,
    set: _as_list("set"),
    frozenset: _as_list("frozenset"),
    dict: _write_dict,
}


def _read_datetime(tagged: dict[str, Any]) -> datetime:
    found = datetime.fromisoformat(tagged["value"])
    if "zone" in tagged:
        found = found.astimezone(ZoneInfo(tagged["zone"]))
    return found.replace(fold=1) if tagged.get("fold") else found


def _fold(tagged: dict[str, Any]) -> int:
    return 1 if tagged.get("fold") else 0


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tagged: float(tagged["value"]),
    "complex": lambda tagged: complex(*tagged["value"]),
    "bytes": lambda tagged: b64decode(tagged["value"], validate=True),
    "Decimal": lambda tagged: Decimal(tagged["value"]),
    "UUID": lambda tagged: UUID(tagged["value"]),
    "date": lambda tagged: date.fromisoformat(tagged["value"]),
    "time": lambda tagged: time.fromisoformat(tagged["value"]).replace(fold=_fold(tagged)),
    "datetime": _read_datetime,
    "timedelta": lambda tagged: timedelta(seconds=tagged["value"]),
    "set": lambda tagged: set(tagged["value"]),
    "frozenset": lambda tagged: frozenset(tagged["value"]),
    "dict": lambda tagged: dict(tagged["value"]),
}
