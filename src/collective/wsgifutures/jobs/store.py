"""The jobs of a database: where they are kept, found and added.

They are in the root of Zope's main database, so a job is committed with what its submitter does,
and "done" with what the job does. A site's export has none of them.
"""

from .records import Entry
from .records import entry_of
from .records import Job
from .records import Lane
from .records import Store
from .records import Wanted
from collections.abc import Iterator
from typing import Any

import threading
import uuid

ROOT = "collective.wsgifutures.jobs"

#: How many jobs a lane takes, and for how long, in seconds. A transaction that began before may
#: still add some.
FULL = 500
OLD = 3600.0

#: Seconds after which nobody adds to an old lane any more.
CLOSED = 2 * OLD

#: The lane of whoever has none: scripts, and a process before its first job.
COMMON = "0"


def main_connection(connection: Any) -> Any:
    """Return the connection of the main database that belongs to *connection*."""
    databases = connection.db().databases
    name = "main" if "main" in databases else connection.db().database_name
    return connection.get_connection(name)


def find_store(connection: Any) -> Store | None:
    """Return the store; None if there never was a job."""
    return connection.root().get(ROOT)  # type: ignore[no-any-return]


def make_store(connection: Any) -> Store:
    """Return the store, a new one if there is none."""
    root = connection.root()
    if ROOT not in root:
        store = root[ROOT] = Store()
        store.lanes[COMMON] = Lane(COMMON, 0.0)
    return root[ROOT]  # type: ignore[no-any-return]


def find_job(store: Store | None, id: str) -> Job | None:
    """Return the job of that id; None if there is none, or it was purged."""
    lane_id, _, number = id.partition("-")
    lane = None if store is None else store.lanes.get(lane_id)
    if lane is None or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    job, *_ = lane.jobs.get(int(number), (None,))
    return job if job is not None and job.id == id else None


def add_job(lane: Lane, wanted: Wanted, due: float) -> Job:
    """Add a job to *lane*, with its place in the line."""
    number = lane.next()
    job = Job(f"{lane.id}-{number}", wanted, due)
    lane.jobs[number] = tuple(entry_of(job))
    return job


def open_lane(store: Store, id: str, now: float) -> Lane:
    """Return the lane of that id, or the common one.

    It may be gone, closed after hours in which nobody submitted, or not seen by a transaction
    that began before it was made.
    """
    lane: Lane | None = store.lanes.get(id)
    return lane if lane is not None and not is_closed(lane, now) else store.lanes[COMMON]


def is_closed(lane: Lane, now: float) -> bool:
    """Tell whether nobody adds to *lane* any more."""
    return lane.id != COMMON and now - lane.made > CLOSED


def jobs_of(store: Store | None) -> Iterator[Entry]:
    """Yield the first places of all jobs, the newest of each lane first. No job is loaded."""
    lanes = [] if store is None else sorted(store.lanes.values(), key=lambda lane: -lane.made)
    for lane in lanes:
        for value in reversed(lane.jobs.values()):
            yield Entry(*value)


class Lanes:
    """The lanes of this process: each is used by one transaction at a time."""

    def __init__(self) -> None:
        self.wanted = 1  #: how many there should be, in use or free
        self._free: list[str] = []
        self._in_use = 0
        self._made: list[str] = []
        self._missed = False  # whether somebody found none
        self._next_look = 0.0
        self._lock = threading.Lock()

    def take(self) -> str:
        """Return a lane for one transaction, the common one if none is free."""
        with self._lock:
            if not self._free:
                self._missed = True
                return COMMON
            self._in_use += 1
            return self._free.pop()

    def give_back(self, id: str) -> None:
        """Return a lane that its transaction does not need any more."""
        if id != COMMON:
            with self._lock:
                self._in_use -= 1
                self._free.append(id)

    def need_some(self, now: float) -> bool:
        """Tell whether ``renew`` should be called: somebody found none, or it is a while ago."""
        return self._missed or now >= self._next_look

    def renew(self, store: Store, now: float) -> bool:
        """Make the lanes that are wanted, in place of those that are full or old.

        It is called in a transaction of its own, so that no submission has to do it; after the
        commit comes ``renewed``. Tells whether there is something to commit.

        Args:
            store: The store.
            now: In seconds since the epoch.
        """
        self._next_look = now + 60.0
        with self._lock:
            self._free = [id for id in self._free if not is_spent(store.lanes.get(id), now)]
            missing = self.wanted - len(self._free) - self._in_use
        self._made = [uuid.uuid4().hex[:10] for _ in range(missing)]
        store.lanes.update({id: Lane(id, now) for id in self._made})
        return bool(self._made)

    def renewed(self) -> None:
        """Use the lanes that were made."""
        with self._lock:
            self._free += self._made
            self._made = []
            self._missed = False


def is_spent(lane: Lane | None, now: float) -> bool:
    """Tell whether no new transaction should use *lane*."""
    return lane is None or lane.next() >= FULL or now - lane.made > OLD


#: The lanes of this process.
lanes = Lanes()
