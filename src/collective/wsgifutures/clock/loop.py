"""The clock of one process: it sleeps until an entry is due, and then a random moment longer.

All processes of a cluster have one. The first to look does what is due; the others open the
database, see that, and write nothing. While nothing is due and nobody commits anything, the
database is not opened. The time of the day may jump, a host may sleep, and people change entries in
another process: so nobody sleeps for longer than ``LONGEST``.
"""

from ..jobs import desk
from ..jobs.news import News
from ..kernel.runtime import current as current_runtime
from .entries import Entry
from .figures import Figure
from .figures import figure_of
from .records import forget_old
from .sites import paths_of
from .stored import forget_orphans
from .stored import stored
from .ticks import Ticker
from .ticks import Told
from collections.abc import Callable
from collections.abc import Iterable
from contextlib import suppress
from transaction.interfaces import TransientError
from typing import Any

import logging
import random
import time

logger = logging.getLogger(__name__)

_Keys = set[tuple[str, str]]

#: The most seconds of a random moment.
MOMENT = 1.5

#: The most seconds between two looks at the time of the day.
LONGEST = 28.0

#: Seconds until the next look while the database is away.
AGAIN = 5.0


class Clock:
    """Looks at the entries of a process.

    Args:
        database: Zope's main database.
        entries: What is declared. What people add is read from the database.
        ticker: Does what is due. Default: one for the database.
        paths: Returns the paths of the sites that have an entry.
    """

    def __init__(
        self,
        database: Any,
        entries: Iterable[Entry],
        ticker: Ticker | None = None,
        paths: Callable[[Any, Entry], list[str]] = paths_of,
    ) -> None:
        self._database = database
        self._ticker = ticker or Ticker(database)
        self._paths = paths
        self._declared = list(entries)
        self._news = News(database)
        self._next: dict[tuple[str, ...], tuple[Entry, float]] = {}
        self._take(self._declared)
        self.figures: list[Figure] = []  #: what was found when the database was read last
        self._looked = 0.0
        self._has_purged = False
        self._runtime = current_runtime()
        self._wake = self._runtime.signal()
        self._stopping = False

    def start(self) -> None:
        """Begin to look."""
        self._runtime.spawn(self._loop)

    def stop(self) -> None:
        """Submit nothing more."""
        self._stopping = True
        self._wake.set()

    def _loop(self) -> None:
        self._wake.wait(_moment())
        while not self._stopping and not _is_closed(self._database):
            self._wake.wait(self.look(time.time()))

    def look(self, now: float) -> float:
        """Do what is due *now*; return after how many seconds to look again."""
        if now < self._looked:  # the clock was put back: a next time may be too far away
            self._next = {key: (e, e.next_after(now)) for key, (e, _) in self._next.items()}
        self._looked, seconds = now, LONGEST if self._read_safely(now) else AGAIN
        for key, (entry, due) in list(self._next.items()):
            if due <= now:
                if self._tick_safely(entry, now):
                    self._next[key] = entry, entry.next_after(now)
                else:
                    seconds = AGAIN
        due = min((due for _, due in self._next.values() if due > now), default=now + LONGEST)
        return min(seconds, due - now + _moment())

    def _read_safely(self, now: float) -> bool:
        """Read which entries there are, if something has changed; tell whether that worked."""
        try:
            if self._news.has_come():
                self._read(now)
        except Exception:
            self._news.forget()
            if not _is_closed(self._database):
                logger.exception("The clock could not read its entries; it tries again.")
            return False
        return True

    def _read(self, now: float) -> None:
        with desk.changing(self._database) as connection:
            entries = [*self._declared, *stored(connection)]
            found = [(path, one) for one in entries for path in self._paths(connection, one)]
            self.figures = [figure_of(connection, path, one) for path, one in found]
        self._take(entries)
        added = {(one.site, one.name) for one in entries if not one.is_declared}
        self._purge({(path, one.name) for path, one in found}, added, now)

    def _purge(self, known: _Keys, added: _Keys, now: float) -> None:
        """Forget what is kept of entries that are gone for long, once in the life of a process."""
        if self._has_purged:
            return
        self._has_purged = True
        with suppress(TransientError), desk.changing(self._database) as connection:
            forget_orphans(connection, known, now)
            forget_old(connection, known | added, now)

    def _take(self, entries: list[Entry]) -> None:
        """Look at these *entries* from now on: at once at those that are new or were changed."""
        known = dict(self._next)
        self._next = {}
        for entry in entries:
            key = (str(entry.is_declared), entry.site, entry.name)
            before, due = known.get(key, (None, 0.0))
            self._next[key] = (entry, due if before == entry else 0.0)

    def _tick_safely(self, entry: Entry, now: float) -> bool:
        try:
            tick_all(self._database, self._ticker, entry, now, self._paths)
        except Exception:
            if not _is_closed(self._database):
                logger.exception("The clock could not look at %s; it looks again.", entry.name)
            return False
        return True


def tick_all(
    database: Any,
    ticker: Ticker,
    entry: Entry,
    now: float,
    paths: Callable[[Any, Entry], list[str]] = paths_of,
) -> list[Told]:
    """Do what is due *now* of *entry*, in each of its sites; return what was done."""
    with desk.changing(database) as connection:
        found = paths(connection, entry)
    return [ticker.tick(path, entry, now) for path in found]


def _moment() -> float:
    return random.uniform(0.0, MOMENT)  # noqa: S311  no secret


def _is_closed(database: Any) -> bool:
    """Tell whether *database* was closed, as waitress does before its threads have ended."""
    return "storage" not in vars(database)
