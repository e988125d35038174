"""What a relay does: it looks for what is to be sent, sends it, and gives signs of life.

It looks four times a second; if the database did not change, a look costs nothing. It reads in a
transaction of its own, which is over when it talks with the broker, and writes in another one.
Whatever the broker does, nothing but this process waits for it.

While the broker is away the relay tries again after growing pauses. The log says so once, and once
when the broker is back.
"""

from ..jobs import desk
from ..jobs.changes import Changes
from ..jobs.neighbours import find_place
from ..jobs.records import Job
from ..jobs.records import Store
from ..jobs.store import find_store
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

#: Seconds between two looks.
LOOK_EVERY = 0.25

#: Seconds between two looks at how many hints lie at the broker.
DEPTHS_EVERY = 10.0

#: Seconds until the next look after one that failed.
AFTER_ERROR = 5.0


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
        capability: Callable[[Any, Job], str],
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self._database = database
        self._broker = broker
        self._stop = stop
        self._changes = Changes(database)
        self._hints = Hints(broker, queues, capability)
        self._outbox = Outbox(broker, self._changes)
        self._watch = Watch(self.id, find_place())
        self._trouble = Trouble(f"The broker at {broker.address}")
        self._last_tid: Any = None
        self._next_sign = 0.0
        self._next_depths = 0.0
        self._knew = ""  # what the last sign said is wrong
        self._since = time.time()

    def run(self) -> None:
        """Look until the process is to end."""
        while not self._stop.is_set():
            self._stop.wait(self._look_safely())
        self._leave()

    def look(self, now: float) -> float:
        """Do what is to be done *now*; return for how long nothing is, in seconds."""
        if self._trouble and not self._trouble.is_over(now):
            return LOOK_EVERY
        self._connect(now)
        if not self._trouble:
            self._send_all(now)
        self._give_sign(now)
        return LOOK_EVERY

    def told(self) -> dict[str, Any]:
        """Return what a sign tells, as plain data."""
        return {
            "broker": self._broker.address,
            "connected": not self._trouble,
            "trouble": self._trouble.reason,
            "hints": self._hints.count,
            "messages": self._outbox.count,
            "waiting": tuple(sorted(self._hints.waiting.items())),
            "unsent": len(self._outbox.index),
            "depths": tuple(sorted(self._hints.depths.items())),
            "since": self._since,
        }

    # A look

    def _look_safely(self) -> float:
        try:
            return self.look(time.time())
        except Exception:
            if not self._stop.is_set():
                logger.exception("The relay could not look for jobs; it looks again soon.")
            self._last_tid = None
            return AFTER_ERROR

    def _connect(self, now: float) -> None:
        """Connect if there is no connection; all that waits is new to a new one."""
        if self._broker.is_connected:
            return self._with_broker(self._broker.keep, now)
        self._with_broker(self._broker.connect, now)
        if self._broker.is_connected:
            self._trouble.ends(now)
            self._hints.begin_anew()
            self._outbox.begin_anew()
            self._last_tid = None
            self._next_depths = 0.0
        return None

    def _send_all(self, now: float) -> None:
        while self._has_changed() or self._hints.is_due(now) or self._outbox.is_due(now):
            found = self._read(now)
            if not any(found) or self._stop.is_set():
                return
            hints, letters = found
            if not self._take_duty():
                return
            if letters:
                self._with_broker(lambda: self._outbox.send(letters, now), now)
            if hints and not self._trouble:
                self._with_broker(lambda: self._hints.send(hints, now), now)
            if self._trouble:
                return

    def _read(self, now: float) -> tuple[list[Any], list[Any]]:
        self._look_at_depths(now)
        with desk.changing(self._database) as connection:
            store = find_store(connection)
            if store is None or self._trouble or not self._watch.may_send(connection):
                self._last_tid = None  # look again
                return [], []
            return self._hints.read(store, now), self._outbox.read(store, now)

    def _look_at_depths(self, now: float) -> None:
        if now >= self._next_depths:
            self._next_depths = now + DEPTHS_EVERY
            self._with_broker(self._hints.look_at_depths, now)

    def _has_changed(self) -> bool:
        """Tell whether somebody may have committed something since the last look."""
        self._database.storage.sync() if hasattr(self._database.storage, "sync") else None
        last, self._last_tid = self._last_tid, self._database.lastTransaction()
        return bool(last != self._last_tid)

    def _with_broker(self, do: Callable[[], None], now: float) -> None:
        try:
            do()
        except BrokerAway as away:
            if not self._stop.is_set():
                self._trouble.begins(away.reason, now)

    # Signs of life

    def _take_duty(self) -> bool:
        return True

    def _give_sign(self, now: float) -> None:
        pass

    def _leave(self) -> None:
        self._broker.close()
