"""The workers that a site knows: who they are, and what they were approved for.

A worker introduces itself with its public key, and waits: pending. An administrator approves it
for queues, and may withdraw that. ::

    PENDING --approve--> APPROVED --withdraw--> WITHDRAWN --approve--> APPROVED

All of it is kept beside the site's keys, not in the site. Whoever asks for something to be changed
has been checked by the caller.
"""

from ..jobs.options import check_name
from ..jobs.options import OURS
from ..keys.places import find_part
from ..keys.places import make_part
from ..keys.places import Place
from ..keys.places import place_of
from ..keys.public import group
from ..keys.public import make_jwk
from ..keys.public import thumbprint
from .events import WorkerApproved
from .events import WorkerForgotten
from .events import WorkerIntroduced
from .events import WorkerWithdrawn
from BTrees.OOBTree import OOBTree
from collections.abc import Iterable
from enum import Enum
from persistent import Persistent
from persistent.mapping import PersistentMapping
from typing import Any
from zope.event import notify

import logging
import time

logger = logging.getLogger(__name__)

#: The permission to see and change them.
MANAGE = "collective.wsgifutures: Manage workers"

#: The most workers of a site that wait to be approved.
MOST_PENDING = 20

#: Seconds until a worker is forgotten that nobody has approved.
FORGET_AFTER = 86400.0

#: Seconds between two notes of when a worker was last seen.
SEEN_EVERY = 3600.0

#: Seconds by which a worker's clock has to change to be noted anew.
SKEW_WORTH = 5.0

#: The most queues of one worker, and the longest name of a queue or a worker.
MOST_QUEUES = 50
LONGEST_NAME = 100


class WorkerState(Enum):
    """The state of a worker."""

    PENDING = "pending"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


class TooManyPending(Exception):
    """So many workers wait to be approved that no more are taken."""

    def __str__(self) -> str:
        return (
            f"{MOST_PENDING} workers wait to be approved, and no more are taken. Approve or "
            "forget some in Site Setup; each is forgotten a day after it came."
        )


class Worker(Persistent):  # type: ignore[misc]
    """One worker of a site.

    Args:
        public: Its public key.
        name: What it calls itself.
        queues_wanted: The queues that it asks for.
        now: In seconds since the epoch.
    """

    address = ""  #: where it introduced itself from, as Zope knows it; empty: not known
    skew: float | None = None  #: by how many seconds its clock is ahead, when it last got a token

    def __init__(self, public: bytes, name: str, queues_wanted: tuple[str, ...], now: float):
        self.id = thumbprint(public)
        self.public = public
        self.name = name
        self.queues_wanted = queues_wanted
        self.queues: tuple[str, ...] = ()  #: those that it is approved for
        self.state = WorkerState.PENDING
        self.introduced = now
        self.since = now  #: when it came into its state
        self.by = ""  #: the id of the user who brought it there; empty: itself
        self.seen: float | None = None  #: when it last got a token, to the hour

    @property
    def jwk(self) -> dict[str, str]:
        """Its public key, as JSON has it."""
        return make_jwk(self.public)

    @property
    def fingerprint(self) -> str:
        """Its id, as people compare it."""
        return group(self.id)

    def approve(self, queues: tuple[str, ...], by: str, now: float) -> None:
        """Let it claim jobs of *queues*, and of no others."""
        self.state, self.queues, self.by, self.since = WorkerState.APPROVED, queues, by, now

    def withdraw(self, by: str, now: float) -> None:
        """Let it do nothing any more."""
        self.state, self.by, self.since = WorkerState.WITHDRAWN, by, now

    def is_seen(self, now: float, skew: float = 0.0) -> None:
        """Note that it was seen, with its clock ahead by *skew* seconds; at most once an hour.

        A clock that was changed is noted at once.
        """
        is_due = self.seen is None or now - self.seen >= SEEN_EVERY
        if is_due or self.skew is None or abs(skew - self.skew) >= SKEW_WORTH:
            self.seen, self.skew = now, skew


class Workers(Persistent):  # type: ignore[misc]
    """The workers of one site, by their ids.

    Those that are pending are in one record, so that two which come at the same time conflict,
    and there are never too many.
    """

    def __init__(self) -> None:
        self.known = OOBTree()
        self.pending = PersistentMapping()

    def find(self, id: str, now: float) -> Worker | None:
        """Return the worker of that id; None if there is none, or it has waited for too long."""
        found = self.known.get(id) or self.pending.get(id)
        return None if found is None or has_waited_too_long(found, now) else found

    def all(self, now: float) -> list[Worker]:
        """Return all, the newest first."""
        found = [*self.known.values(), *self.pending.values()]
        kept = [worker for worker in found if not has_waited_too_long(worker, now)]
        return sorted(kept, key=lambda worker: (-worker.introduced, worker.id))

    def add(self, worker: Worker, now: float) -> None:
        """Let *worker* wait to be approved.

        Raises:
            TooManyPending: As it says. Nothing was written.
        """
        old = [id for id, one in self.pending.items() if has_waited_too_long(one, now)]
        if len(self.pending) - len(old) >= MOST_PENDING:
            raise TooManyPending
        for id in old:
            del self.pending[id]
        self.pending[worker.id] = worker

    def keep(self, worker: Worker) -> None:
        """Know *worker* from now on: somebody has decided about it."""
        self.forget(worker.id)
        self.known[worker.id] = worker

    def forget(self, id: str) -> None:
        """Drop the worker of that id."""
        for workers in (self.known, self.pending):
            if id in workers:
                del workers[id]


def has_waited_too_long(worker: Worker, now: float) -> bool:
    """Tell whether nobody has approved *worker* in time."""
    return worker.state is WorkerState.PENDING and now - worker.introduced > FORGET_AFTER


def workers_of(site: Any) -> list[Worker]:
    """Return the workers of a site, the newest first."""
    found = _find(place_of(site))
    return [] if found is None else found.all(time.time())


def find_worker(site: Any, id: str) -> Worker | None:
    """Return the worker of that id; None if the site knows none."""
    found = _find(place_of(site))
    return None if found is None else found.find(id, time.time())


def introduce(
    site: Any, public: bytes, name: str, queues: tuple[str, ...], address: str = ""
) -> Worker:
    """Return the worker with that public key, a new one that is pending if there is none.

    A worker that is known is returned as it is: nothing of it changes.

    Raises:
        TooManyPending: As it says.
    """
    place, now = place_of(site), time.time()
    found = find_worker(place, thumbprint(public))
    if found is not None:
        return found
    worker = Worker(public, name, queues, now)
    worker.address = address
    make_workers(place).add(worker, now)
    logger.info("A worker waits to be approved: %s (%s).", worker.id, name)
    notify(WorkerIntroduced(place.path, worker.id, "", name))
    return worker


def approve(site: Any, worker: Worker, queues: tuple[str, ...], by: str) -> None:
    """Approve *worker* for *queues*, and for no others; again, to change them.

    Args:
        site: The site.
        worker: One of its workers.
        queues: At least one: see ``check_queues``.
        by: The id of the user who does that.
    """
    place = place_of(site)
    worker.approve(queues, by, time.time())
    make_workers(place).keep(worker)
    logger.info("The worker %s was approved by %s: %s.", worker.id, by, ", ".join(queues))
    notify(WorkerApproved(place.path, worker.id, by, queues))


def withdraw(site: Any, worker: Worker, by: str) -> None:
    """Let *worker* do nothing any more: the tokens that it has end with it."""
    place = place_of(site)
    worker.withdraw(by, time.time())
    make_workers(place).keep(worker)  # so that it does not wait to be approved again
    logger.info("The worker %s was withdrawn by %s.", worker.id, by)
    notify(WorkerWithdrawn(place.path, worker.id, by))


def forget(site: Any, worker: Worker, by: str) -> None:
    """Know nothing of *worker* any more. It may introduce itself again, and is pending then."""
    place = place_of(site)
    make_workers(place).forget(worker.id)
    logger.info("The worker %s was forgotten by %s.", worker.id, by)
    notify(WorkerForgotten(place.path, worker.id, by))


def check_label(name: Any) -> str:
    """Return the name of a worker.

    Raises:
        ValueError: It is not a printable text, or is too long.
    """
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"name is not a printable text of 1 to {LONGEST_NAME} characters.")
    return name


def check_queues(queues: Any) -> tuple[str, ...]:
    """Return names of queues, each once.

    Raises:
        ValueError: They are not a list of names, none, or too many; or one is not for workers.
    """
    if not isinstance(queues, list) or not 1 <= len(queues) <= MOST_QUEUES:
        raise ValueError(f"queues is not a list of 1 to {MOST_QUEUES} names.")
    if not all(isinstance(name, str) and len(name) <= LONGEST_NAME for name in queues):
        raise ValueError(f"queues has a name that is not a text of at most {LONGEST_NAME}.")
    ours = [name for name in queues if name.startswith(OURS)]
    if ours:
        raise ValueError(
            f"The queue {ours[0]!r} is the relay's: no worker elsewhere gets its jobs."
        )
    return _checked(queues)


def _checked(queues: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_name("queue", name) for name in queues))


def _find(place: Place) -> Workers | None:
    return find_part(place, "workers")  # type: ignore[no-any-return]


def make_workers(place: Place) -> Workers:
    """Return what is kept of the workers of a site, a new one if nothing was."""
    return make_part(place, "workers", Workers)  # type: ignore[no-any-return]
