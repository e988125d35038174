"""What becomes of an entry that is due: a job, or several, or none, once for the whole cluster.

There is no leader. Whoever looks sets what is kept of the entry, and submits the jobs, in one
transaction; a conflict means that somebody else was faster, and then there is nothing left to do.
It does not matter whose clock is seconds ahead: a slot has one name on all hosts, and runs when
the first of them sees it.

Of slots that nobody saw in time, the entry says what becomes. An entry that is seen for the first
time, or has another rule than before, has no past.
"""

from ..jobs.entering import commit
from ..jobs.records import Job
from ..jobs.store import find_job
from ..jobs.store import find_store
from ..kernel.errors import FuturesError
from .entries import Entry
from .entries import Missed
from .entries import Overlap
from .records import find
from .records import Kept
from .records import make
from .sites import submit
from .stored import find_stored
from collections.abc import Callable
from transaction.interfaces import TransientError
from typing import Any
from typing import NamedTuple

import logging

logger = logging.getLogger(__name__)

#: How many slots get a job at a time, with missed="all": the newest ones.
MOST = 100

#: Seconds after which a slot that nobody has seen was missed.
LATE = 300.0

#: How far ahead of now the last slot may be, in seconds. Farther means that a clock was wrong.
AHEAD = 3600.0

#: Submits a job of an entry for a slot, in the site of that path, in a connection's transaction.
Submit = Callable[[Any, str, Entry, float], Job]


class Told(NamedTuple):
    """What became of an entry."""

    site: str
    entry: Entry
    jobs: tuple[str, ...] = ()  #: ids
    error: str = ""  #: why there is none


class Ticker:
    """Looks at entries, for one process.

    Args:
        database: Zope's main database.
        submit: Submits a job.
    """

    def __init__(self, database: Any, submit: Submit = submit) -> None:
        self._database = database
        self._submit = submit

    def tick(self, site: str, entry: Entry, now: float) -> Told:
        """Do what is due *now* of the entry of a site; return what was done.

        Raises:
            TransientError: There was a conflict each time.
            Exception: The database is away. Nothing is lost: look again later.
        """
        return commit(self._database, lambda connection: self._look(connection, site, entry, now))

    def _look(self, connection: Any, site: str, entry: Entry, now: float) -> Told:
        found = entry if entry.is_declared else find_stored(connection, site, entry.name)
        if found is None:  # it was removed a moment ago
            return Told(site, entry)
        return self._look_at(connection, site, found, now)

    def _look_at(self, connection: Any, site: str, entry: Entry, now: float) -> Told:
        kept, told = find(connection, site, entry.name), Told(site, entry)
        if kept is None:
            make(connection, site, entry.name, entry.rule, now)
        elif kept.paused:
            pass
        elif kept.rule != entry.rule:
            kept.begin_anew(entry.rule, now)
        elif kept.last > now + AHEAD:
            _warn_of_clock(told, kept.last - now)
            kept.begin_anew(entry.rule, now)
        else:
            return self._look_at_slots(connection, kept, told, now)
        return told

    def _look_at_slots(self, connection: Any, kept: Kept, told: Told, now: float) -> Told:
        slots, has_more = told.entry.times.newest(kept.last, now, MOST)
        if not slots:
            return told
        kept.last = slots[-1]
        chosen = [slot for slot in choose(told.entry, slots, now) if slot not in kept.ran]
        _log_missed(told, len(slots) - len(chosen), has_more)
        if chosen and self._waits_for_last(connection, kept, told, chosen[-1]):
            return told
        return self._submit_jobs(connection, kept, told, chosen)

    def _waits_for_last(self, connection: Any, kept: Kept, told: Told, slot: float) -> bool:
        """Tell whether the last job is not over, and a slot is left out until it is."""
        if Overlap(told.entry.overlap) is Overlap.QUEUE or not goes_on(connection, kept):
            return False
        kept.skipped = slot
        logger.warning(
            "Timed work %s of %s: its last job, %s, is not over, so there is none now.",
            *(told.entry.name, told.site, kept.job),
        )
        return True

    def _submit_jobs(self, connection: Any, kept: Kept, told: Told, slots: list[float]) -> Told:
        jobs = []
        try:
            for slot in slots:
                job = self._submit(connection, told.site, told.entry, slot)
                jobs.append(job.id)
                kept.note_job(slot, job.id)
        except TransientError:
            raise
        except Exception as error:  # if it was the database, the commit fails, too
            return _note_error(kept, told._replace(jobs=tuple(jobs)), error)
        return told._replace(jobs=tuple(jobs))


def choose(entry: Entry, slots: list[float], now: float) -> list[float]:
    """Return which of the *slots* that are due get a job."""
    missed = Missed(entry.missed)
    if missed is Missed.ALL:
        return slots
    if missed is Missed.SKIP and now - slots[-1] > LATE:
        return []
    return slots[-1:]


def goes_on(connection: Any, kept: Kept) -> bool:
    """Tell whether the last job of an entry waits or runs."""
    job = find_job(find_store(connection), kept.job)
    return job is not None and not job.ended


def _note_error(kept: Kept, told: Told, error: Exception) -> Told:
    text = str(error) if isinstance(error, FuturesError) else f"{type(error).__name__}: {error}"
    level = logging.DEBUG if kept.error == text else logging.WARNING
    kept.error = text
    logger.log(level, "Timed work %s of %s got no job. %s", told.entry.name, told.site or "/", text)
    return told._replace(error=text)


def _log_missed(told: Told, count: int, has_more: bool) -> None:
    if count:
        number = f"more than {count}" if has_more else str(count)
        logger.info(
            "Timed work %s of %s: %s of its times were missed, and get no job of their own.",
            *(told.entry.name, told.site, number),
        )


def _warn_of_clock(told: Told, seconds: float) -> None:
    logger.warning(
        "Timed work %s of %s has run %.0f s from now: the clock of a host is wrong, or was. It "
        "goes on from now.",
        *(told.entry.name, told.site, seconds),
    )
