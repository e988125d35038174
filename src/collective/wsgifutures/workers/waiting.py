"""Workers elsewhere that wait for a job, any number, with one look at the database a second.

A claim that finds no job suspends its pass on a call that stands in a line of this process: it
costs kilobytes, and no slot, connection or greenlet of its own. One greenlet looks for all in the
line, at once when a transaction of this process has added a job, and only if the database has
changed.

A worker that was told that there is nothing asks again, with the same words. So nothing of Zope is
asked then: the request goes into the line at once (``wait_first``), and nothing at its end either.
Who it is, and what it may have, is looked up in the pass that follows an offer.

Whoever came first gets the first place that it may have: the *offer* of one job to one claim. The
claim itself is written by the next pass of the request. An offer that nobody takes is made again.
An offer that somebody in another process took was in vain: the request stands in line once more.
"""

from ..jobs import desk
from ..jobs.changes import Changes
from ..jobs.changes import find
from ..jobs.errors import TooLate
from ..jobs.index import Index
from ..jobs.index import Place
from ..jobs.news import News
from ..jobs.records import Entry
from ..jobs.records import Store
from ..jobs.store import find_store
from ..jobs.submitting import listeners
from ..kernel.calls import Call
from ..kernel.calls import NOTHING
from ..kernel.calls import Outcome
from ..kernel.calls import Returned
from ..kernel.futures import Future
from ..kernel.hold import Hold
from ..kernel.passes import holding_pass
from ..kernel.passes import Pass
from ..kernel.runtime import current as current_runtime
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import hashlib
import json
import logging
import random
import threading
import time

logger = logging.getLogger(__name__)

#: The name of the line, as an executor of the worker.
NAME = "claims"

#: Seconds between two looks at the database.
LOOK_EVERY = 1.0

#: Seconds until an offer is made again that nobody took.
OFFERED = 3.0

#: For how long a process knows a claim that came to nothing, in seconds.
KNOWN = 30.0

#: The largest body of a claim that is recognized, in bytes.
LARGEST = 4096

#: Seconds by which a call and its hold may outlast the time in the line.
SPARE = 5.0

#: For how long a process keeps out of the way of others, once one was faster, in seconds; and among
#: how many shares of the next places it chooses then.
CROWDED = 30.0
SHARES = 4


def line_of(uid: str, path: str, queue: str) -> str:
    """Return the name of the line of a *queue* in the site of that UID and path."""
    return f"{uid} {path} {queue}"


def split_line(line: str) -> tuple[str, str, str]:
    """Return the UID and the path of the site, and the queue, of the line of that name."""
    uid, path, queue = line.split(" ", 2)
    return uid, path, queue


def may_wait() -> bool:
    """Tell whether a wait here costs neither a thread nor a slot."""
    return holding_pass() is not None and current_runtime().name == "gevent"


class Ticket(NamedTuple):
    """By what a claim is recognized that is sent again."""

    key: str  #: what the worker calls its claim
    digest: bytes  #: of the whole request


class Asked(NamedTuple):
    """What a claim asks for."""

    lines: frozenset[str]
    worker: str  #: the id of the worker
    seconds: float  #: for how long it waits at most
    good_until: float  #: when its token ends, in seconds since the epoch
    ticket: Ticket | None  #: None: the request is not recognized


def ticket_of(path: str, authorization: str, body: bytes) -> Ticket | None:
    """Return by what a request is recognized; None if it is too large, or the claim has no key."""
    try:
        told = json.loads(body) if len(body) <= LARGEST else None
    except (ValueError, RecursionError):
        return None
    key = told.get("key") if isinstance(told, dict) else None
    if not isinstance(key, str) or not key:
        return None
    parts = (path.encode(), authorization.encode(), body)
    whole = b"".join(hashlib.sha256(part).digest() for part in parts)
    return Ticket(key, hashlib.sha256(whole).digest())


class _Lines(Index):
    """The places of the jobs that wait for workers elsewhere. Each site has queues of its own."""

    def __init__(self) -> None:
        super().__init__(elsewhere=True)

    def add(self, entry: Entry) -> None:
        """Add a place."""
        super().add(entry._replace(queue=line_of(entry.site, entry.site_path, entry.queue)))


class _Standing:
    """A claim that stands in the line: a ``Job`` of an executor."""

    __slots__ = ("_leave", "asked", "done", "until")

    def __init__(
        self,
        asked: Asked,
        until: float,
        done: Callable[[Outcome], None],
        leave: Callable[["_Standing"], None],
    ) -> None:
        self.asked = asked
        self.until = until
        self.done = done
        self._leave = leave

    def cancel(self) -> None:
        """Leave the line."""
        self._leave(self)


class Waiters:
    """The line of one process: an ``Executor`` whose calls wait for an offer.

    Args:
        database: The main database.
        limits: How many jobs of a queue may run at a time, by queue.
    """

    name = NAME

    def __init__(self, database: Any, limits: Mapping[str, int] | None = None) -> None:
        self.database = database
        self.limits = dict(limits or {})
        self._index = _Lines()
        self._changes = Changes(database)
        self._news = News(database)
        self._line: dict[_Standing, None] = {}  # in the order in which they came
        self._lock = threading.Lock()  # of the line
        self._looking = threading.RLock()  # of the index
        self._looks = False
        self._wake = current_runtime().signal()
        self._crowded_until = 0.0
        self._known: dict[str, tuple[float, Asked]] = {}  # by keys, with until when
        listeners.append(self._wake.set)

    def __len__(self) -> int:
        """Return how many claims wait."""
        return len(self._line)

    def claims(self) -> Counter[str]:
        """Return how many claims wait in each line; one may stand in several."""
        with self._lock:
            return Counter(line for standing in self._line for line in standing.asked.lines)

    # The line

    def start(self, call: Call, done: Callable[[Outcome], None]) -> _Standing:
        """Let *call* stand in the line."""
        asked, until = call.args
        standing = _Standing(asked, until, done, self._leave)
        with self._lock:
            self._line[standing] = None
            begins, self._looks = not self._looks, True
        if begins:
            current_runtime().spawn(self._look_while_somebody_waits)
        self._wake.set()
        return standing

    def close(self) -> None:
        """They end with their requests."""

    def _leave(self, standing: _Standing) -> None:
        with self._lock:
            self._line.pop(standing, None)

    def _look_while_somebody_waits(self) -> None:
        while self._goes_on():
            self._wake.clear()
            self._wake.wait(self._look_safely())

    def _goes_on(self) -> bool:
        with self._lock:
            self._looks = bool(self._line)
            return self._looks

    # Looks

    def _look_safely(self) -> float:
        try:
            with self._looking:
                return self._look(time.time())
        except Exception:
            logger.exception("No job could be looked for, for the workers that wait.")
            self._news.forget()
            return 5 * LOOK_EVERY

    def _look(self, now: float) -> float:
        """Make offers; return for how long there is nothing to do, in seconds."""
        self._read_what_is_new()
        wanted = self._wanted(now)
        for standing in wanted:
            if (place := self._find(standing.asked.lines, now)) is not None:
                self._leave(standing)
                standing.done(Returned(NAME, place.oid))
        self._send_away(time.monotonic())
        due = self._index.next_look()
        return LOOK_EVERY if due is None else max(0.01, min(LOOK_EVERY, due - now))

    def _wanted(self, now: float) -> list[_Standing]:
        """Return who stands in the line, if there may be something for somebody."""
        due = self._index.next_look()
        if not self._index.offers(now) and (due is None or due > now):
            return []
        with self._lock:
            return list(self._line)

    def _send_away(self, now: float) -> None:
        """Let those go whose time is over."""
        with self._lock:
            late = [standing for standing in self._line if standing.until <= now]
            for standing in late:
                del self._line[standing]
            self._keep([standing.asked for standing in late], now)
        for standing in late:
            standing.done(NOTHING)

    def _keep(self, asked: list[Asked], now: float) -> None:
        """Know those for a while who ask again."""
        for old in [key for key, (until, _) in self._known.items() if until <= now]:
            del self._known[old]
        self._known.update({one.ticket.key: (now + KNOWN, one) for one in asked if one.ticket})

    def _read_what_is_new(self) -> None:
        if self._news.has_come():
            with desk.changing(self.database) as connection:
                store = find_store(connection)
                if store is not None:
                    self._index.read(store)

    def _find(self, lines: frozenset[str], now: float) -> Place | None:
        """Return a place whose job may be claimed now, and is offered; None if there is none."""
        while (place := self._take(lines, now)) is not None:
            if self._is_good(place, now):
                self._index.put_off(place, now + OFFERED)
                return place
        return None

    def _take(self, lines: frozenset[str], now: float) -> Place | None:
        if now >= self._crowded_until:
            return self._index.take(now, among=lines)
        share = random.randrange(SHARES)  # noqa: S311  no secret
        return self._index.take(now, share, SHARES, among=lines)

    def _is_good(self, place: Place, now: float) -> bool:
        """Tell whether the job of *place* may be claimed; put the place away if not."""
        if now > place.entry.deadline:
            self._changes.commit(lambda store: _bury(store, place, now))
            again = None
        else:
            again = self._look_at(place, now)
            if again == now:
                return True
        if again is None:
            self._index.drop(place.entry.lock)
        else:
            self._index.put_off(place, again)
        return False

    def _look_at(self, place: Place, now: float) -> float | None:
        """Return when the job of *place* may be claimed, as far as known; None: never."""
        with desk.changing(self.database) as connection:
            job, store = find(connection, place.oid), find_store(connection)
            if job is None or store is None or not job.waits(place.entry.generation):
                return None
            if desk.may_claim(store, job, self.limits) is not None:
                return now
            if not desk.is_open(store, job.wanted.queue, self.limits):
                self._index.close(place.entry.queue, now + LOOK_EVERY)
        return now + LOOK_EVERY

    # For a pass

    def recognize(self, ticket: Ticket) -> Asked | None:
        """Return what a claim asks for that came to nothing a moment ago; None if none did.

        A claim of that key that asks in other words is looked up anew: it may have got a job since.
        """
        with self._lock:
            until, asked = self._known.pop(ticket.key, (0.0, None))
        if asked is None or asked.ticket != ticket or until <= time.monotonic():
            return None
        return asked if time.time() + asked.seconds < asked.good_until else None

    def take_at_once(self, lines: Iterable[str], sees: Callable[[bytes], Any]) -> bytes | None:
        """Return the record of a job to claim in this pass; None if there is none.

        Args:
            lines: The lines whose jobs are wanted.
            sees: Tells whether the transaction of the pass sees a record.
        """
        wanted, now = frozenset(lines), time.time()
        with self._lock:
            if any(not standing.asked.lines.isdisjoint(wanted) for standing in self._line):
                return None  # they came first
        with self._looking:
            self._read_what_is_new()
            place = self._find(wanted, now)
        return place.oid if place is not None and sees(place.oid) else None

    def wait(self, this: Pass, asked: Asked, number: int) -> bytes | None:
        """Return the record of a job to claim; None if there was none in time.

        Args:
            this: The pass, which suspends.
            asked: What the request asks for.
            number: Which wait of the request this is.
        """
        call = wait_of(this.hold, asked, number)
        found: bytes | None = Future(this.submit(call), this).result()
        return found

    def was_in_vain(self) -> None:
        """Note that somebody else has claimed the job of an offer: keep out of their way."""
        self._crowded_until = time.time() + CROWDED


def _bury(store: Store, place: Place, now: float) -> bool:
    """Give up a job that is late; tell whether there is something to commit."""
    job = find(store._p_jar, place.oid)
    if job is None or not job.waits(place.entry.generation):
        return False
    wanted = job.wanted
    desk.bury(store, job, now, str(TooLate(wanted.deadline - wanted.submitted)))
    return True


def wait_of(hold: Hold, asked: Asked, number: int = 0) -> Call:
    """Return the call by which a request waits. Its time counts from when the request came.

    Args:
        hold: The hold of the request, which lasts for as long from here on.
        asked: What the request asks for.
        number: Which wait of the request this is.
    """
    hold.wait_for_work(("worker", asked.worker), asked.seconds + SPARE)
    until = hold.since + asked.seconds
    timeout = max(0.0, until - time.monotonic()) + SPARE
    return Call(NAME, (NAME, number), None, (asked, until), timeout=timeout, executor=NAME)


#: The line of this process.
_waiters: Waiters | None = None


def waiters_in(database: Any, limits: Mapping[str, int]) -> Waiters:
    """Return the line of this process for the jobs of a *database*."""
    global _waiters
    if _waiters is None or _waiters.database is not database:
        if _waiters is not None:
            listeners.remove(_waiters._wake.set)
        _waiters = Waiters(database, limits)
    return _waiters
