"""Waits until a job changes, for any number of pages, with one look at the database a second.

A page that follows a job asks once, and its response is held until there is something new: it
costs kilobytes, and no slot. One greenlet looks for all of them, while there are any.

Where a held response costs a thread, or its slot, nobody waits: the page asks again, the less
often the longer its job takes.
"""

from ...jobs import desk
from ...jobs.records import Job
from ...jobs.store import find_job
from ...jobs.store import find_store
from ...jobs.store import main_connection
from ...kernel.errors import FuturesError
from ...kernel.futures import future
from ...kernel.passes import holding_pass
from ...kernel.runtime import current as current_runtime
from ...kernel.runtime import Signal
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from typing import Any

import logging
import threading
import time

logger = logging.getLogger(__name__)

#: How long a page waits for a change, in seconds: proxies cut connections that are idle for 30.
LONGEST = 25.0

#: Seconds between two looks at the database.
LOOK_EVERY = 1.0

#: Seconds until a page asks again that did not wait: at first, and at most.
SOON = 2.0
SELDOM = 30.0


def version_of(job: Job | None) -> str:
    """Return what changes with each change of *job*; empty if there is no job."""
    if job is None:
        return ""
    for record in (job, job.side):
        record._p_activate()
    return str(max(job._p_serial, job.side._p_serial).hex().lstrip("0"))


def is_held() -> bool:
    """Tell whether a wait here costs neither a thread nor a slot."""
    return holding_pass() is not None and current_runtime().name == "gevent"


def wait_for_change(job: Job, since: str, seconds: float = LONGEST) -> None:
    """Wait until the version of *job* is not *since* any more, at most so many *seconds*.

    Returns at once if the job has ended, or where a wait would cost too much.
    """
    if job.ended or since != version_of(job) or not is_held():
        return
    _watch_in(main_connection(job._p_jar).db())
    with suppress(FuturesError):  # out of time, or cancelled: the page asks again
        _changes(job.id, since, min(seconds, LONGEST))


def seconds_to_pause(job: Job, now: float) -> float:
    """Return after how many seconds a page should ask again."""
    return 0.0 if is_held() else min(SELDOM, max(SOON, (now - job.since) / 20))


@future(timeout=2 * LONGEST)
def _changes(id: str, since: str, seconds: float) -> bool:
    return False if _watch is None else _watch.wait(id, since, seconds)


class Watch:
    """Who waits for which job of a database.

    Args:
        database: The main database.
    """

    def __init__(self, database: Any) -> None:
        self.database = database
        self._waiting: dict[tuple[str, str], list[Signal]] = {}
        self._looks = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._waiting.values()))

    def wait(self, id: str, since: str, seconds: float) -> bool:
        """Wait until a job has another version than *since*; tell whether it has."""
        with self._enter((id, since)) as signal:
            return signal.wait(seconds)

    @contextmanager
    def _enter(self, key: tuple[str, str]) -> Iterator[Signal]:
        runtime = current_runtime()
        signal = runtime.signal()
        with self._lock:
            self._waiting.setdefault(key, []).append(signal)
            begins, self._looks = not self._looks, True
        if begins:
            runtime.spawn(self._look_while_somebody_waits)
        try:
            yield signal
        finally:
            with self._lock:
                self._waiting[key].remove(signal)
                if not self._waiting[key]:
                    del self._waiting[key]

    def _look_while_somebody_waits(self) -> None:
        while self._goes_on():
            try:
                self._look()
            except Exception:
                logger.exception("The pages that follow jobs could not look for changes.")
            time.sleep(LOOK_EVERY)

    def _goes_on(self) -> bool:
        with self._lock:
            self._looks = bool(self._waiting)
            return self._looks

    def _look(self) -> None:
        """Wake all whose job has changed."""
        with self._lock:
            waiting = {key: list(signals) for key, signals in self._waiting.items()}
        with desk.changing(self.database) as connection:
            store = find_store(connection)
            now = {id: version_of(find_job(store, id)) for id, _ in waiting}
        for (id, since), signals in waiting.items():
            if now[id] != since:
                for signal in signals:
                    signal.set()


#: That of this process.
_watch: Watch | None = None


def _watch_in(database: Any) -> Watch:
    global _watch
    if _watch is None or _watch.database is not database:
        _watch = Watch(database)
    return _watch
