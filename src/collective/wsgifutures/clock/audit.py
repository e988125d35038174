"""The checks before a worker may serve that are about timed work."""

from ..jobs import desk
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from ..wsgi.settings import Settings
from .entries import declared
from .entries import Entry
from .offered import why_not
from .records import find
from .records import Kept
from .sites import paths_of
from .stored import stored
from .ticks import LATE
from collections.abc import Iterator
from typing import Any

import time

_BROKEN = "Its times pass without a job until that is put right."


def describe(database: Any, settings: Settings) -> str:
    """Return how much timed work there is, and who looks; empty: there is none."""
    with desk.changing(database) as connection:
        return _describe(len([*declared(), *stored(connection)]), settings)


def _describe(count: int, settings: Settings) -> str:
    if not count:
        return ""
    here = "looked for here" if settings.clock else "looked for elsewhere"
    return f"Timed work is {here}: {count} {'entry' if count == 1 else 'entries'}."


def of_clock(database: Any, settings: Settings) -> Iterator[Finding]:
    """Check that timed work can be done, and that somebody looks, with these *settings*."""
    found = list[Finding]()
    with desk.changing(database) as connection:
        entries = [*declared(), *stored(connection)]
        for entry in entries:
            paths = paths_of(connection, entry)
            for path in paths:
                kept = find(connection, path, entry.name)
                found += _of_entry(entry, path, kept, settings)
            if not paths and not entry.is_declared:
                found.append(_of_orphan(entry))
    yield from found
    if entries and not found:
        yield ok("clock", _describe(len(entries), settings))


def _of_orphan(entry: Entry) -> Finding:
    return warning(
        "clock",
        f"Timed work {entry.name} was added in a site at {entry.site} that is not there any more.",
        "It gets no jobs, and is forgotten after 90 days. If the site was renamed or moved, add "
        "the work there again.",
    )


def _of_entry(entry: Entry, path: str, kept: Kept | None, settings: Settings) -> Iterator[Finding]:
    about = f"Timed work {entry.name} of {path}"
    wrong = why_not(entry) or (kept is not None and kept.error)
    if wrong:
        yield warning("clock", f"{about} cannot be done: {wrong}", _BROKEN)
    elif not settings.clock and kept is not None and _is_late(entry, kept, time.time()):
        yield warning(
            "clock",
            f"{about} was due, and no process looks.",
            "Leave out WSGIFUTURES_CLOCK=off in a process that serves, or call wsgifutures clock "
            "--once every five minutes.",
        )


def _is_late(entry: Entry, kept: Kept, now: float) -> bool:
    return not kept.paused and entry.next_after(kept.last) < now - 2 * LATE
