"""Which relay sends, and what it tells of itself: one record in the database.

Only one relay sends, so that messages of a key keep their order and nothing comes twice without
need; others of its kind look on. The record is a sign of life, written every ``SIGN_EVERY`` seconds
while there is work, and when the broker goes or comes; while nothing happens nothing is written.
A relay takes over where there is work and the sign has not changed for ``SILENCE`` seconds, by the
clock of whoever looks on; at once after a stop, or if the process is gone from this machine.

Live status and metrics read the record with ``sign_of``.
"""

from ..jobs.neighbours import find_place
from ..jobs.neighbours import is_gone
from ..jobs.store import main_connection
from persistent import Persistent
from typing import Any

import time

ROOT = "collective.wsgifutures.relay"

#: Seconds between two signs, while there is work.
SIGN_EVERY = 20.0

#: Seconds without a sign after which another relay takes over.
SILENCE = 60.0

#: A relay that has not looked for so many seconds was paused, and begins to look anew.
PAUSED = 15.0


class Duty(Persistent):  # type: ignore[misc]
    """Who is on duty."""

    relay = ""  #: the id of the relay that sends; empty: it has ended
    place: tuple[str, int] = ("", 0)  #: where it runs: machine and process id
    beat = 0  #: changes with each sign
    told: Any = None  #: what it tells of itself, a dict that nobody changes


def sign_of(connection: Any) -> dict[str, Any] | None:
    """Return what the relay of a database told last; None if there never was one.

    ``at`` is when that was, in seconds since the epoch: a relay without work is silent.
    ``has_ended`` is whether the relay is known to have ended: it said so, or its process is gone
    from this machine.
    """
    duty = main_connection(connection).root().get(ROOT)
    if duty is None:
        return None
    has_ended = not duty.relay or is_gone(duty.place, find_place())
    told = {"relay": duty.relay, "process": duty.place[1], "has_ended": has_ended}
    return {**told, **(duty.told or {})}


class Watch:
    """One relay, and what it sees of the one on duty.

    Args:
        id: The id of this relay.
        place: Where it runs.
    """

    def __init__(self, id: str, place: tuple[str, int]) -> None:
        self._id = id
        self._place = place
        self._seen: tuple[str, int] | None = None  # relay and beat of the one on duty
        self._since = 0.0
        self._looked = 0.0

    def may_send(self, connection: Any) -> bool:
        """Tell whether this relay is on duty, or may take over: there is work for it."""
        duty = connection.root().get(ROOT)
        if duty is None or duty.relay in ("", self._id):
            return True
        now = time.monotonic()
        seen = (duty.relay, duty.beat)
        if seen != self._seen or now - self._looked > PAUSED:
            self._seen, self._since = seen, now
        self._looked = now
        return is_gone(duty.place, self._place) or now - self._since > SILENCE

    def is_on_duty(self, connection: Any) -> bool:
        """Tell whether the record says so."""
        duty = connection.root().get(ROOT)
        return duty is not None and duty.relay == self._id

    def sign(self, connection: Any, told: dict[str, Any]) -> None:
        """Write that this relay is on duty, and what it tells. A conflict: another one is."""
        root = connection.root()
        if ROOT not in root:
            root[ROOT] = Duty()
        duty = root[ROOT]
        duty.relay, duty.place = self._id, self._place
        duty.beat += 1
        duty.told = {**told, "at": time.time()}

    def leave(self, connection: Any) -> bool:
        """Write that this relay has ended; tell whether there is something to commit."""
        if not self.is_on_duty(connection):
            return False
        connection.root()[ROOT].relay = ""
        return True
