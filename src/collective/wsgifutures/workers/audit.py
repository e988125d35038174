"""The checks before a worker may serve that are about keys, clocks and workers elsewhere.

Hosts of one database can tell that their clocks differ: what one of them has written bears a time.
"""

from ..jobs import desk
from ..keys.addresses import PART
from ..keys.places import ROOT
from ..keys.ring import Ring
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from .assertions import LEEWAY
from .registry import Worker
from .registry import WorkerState
from collections.abc import Iterator
from persistent.TimeStamp import TimeStamp
from typing import Any

import time

#: Seconds by which clocks may differ until that is told: a host's, and a worker's.
AHEAD = 5.0
SKEW = LEEWAY / 2

#: Seconds after which an approved worker should have been seen.
LATE = 86400.0

DAY = 86400.0

#: The id of the last transaction of an empty database.
_NEVER = b"\0" * 8


def of_workers(database: Any) -> Iterator[Finding]:
    """Check the keys of the sites of *database*, the clocks of its hosts, and the workers."""
    with desk.changing(database) as connection:
        now, parts = time.time(), _parts(connection)
        rings = {path: found["ring"] for path, found in parts.items() if "ring" in found}
        workers = [
            (path, worker)
            for path, found in parts.items()
            if "workers" in found
            for worker in found["workers"].known.values()
            if worker.state is WorkerState.APPROVED
        ]
        yield from keys(rings, workers, now)
        yield from copies(rings, {path: parts[path].get(PART) for path in rings}, now)
        yield clocks(database, rings, now)
        yield from _of_each(workers, now)


def _parts(connection: Any) -> dict[str, Any]:
    """Return what is kept of each site, by its path."""
    found = connection.root().get(ROOT, {})
    return {key.partition(" ")[2]: found[key] for key in found}


def keys(
    rings: dict[str, Ring], workers: list[tuple[str, Worker]], now: float
) -> Iterator[Finding]:
    """Check that a site with workers has keys; tell how old these are."""
    without = sorted({path for path, _ in workers} - set(rings))
    if without:
        yield warning(
            "keys",
            f"Workers are approved, and the site has no key: {', '.join(without)}. The keys were "
            "lost, as from a database that was restored in part.",
            "The next token makes a new key, and workers ask for new tokens by themselves. Look "
            "what else was lost.",
        )
    elif rings:
        days = _days(now - min(ring.current.made for ring in rings.values()))
        text = f"Sites with keys: {len(rings)}. The oldest key that signs is {days} days old."
        yield ok("keys", text)


def copies(rings: dict[str, Ring], addresses: dict[str, Any], now: float) -> Iterator[Finding]:
    """Tell where tokens are asked for; check that a key did not come along to another address."""
    for path in sorted(rings):
        key, found = rings[path].current, addresses[path]
        moved = None if found is None else found.moved(key.id)
        if moved is not None:
            (former, _, last), (new, *_) = moved
            yield warning(
                "keys",
                f"The key of {path} signed tokens for {former} until {_days(now - last)} days ago, "
                f"and signs them for {new} now. If this database is a copy, each of "
                "both sites takes the tokens of the other one.",
                "In a copy, end all tokens: Site Setup, Workers elsewhere. If the site has moved, "
                "let the key change there.",
            )
        elif found is not None and found.key == key.id:
            urls = ", ".join(one.url for one in found.used)
            yield ok("keys", f"The key of {path} signs tokens for {urls}.")


def clocks(database: Any, rings: dict[str, Ring], now: float) -> Finding:
    """Check that nothing was written in the future."""
    times = {"The last transaction": TimeStamp(database.lastTransaction() or _NEVER).timeTime()}
    times.update({f"A key of {path}": ring.current.made for path, ring in rings.items()})
    what, at = max(times.items(), key=lambda pair: pair[1])
    if at - now <= AHEAD:
        return ok("clocks", "Nothing in the database is from the future.")
    return warning(
        "clocks",
        f"{what} is from {at - now:.0f} s in the future: the clocks of the hosts of this database "
        "differ. Tokens that one of them signs are refused by another one.",
        "Let all hosts set their clocks by NTP.",
    )


def _of_each(workers: list[tuple[str, Worker]], now: float) -> Iterator[Finding]:
    for path, worker in workers:
        yield from _skew(path, worker)
        if worker.seen is None and now - worker.since > LATE:
            yield warning(
                "workers",
                f"The worker {_told(worker)} of {path} was approved {_days(now - worker.since)} "
                "days ago and never asked for a token.",
                "Start it: wsgifutures-worker check says what is wrong. Or withdraw it in Site "
                "Setup, Workers elsewhere.",
            )


def _skew(path: str, worker: Worker) -> Iterator[Finding]:
    if worker.skew is None or abs(worker.skew) <= SKEW:
        return
    where = "ahead" if worker.skew > 0 else "behind"
    yield warning(
        "workers",
        f"The clock of the worker {_told(worker)} of {path} was {abs(worker.skew):.0f} s {where} "
        f"when it last asked for a token. With more than {LEEWAY:.0f} s it gets none.",
        "Let the machine of the worker, and this one, set their clocks by NTP.",
    )


def _days(seconds: float) -> int:
    return int(seconds // DAY)


def _told(worker: Worker) -> str:
    """Return a worker for a log: its name is what it calls itself."""
    return f"{worker.name!a} ({worker.id[:9]}…)"
