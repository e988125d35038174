"""Sends what ``amqp.publish`` recorded: many at a time, at least once, in order for each key.

A message is not claimed before it is sent, since only one relay sends (``duty.py``): it is sent,
confirmed, and then "done" is written for the whole batch in one transaction. A relay that is
killed between the two leaves jobs that wait, and its successor sends them again at once, in the
same order and with the same ids.

The messages of one key go one after the other, each when the one before is confirmed. If one is
refused, those behind it wait for its next attempt. The broker that is away is no failed attempt.
"""

from ..jobs import desk
from ..jobs.changes import Changes
from ..jobs.changes import find
from ..jobs.errors import ArgumentsLost
from ..jobs.errors import TooLate
from ..jobs.index import Index
from ..jobs.index import Place
from ..jobs.records import Entry
from ..jobs.records import Job
from ..jobs.records import Store
from .broker import Broker
from .confirms import Sent
from .errors import NotDelivered
from .messages import Message
from .publishing import message_of
from .publishing import QUEUE
from .trouble import Silent
from collections.abc import Iterable
from dataclasses import dataclass

import logging
import time

logger = logging.getLogger(__name__)

#: How many messages are read, sent and noted in one go, and how many bytes.
AT_ONCE = 250
BYTES_AT_ONCE = 8 * 1024 * 1024

#: For how long one go may last, in seconds: the rest is for the next one.
LONGEST = 15.0

#: Who did the jobs, in their records.
RELAY = "relay"


#: Why a message was refused, by the record of its job; empty: it was confirmed.
Outcomes = dict[bytes, str]


@dataclass(frozen=True)
class Letter:
    """A message, and the job that it is of."""

    place: Place
    key: str
    message: Message

    @property
    def address(self) -> str:
        """Where it goes, for people."""
        return f"{self.message.exchange or 'the queue'} {self.message.routing_key}".strip()


class _InOrder(Index):
    """The places of messages by when they were submitted, also those that wait once more."""

    def __init__(self) -> None:
        super().__init__([QUEUE], elsewhere=True)
        self.held: dict[str, float] = {}  #: keys whose first message waits, and until when

    def add(self, entry: Entry) -> None:
        """Add a place, without its lock: the outbox keeps the order."""
        if entry.queue == QUEUE and entry.generation and entry.job.waits(entry.generation):
            self.held[entry.lock] = max(entry.due, self.held.get(entry.lock, 0.0))
            ahead = entry.due - entry.job.wanted.submitted  # to where it stood at first
            entry = entry._replace(priority=ahead)  # type: ignore[arg-type]
        super().add(entry._replace(lock=""))


class Outbox:
    """The messages of a database that are to be sent.

    Args:
        broker: Where they go.
        changes: Commits.
    """

    def __init__(self, broker: Broker, changes: Changes) -> None:
        self._broker = broker
        self._changes = changes
        self.count = 0  #: how many were confirmed
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at all messages again."""
        self.index = _InOrder()
        self._silent = Silent()
        self._untils: dict[str, float] = {}  # of what was silent in this go, by address
        self._at_once = 1

    def is_due(self, now: float) -> bool:
        """Tell whether there is something to look at."""
        due = self.index.next_look()
        return self.index.offers(now) or (due is not None and due <= now)

    def read(self, store: Store, now: float) -> list[Letter]:
        """Return what is to be sent now, in order."""
        self.index.read(store)
        found: dict[bytes, Letter] = {}
        size = 0
        while len(found) < self._at_once and size < BYTES_AT_ONCE:
            place = self.index.take(now)
            if place is None:
                break
            letter = self._open(store, place, now)
            if letter is not None:
                found[place.oid] = letter  # a job may have two places, one of them an old one
                size += len(letter.message.body)
        return list(found.values())

    def send(self, letters: list[Letter], now: float) -> None:
        """Send *letters*, and note what became of them.

        Raises:
            BrokerAway: Some of them may not have come; they are sent again.
        """
        outcomes: Outcomes = {}
        until = time.monotonic() + LONGEST
        self._untils = {}
        stuck: set[str] = set()  # keys of which a message was refused
        try:
            for wave in waves(letters):
                if time.monotonic() > until:  # others wait for a sign of life
                    break
                self._send_wave([each for each in wave if each.key not in stuck], outcomes, stuck)
            self._at_once = AT_ONCE
        finally:
            self._note(letters, outcomes, now)

    def _open(self, store: Store, place: Place, now: float) -> Letter | None:
        job = find(store._p_jar, place.oid)
        if job is None or not job.waits(place.entry.generation):
            return None
        key = job.wanted.lock
        held = self.index.held.get(key, 0.0) if key else 0.0
        if held > now:
            self.index.put_off(place, held)
            return None
        if key:
            self.index.held.pop(key, None)
        if now > job.wanted.deadline:
            self._give_up(place, TooLate(job.wanted.deadline - job.wanted.submitted))
            return None
        try:
            letter = Letter(place, key, message_of(job))
        except ArgumentsLost as lost:
            self._give_up(place, lost)
            return None
        until = self._silent.until(letter.address, now)
        if until:
            self._put_off(letter, until)
        return None if until else letter

    def _put_off(self, letter: Letter, until: float) -> None:
        """Let a letter wait, and those of its key behind it."""
        if letter.key:
            self.index.held[letter.key] = until
        self.index.put_off(letter.place, until)

    def _send_wave(self, wave: list[Letter], outcomes: Outcomes, stuck: set[str]) -> None:
        """Send messages of which no two have the same key."""
        sent = Sent()
        try:
            self._broker.send([letter.message for letter in wave], sent)
        finally:
            for number, letter in enumerate(wave):
                if number in sent.confirmed or number in sent.refused:
                    outcomes[letter.place.oid] = sent.refused.get(number, "")
                    self._silent.ends(letter.address)
                if letter.key and number not in sent.confirmed:
                    stuck.add(letter.key)
            silent = {wave[number].address for number in sent.silent}
            self._untils.update({name: self._silent.begins(name, time.time()) for name in silent})

    def _note(self, letters: list[Letter], outcomes: Outcomes, now: float) -> None:
        """Write "done" of all that were confirmed, and what failed; the rest waits as before."""
        told = [letter for letter in letters if letter.place.oid in outcomes]
        rest = [letter for letter in letters if letter.place.oid not in outcomes]
        try:
            if told:
                self._changes.commit(lambda store: self._write(store, told, outcomes))
        except Exception:
            logger.exception("What was sent is not noted yet, and is sent again with the same ids.")
            rest = letters
        else:
            self.count += sum(not outcomes[letter.place.oid] for letter in told)
        for letter in rest:
            if letter.address in self._untils:
                self._put_off(letter, self._untils[letter.address])
            else:
                self.index.put_off(letter.place, now)

    def _write(self, store: Store, letters: Iterable[Letter], outcomes: Outcomes) -> bool:
        now, changed = time.time(), False
        for letter in letters:
            job = find(store._p_jar, letter.place.oid)
            if job is None or not job.waits(letter.place.entry.generation):
                continue  # somebody has cancelled it meanwhile
            claim = job.claim(RELAY, now)
            reason = outcomes[letter.place.oid]
            if reason:
                message = letter.message
                error = NotDelivered(message.exchange, message.routing_key, reason)
                desk.settle(store, job, error, now)
                logger.warning("Job %s: %s", job.id, error)
            else:
                job.finish(claim, b"", now)
            changed = True
        return changed

    def _give_up(self, place: Place, error: Exception) -> None:
        """Let the job be dead: nobody can send its message."""

        def bury(store: Store) -> bool:
            job: Job | None = find(store._p_jar, place.oid)
            if job is None or not job.waits(place.entry.generation):
                return False
            desk.bury(store, job, time.time(), str(error))
            return True

        self._changes.commit(bury)


def waves(letters: list[Letter]) -> list[list[Letter]]:
    """Return *letters* in groups, in order, with no key twice in a group."""
    groups: list[list[Letter]] = []
    seen: dict[str, int] = {}  # how many of a key there were
    for letter in letters:
        number = seen.get(letter.key, 0) if letter.key else 0
        seen[letter.key] = number + 1
        groups += [[] for _ in range(number + 1 - len(groups))]
        groups[number].append(letter)
    return groups
