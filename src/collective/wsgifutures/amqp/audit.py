"""The check before a worker may serve that is about the relay, and the broker behind it."""

from ..jobs import desk
from ..jobs.store import find_store
from ..jobs.store import jobs_of
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from .duty import sign_of
from .publishing import QUEUE
from .unlike import LASTING
from .unlike import settings_of
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import islice
from typing import Any

import re
import time

#: The oldest RabbitMQ whose quorum queues can do what is asked of them here.
OLDEST = (3, 10)

#: Seconds that a message may wait for a relay, and how many of the newest jobs are looked at.
LATE = 60.0
FAR = 1_000


class RelayJoint(Joint):
    """What the relay has to do with a worker: its audit.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def findings(self, workers: int) -> list[Finding]:
        """Return whether the relay and its broker do their work."""
        return list(of_relay(self._database))


def zope_has_started(event: Any) -> None:
    """Join the worker with the relay of this Zope's database."""
    join(RelayJoint(event.database))


def of_relay(database: Any) -> Iterator[Finding]:
    """Check that messages of *database* leave, and that its relay and the broker do their work."""
    with desk.changing(database) as connection:
        told, store, now = sign_of(connection), find_store(connection), time.time()
        late = [] if store is None else list(_late(store, now))
    if late and (told is None or told["has_ended"]):
        yield warning(
            "relay",
            f"No relay runs, and messages wait for a broker: {len(late)}, the oldest for "
            f"{now - min(late):.0f} s.",
            "Start wsgifutures relay --broker=...",
        )
    elif told is not None:
        yield _trouble(told) if told.get("trouble") else _version(told)
        yield from _unlike(told.get("unlike") or {})


def _late(store: Any, now: float) -> Iterator[float]:
    """Yield since when messages might have left that wait for a while."""
    for entry in islice(jobs_of(store), FAR):
        is_late = entry.queue == QUEUE and entry.due < now - LATE
        if is_late and entry.job.waits(entry.generation):
            yield float(entry.due)


def _trouble(told: Mapping[str, Any]) -> Finding:
    return warning(
        "broker",
        f"The broker did not do its work when the relay told last: {told['trouble']}",
        "Visitors do not notice, and nothing is lost: the relay goes on when the broker is back.",
    )


def _unlike(unlike: dict[str, str]) -> Iterator[Finding]:
    """Tell which queues were not made by the relay; check that they last."""
    bad = {name: setting for name, setting in unlike.items() if setting in LASTING}
    if bad:
        yield warning(
            "broker",
            f"Queues at the broker are not made to last: {settings_of(bad)}. What is in them may "
            "be gone with a restart, with a node, or after some deliveries; then jobs wait longer.",
            "Delete them while they are empty: the relay makes them again, as quorum queues.",
        )
    elif unlike:
        text = "Queues at the broker have settings of their own, and are used as they are"
        yield ok("broker", f"{text}: {settings_of(unlike)}.")


def _version(told: Mapping[str, Any]) -> Finding:
    """Check the version of the broker, if it is known."""
    server = str(told.get("server") or "")
    found = re.match(r"RabbitMQ (\d+)\.(\d+)", server)
    text = f"{told.get('broker', '')} {server}".strip()
    if found is None or tuple(map(int, found.groups())) >= OLDEST:
        return ok("broker", f"The relay told last of: {text}.")
    oldest = ".".join(map(str, OLDEST))
    return warning(
        "broker",
        f"The broker is too old ({text}): its quorum queues know neither limits of deliveries nor "
        "ends of messages as they are declared here.",
        f"Use RabbitMQ {oldest} or newer.",
    )
