"""When an entry is due, in words: for the usual expressions; others stand for themselves."""

from ..interfaces import _
from .entries import Entry
from collections.abc import Callable
from typing import Any

import re

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_EVERY_WEEKDAY = (
    _("every Sunday at ${time}"),
    _("every Monday at ${time}"),
    _("every Tuesday at ${time}"),
    _("every Wednesday at ${time}"),
    _("every Thursday at ${time}"),
    _("every Friday at ${time}"),
    _("every Saturday at ${time}"),
)


def describe(entry: Entry) -> Any:
    """Return when *entry* is due, as "every day at 03:00, Europe/Helsinki": a message."""
    fields = " ".join(entry.cron.upper().split())
    matches = ((re.fullmatch(pattern, fields), say) for pattern, say in _USUAL)
    said = next((say(*match.groups()) for match, say in matches if match is not None), None)
    times = entry.cron if said is None else said
    return _("${times}, ${zone}", mapping={"times": times, "zone": entry.timezone})


def _every_day(minute: str, hour: str) -> Any:
    return _("every day at ${time}", mapping={"time": _time(hour, minute)})


def _working_days(minute: str, hour: str) -> Any:
    return _("from Monday to Friday at ${time}", mapping={"time": _time(hour, minute)})


def _every_week(minute: str, hour: str, day: str) -> Any:
    number = int(day) % 7 if day.isdigit() else _DAYS.index(day)
    message = _EVERY_WEEKDAY[number]
    return _(message, default=message.default, mapping={"time": _time(hour, minute)})


def _every_month(minute: str, hour: str, day: str) -> Any:
    about = {"day": int(day), "time": _time(hour, minute)}
    return _("on day ${day} of every month at ${time}", mapping=about)


def _last_day(minute: str, hour: str) -> Any:
    return _("on the last day of every month at ${time}", mapping={"time": _time(hour, minute)})


def _every_hour(minute: str) -> Any:
    return _("every hour at minute ${minute}", mapping={"minute": int(minute)})


def _every_hours(minute: str, hours: str) -> Any:
    count = int(hours)
    if count < 2 or 24 % count:  # then the pause over midnight is another one
        return None
    about = {"count": count, "minute": int(minute)}
    return _("every ${count} hours at minute ${minute}", mapping=about)


def _every_minutes(minutes: str) -> Any:
    count = int(minutes)
    if count < 2 or 60 % count:
        return None
    return _("every ${count} minutes", mapping={"count": count})


def _every_minute() -> Any:
    return _("every minute")


def _time(hour: str, minute: str) -> str:
    return f"{int(hour):02}:{int(minute):02}"


_N = "([0-9]+)"

_USUAL: list[tuple[str, Callable[..., Any]]] = [
    (rf"{_N} {_N} \* \* \*", _every_day),
    (rf"{_N} {_N} \* \* (?:1-5|MON-FRI)", _working_days),
    (rf"{_N} {_N} \* \* ([0-7]|{'|'.join(_DAYS)})", _every_week),
    (rf"{_N} {_N} {_N} \* \*", _every_month),
    (rf"{_N} {_N} L \* \*", _last_day),
    (rf"{_N} \* \* \* \*", _every_hour),
    (rf"{_N} \*/{_N} \* \* \*", _every_hours),
    (rf"\*/{_N} \* \* \* \*", _every_minutes),
    (r"\* \* \* \* \*", _every_minute),
]
