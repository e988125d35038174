"""Tells a broker which jobs wait for workers elsewhere: a hint for each, and again after a while.

A hint has the job's id, its queue, and a capability, which is worth one claim of that job. It has
no argument, no title and no path: whoever reads the broker learns nothing. The claim at Plone
decides, so a hint that comes twice, late or never does no harm.

Each site has queues of its own at the broker, by its UID, since only its own workers can use its
hints. People are told of the queues of its jobs: the same queue of several sites is counted as one.

What was sent is only known in memory. A hint is sent again after a pause, which grows, if its job
still waits and the broker has fewer hints than there are jobs: as long as the hints are there,
nobody came for them, and more would not help. A new connection begins anew with all of that, since
the broker may have lost its disk.
"""

from ..jobs import desk
from ..jobs.changes import find
from ..jobs.index import Index
from ..jobs.index import Place
from ..jobs.records import Job
from ..jobs.records import Store
from .broker import Broker
from .broker import HINT_LIMIT
from .confirms import Sent
from .messages import Message
from .messages import PREFIX
from .publishing import QUEUE
from .trouble import Silent
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import json
import logging

logger = logging.getLogger(__name__)

#: How many hints are sent in one go; the first one after a trouble goes alone.
AT_ONCE = 200

#: Seconds until a hint is sent again: the first time, and at most.
PAUSE = 30.0
LONGEST_PAUSE = 900.0

#: What part of the hints has to be at the broker for none to be sent again.
ENOUGH = 0.9

#: Seconds until a job is looked at again that may not begin now, or had no confirm.
SOON = 5.0


class Hints:
    """The hints of a database.

    Args:
        broker: Where they go.
        queues: The queues of the jobs; empty: all.
        capability: Makes the capability of a job.
    """

    def __init__(
        self, broker: Broker, queues: Iterable[str], capability: Callable[[Any, Job, float], str]
    ) -> None:
        self._broker = broker
        self._queues = tuple(queues)
        self._capability = capability
        self.count = 0  #: how many were confirmed
        self._depths: dict[str, int] = {}  # by name at the broker
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at all jobs again: the broker may know of none."""
        self.index = Index(self._queues, elsewhere=True)
        self._sent: Counter[tuple[bytes, int]] = Counter()  # how often, by job and generation
        self._told: Counter[str] = Counter()  # how many of those, by name at the broker
        self._found: set[str] = set()  # names at the broker of the hints that are to be sent
        self._full: set[str] = set()  # names that have as many hints as they were sent
        self._silent = Silent()
        self._at_once = 1

    @property
    def waiting(self) -> dict[str, int]:
        """How many jobs wait, nearly, by queue."""
        return {queue: n for queue, n in self.index.waiting.items() if n and queue != QUEUE}

    @property
    def depths(self) -> dict[str, int]:
        """How many hints lie at the broker, of all sites, by queue of the jobs."""
        found: Counter[str] = Counter()
        for name, depth in self._depths.items():
            found[queue_in(name)] += depth
        return dict(found)

    def is_due(self, now: float) -> bool:
        """Tell whether there is something to look at."""
        due = self.index.next_look()
        return self.index.offers(now) or (due is not None and due <= now)

    def read(self, store: Store, now: float) -> list[tuple[Place, Message]]:
        """Return what is to be sent now, and put off the rest."""
        self.index.read(store)
        found: list[tuple[Place, Message]] = []
        while len(found) < self._at_once and (place := self.index.take(now)) is not None:
            message = self._look_at(store, place, now)
            if message is not None:
                found.append((place, message))
        self._found = {message.routing_key for _, message in found}
        return found

    def send(self, found: list[tuple[Place, Message]], now: float) -> None:
        """Send what was found, but for hints that lie at the broker as they did.

        Raises:
            BrokerAway: Some of it may not have come.
        """
        self._look_at_queues(found)
        fit = []
        for place, message in found:
            if key_of(place) in self._sent and message.routing_key in self._full:
                self._put_off(place, now)
            else:
                fit.append((place, message))
        sent = Sent()
        try:
            self._broker.send([message for _, message in fit], sent)
            self._at_once = AT_ONCE
        finally:
            for number, (place, _) in enumerate(fit):
                self._note(place, number, sent, now)

    def look_at_depths(self) -> None:
        """Ask the broker how many hints lie there.

        Raises:
            BrokerAway: It does not say.
        """
        names = {*self._found, *+self._told}
        self._depths = {name: self._broker.depth(name) for name in sorted(names)}

    def _look_at_queues(self, found: list[tuple[Place, Message]]) -> None:
        """See to it that there are queues, and which have about as many hints as they were sent."""
        for name in {message.routing_key for _, message in found}:
            self._broker.ensure_queue(name, limit=HINT_LIMIT)
        again = {message.routing_key for place, message in found if key_of(place) in self._sent}
        depths = {name: self._broker.depth(name) for name in again}
        self._depths.update(depths)
        self._full = {name for name in again if depths[name] >= ENOUGH * self._told[name]}

    def _look_at(self, store: Store, place: Place, now: float) -> Message | None:
        """Return the hint of a place; None if none is to be sent now."""
        queue, job = place.entry.queue, find(store._p_jar, place.oid)
        if queue == QUEUE:
            return None
        if job is None or not job.waits(place.entry.generation) or now > job.wanted.deadline:
            self.index.drop(place.entry.lock)
            self._forget(place)
        elif not desk.is_open(store, queue, {}):
            self.index.put_off(place, now + SOON)
        elif until := self._silent.until(name_of(place), now):
            self.index.put_off(place, until)
        else:
            return self._make_safely(store, place, job, now)
        return None

    def _make_safely(self, store: Store, place: Place, job: Job, now: float) -> Message | None:
        try:
            capability = self._capability(store._p_jar, job, now)
        except Exception:  # its site is gone, or broken: others come first
            logger.exception("There is no hint for job %s; the relay looks again later.", job.id)
            self.index.put_off(place, now + LONGEST_PAUSE)
            return None
        return Message("", name_of(place), hint(job, capability))

    def _note(self, place: Place, number: int, sent: Sent, now: float) -> None:
        name, until = name_of(place), now + SOON
        if number in sent.confirmed:
            self.count += 1
            self._silent.ends(name)
            self._put_off(place, now)
            return
        if number in sent.silent:
            until = self._silent.begins(name, now)
        elif number in sent.refused:
            logger.warning("The broker refused a hint for %s: %s.", name, sent.refused[number])
            self._broker.forget_queue(name)  # somebody may have deleted it
        self.index.put_off(place, until)

    def _put_off(self, place: Place, now: float) -> None:
        """Look again later at a place whose hint is at the broker."""
        key = key_of(place)
        self._told[name_of(place)] += key not in self._sent
        self._sent[key] += 1
        self.index.put_off(place, now + pause(self._sent[key]))

    def _forget(self, place: Place) -> None:
        if self._sent.pop(key_of(place), 0):
            self._told[name_of(place)] -= 1


def hint(job: Job, capability: str) -> bytes:
    """Return what tells of a job."""
    told = {"id": job.id, "queue": job.wanted.queue, "capability": capability}
    return json.dumps(told).encode()


def name_of(place: Place) -> str:
    """Return what the queue at the broker is called: each site has its own, by its UID."""
    return f"{PREFIX}{place.entry.site}.{place.entry.queue}"


def queue_in(name: str) -> str:
    """Return the queue of the jobs in a name at the broker."""
    return name.removeprefix(PREFIX).partition(".")[2]


def key_of(place: Place) -> tuple[bytes, int]:
    """Return what a place is known by: each time that a job waits has places of its own."""
    return place.oid, place.entry.generation


def pause(sent: int) -> float:
    """Return the seconds until a hint is sent again that was *sent* so often."""
    return float(min(LONGEST_PAUSE, PAUSE * 2.0 ** min(max(sent, 1) - 1, 10)))
