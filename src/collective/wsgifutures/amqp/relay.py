"""What a relay does: it looks for what is to be sent, sends it, and gives signs of life.

It looks four times a second; if the database did not change, a look costs nothing. It reads in a
transaction of its own, which is over when it talks with the broker, and writes in another one.
Whatever the broker does, nothing but this process waits for it.

While the broker is away the relay tries again after growing pauses. The log says so once, and once
when the broker is back. A relay that was killed has lost nothing but what it remembered: all that
waits is told again.
"""

from ..jobs import desk
from ..jobs.changes import Changes
from ..jobs.neighbours import find_place
from ..jobs.news import News
from ..jobs.records import Job
from ..jobs.store import find_store
from ..keys.places import Place
from ..keys.tokens import CAPABILITY
from ..keys.tokens import mint
from .broker import Broker
from .duty import SIGN_EVERY
from .duty import Watch
from .errors import BrokerAway
from .hints import Hints
from .outbox import Outbox
from .trouble import Trouble
from collections.abc import Callable
from collections.abc import Iterable
from transaction.interfaces import TransientError
from typing import Any

import logging
import threading
import time
import uuid

logger = logging.getLogger(__name__)

#: Seconds between two looks; and of a relay that is not on duty.
LOOK_EVERY = 0.25
SPARE_LOOKS_EVERY = 2.0

#: Seconds until the next look after one that failed.
AFTER_ERROR = 5.0


def make_capability(connection: Any, job: Job, now: float) -> str:
    """Return what lets its bearer claim *job*, until the job's deadline, and do nothing else."""
    origin = job.wanted.origin
    place = Place(connection, origin.site_uid, origin.site)
    return mint(place, CAPABILITY, {"sub": job.id}, job.wanted.deadline - now, now=now)


class Relay:
    """Sends hints and messages of one database.

    Args:
        database: Zope's main database.
        broker: Where they go.
        stop: Set when the process is to end.
        queues: The queues of the jobs that hints are sent for; empty: all.
        capability: Makes the capability of a job.
    """

    def __init__(
        self,
        database: Any,
        broker: Broker,
        stop: threading.Event,
        *,
        queues: Iterable[str] = (),
        capability: Callable[[Any, Job, float], str] = make_capability,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.trouble = Trouble(f"The broker at {broker.address}")
        self._database = database
        self._broker = broker
        self._stop = stop
        self._changes = Changes(database)
        self._hints = Hints(broker, queues, capability)
        self._outbox = Outbox(broker, self._changes)
        self._watch = Watch(self.id, find_place())
        self._news = News(database)
        self._on_duty = False
        self._next_sign = 0.0
        self._told = ""  # of the trouble, by the last sign
        self._since = time.time()

    def run(self) -> None:
        """Look until the process is to end."""
        while not self._stop.is_set():
            self._stop.wait(self._look_safely())
        self._broker.close()
        self._leave()

    def look(self, now: float) -> float:
        """Do what is to be done *now*; return for how long nothing is, in seconds."""
        if self.trouble and not self.trouble.is_over(now):
            return LOOK_EVERY
        try:
            self._connect()
            is_spare = not self._send_all(now)
        except BrokerAway as away:
            if not self._stop.is_set():
                self.trouble.begins(away.reason, now)
            is_spare = False
        else:
            self.trouble.ends(now)
        if self._on_duty and self._told != self.trouble.reason:
            self._sign(now)
        return SPARE_LOOKS_EVERY if is_spare else LOOK_EVERY

    def _look_safely(self) -> float:
        try:
            return self.look(time.time())
        except Exception:
            if self._stop.is_set():
                return 0.0
            logger.exception("The relay could not look for jobs; it looks again soon.")
            self._begin_anew()  # what was being looked at is forgotten
            return AFTER_ERROR

    def _begin_anew(self) -> None:
        self._hints.begin_anew()
        self._outbox.begin_anew()
        self._news.forget()

    def _connect(self) -> None:
        """Connect if there is no connection; to a new one, all that waits is new."""
        if self._broker.is_connected:
            self._broker.keep()
            return
        self._broker.connect()
        self._begin_anew()

    def _send_all(self, now: float) -> bool:
        """Send until nothing is left; tell whether this relay may."""
        while self._news.has_come() or self._hints.is_due(now) or self._outbox.is_due(now):
            found = self._read(now)
            if found is None or self._stop.is_set():
                self._news.forget()
                return found is not None
            hints, letters = found
            if not (hints or letters) or not self._take_duty(now):
                return True
            if letters:
                self._outbox.send(letters, now)
            if hints:
                self._hints.send(hints, now)
        return True

    def _read(self, now: float) -> tuple[list[Any], list[Any]] | None:
        """Return hints and letters that are to be sent; None if another relay sends."""
        with desk.changing(self._database) as connection:
            self._on_duty = self._watch.is_on_duty(connection)
            if not self._watch.may_send(connection):
                return None
            store = find_store(connection)
            if store is None:
                return [], []
            return self._hints.read(store, now), self._outbox.read(store, now)

    # Signs of life

    def _take_duty(self, now: float) -> bool:
        """Write a sign if one is due, before anything is sent; tell whether to send."""
        if self._on_duty and now < self._next_sign:
            return True
        self._hints.look_at_depths()
        if self._sign(now):
            return True
        self._begin_anew()  # another relay was faster
        return False

    def _sign(self, now: float) -> bool:
        """Write that this relay is on duty; tell whether it is."""
        try:
            with desk.changing(self._database) as connection:
                if not self._watch.may_send(connection):
                    return False
                self._watch.sign(connection, self.report())
        except TransientError:
            return False
        self._on_duty, self._told = True, self.trouble.reason
        self._next_sign = now + SIGN_EVERY
        return True

    def _leave(self) -> None:
        """Let another relay take over at once."""
        try:
            with desk.changing(self._database) as connection:
                self._watch.leave(connection)
        except Exception:
            logger.warning("The relay could not say that it ends; another one waits a minute.")

    def report(self) -> dict[str, Any]:
        """Return what the relay tells of itself, as plain data."""
        return {
            "broker": self._broker.address,
            "server": self._broker.server,
            "trouble": self.trouble.reason,
            "since": self._since,
            "hints": self._hints.count,
            "messages": self._outbox.count,
            "unsent": len(self._outbox.index),
            "waiting": dict(self._hints.waiting),
            "depths": dict(self._hints.depths),
            "unlike": dict(self._broker.unlike),
        }
