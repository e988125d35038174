"""What all workers of the host do now, as one: the sum of their snapshots.

For people and scripts who look. Which paths somebody may see is decided here, and a path
is shown as Zope traverses it: without the marks of a virtual host, whatever was written.
"""

from ..kernel.numbers import Kind
from ..upstreams.figures import FIGURES
from ..upstreams.figures import STATES
from .board import Snapshot
from .history import EACH
from .history import POINTS
from .snapshot import NUMBERS
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import posixpath

#: How many of the last refusals and expiries are told.
LAST = 50

#: The gauges of each worker. All are told, even if no worker is counted.
COUNTS = [one.name for one in NUMBERS if one.kind is Kind.GAUGE]


def of(snapshots: Sequence[Snapshot], now: float, site: str = "/") -> dict[str, Any]:
    """Return the overview of *snapshots*, as they are read from the board.

    Args:
        snapshots: Of each worker. One that is stale is listed, and counted nowhere.
        now: Seconds since the epoch.
        site: Only holds below this path are told, and only refusals there.
    """
    fresh = [one for one in snapshots if not one["stale"]]
    counts = {name: sum(one["counts"][name] for one in fresh) for name in COUNTS}
    holds = sorted(_holds(fresh, now, site), key=lambda hold: hold["since"])
    return {
        "at": now,
        "workers": [_worker(one, now) for one in snapshots],
        "counts": counts,
        "totals": _sum(one["totals"] for one in fresh),
        "holds": holds,
        "more_holds": max(0, counts["held"] - len(holds)),
        "upstreams": _upstreams(fresh),
        "last": _last(fresh, site),
        "history": _history(fresh, now),
    }


def hold_of(overview: Mapping[str, Any], worker: str, hold_id: str) -> dict[str, Any] | None:
    """Return a hold that *overview* lists, None where it does not."""
    found = (one for one in overview["holds"] if (one["worker"], one["id"]) == (worker, hold_id))
    return next(found, None)


def place(path: str) -> str:
    """Return where *path*, that of a request, is in Zope's tree; "" where it is not known."""
    if not path:
        return ""
    parts = posixpath.normpath("/" + path.lstrip("/")).split("/")[1:]
    if parts[0] == "VirtualHostBase" and "VirtualHostRoot" in parts:
        root = parts.index("VirtualHostRoot")
        rest = parts[root + 1 :]
        while rest and rest[0].startswith("_vh_"):
            del rest[0]
        parts = parts[3:root] + rest
    return "/" + "/".join(parts)


def is_below(path: str, site: str) -> bool:
    """Tell whether *path*, a place, is *site* or below it."""
    return site == "/" or path == site or path.startswith(site + "/")


def _holds(fresh: Iterable[Snapshot], now: float, site: str) -> Iterable[dict[str, Any]]:
    for one in fresh:
        for hold in one["holds"]:
            path = place(hold["path"])
            if is_below(path, site):
                age = max(0.0, now - hold["since"])
                yield {**hold, "path": path, "age": age, "worker": one["worker"]}


def _worker(one: Snapshot, now: float) -> dict[str, Any]:
    names = ("worker", "pid", "started", "at", "stale", "counts", "totals")
    return {**{name: one[name] for name in names}, "age": max(0.0, now - one["at"])}


def _sum(numbers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up, name by name, whatever is nested in them too."""
    found = list(numbers)
    names = dict.fromkeys(name for one in found for name in one)
    values = {name: [one[name] for one in found if name in one] for name in names}
    return {n: _sum(v) if isinstance(v[0], Mapping) else sum(v) for n, v in values.items()}


def _upstreams(fresh: Iterable[Snapshot]) -> list[dict[str, Any]]:
    by_host: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in fresh:
        for upstream in one["upstreams"]:
            by_host.setdefault((upstream["name"], upstream["host"]), []).append(upstream)
    return [_upstream(*key, workers) for key, workers in sorted(by_host.items())]


def _upstream(name: str, host: str, workers: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one upstream of all *workers*: sums, the slowest worker's times, the worst breaker."""
    breakers = Counter(one["breaker"] for one in workers)
    return {
        "name": name,
        "host": host,
        **{one.name: one.merge([worker[one.name] for worker in workers]) for one in FIGURES},
        "breaker": next(state for state in reversed(STATES.values()) if breakers[state]),
        "breakers": dict(breakers),
    }


def _last(fresh: Iterable[Snapshot], site: str) -> list[dict[str, Any]]:
    """Return the newest of what was refused and what ended badly, the last one first."""
    told = [(one["worker"], event) for one in fresh for event in one["last"]]
    events = [{**event, "path": place(event["path"]), "worker": name} for name, event in told]
    seen = [event for event in events if is_below(event["path"], site)]
    return sorted(seen, key=lambda event: event["at"], reverse=True)[:LAST]


def _history(fresh: list[Snapshot], now: float) -> list[list[float]]:
    """Return the last ten minutes, the points of each worker added up.

    They end with the newest point that each worker has told: of a point that only some have
    told yet the sum would be too low.
    """
    last = int(min([now, *(one["history"][-1][0] for one in fresh if one["history"])]) // EACH)
    points = {at: [at * EACH, 0, 0, 0] for at in range(last - POINTS + 1, last + 1)}
    for one in fresh:
        mine = {int(at // EACH): numbers for at, *numbers in one["history"]}
        for at in mine.keys() & points.keys():
            points[at][1:] = map(sum, zip(points[at][1:], mine[at], strict=True))
    return list(points.values())
