"""What all workers of the host do now: the sum of their snapshots.

This module decides which paths a user may see. It shows a path as Zope traverses it: without the
marks of a virtual host, however the client has written it.
"""

from ..kernel.numbers import Kind
from ..upstreams.figures import FIGURES
from ..upstreams.figures import STATES
from .board import Snapshot
from .history import EACH
from .history import POINTS
from .snapshot import NUMBERS
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import posixpath

#: How many of the last refusals and other bad ends are listed.
LAST = 50

#: The gauges of each worker. All are told, even if no worker is counted.
COUNTS = [one.name for one in NUMBERS if one.kind is Kind.GAUGE]


def of(snapshots: Sequence[Snapshot], now: float, site: str = "/") -> dict[str, Any]:
    """Return the overview of *snapshots*.

    Args:
        snapshots: Those of all workers, from the board. A stale worker is listed, but counted
            nowhere.
        now: The time, in seconds since the epoch.
        site: Only holds and refusals below this path are listed.
    """
    fresh = [snapshot for snapshot in snapshots if not snapshot["stale"]]
    counts = {name: sum(snapshot["counts"][name] for snapshot in fresh) for name in COUNTS}
    holds = sorted(_holds(fresh, now, site), key=lambda hold: hold["since"])
    return {
        "at": now,
        "workers": [_worker(snapshot, now) for snapshot in snapshots],
        "counts": counts,
        "totals": _sum(snapshot["totals"] for snapshot in fresh),
        "holds": holds,
        "more_holds": max(0, counts["held"] - len(holds)),
        "upstreams": _upstreams(fresh),
        "last": _last(fresh, site),
        "history": _history(fresh, now),
        "jobs": _jobs(fresh, now, site),
        "elsewhere": _elsewhere(fresh, now, site),
        "tokens": _sum(one["tokens"] for one in fresh if "tokens" in one),
    }


def hold_of(overview: Mapping[str, Any], worker: str, hold_id: str) -> dict[str, Any] | None:
    """Return a hold that *overview* lists; None if the hold is not there."""
    found = (h for h in overview["holds"] if (h["worker"], h["id"]) == (worker, hold_id))
    return next(found, None)


def place(path: str) -> str:
    """Return the place in Zope's tree of *path*, a request's; "" if the path is not known."""
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
    for snapshot in fresh:
        for hold in snapshot["holds"]:
            path = place(hold["path"])
            if is_below(path, site):
                age = max(0.0, now - hold["since"])
                yield {**hold, "path": path, "age": age, "worker": snapshot["worker"]}


def _worker(snapshot: Snapshot, now: float) -> dict[str, Any]:
    names = ("worker", "pid", "started", "at", "stale", "counts", "totals")
    return {**{name: snapshot[name] for name in names}, "age": max(0.0, now - snapshot["at"])}


def _jobs(fresh: Iterable[Snapshot], now: float, site: str) -> dict[str, Any]:
    """Return what the runners do.

    All runners see the same jobs wait. So these numbers are the largest of all runners, and those
    of what a runner does are sums.
    """
    found = [(snapshot["worker"], snapshot["jobs"]) for snapshot in fresh if "jobs" in snapshot]
    runners = [jobs for _, jobs in found]
    listed = [{**job, "worker": name} for name, jobs in found for job in jobs["jobs"]]
    visible = [job for job in listed if is_below(job["site"], site)]
    running = sum(jobs["running"] for jobs in runners)
    oldest = _merge(min, (jobs["oldest"] for jobs in runners))
    return {
        "runners": sum(jobs["claims"] for jobs in runners),
        "most": sum(jobs["most"] for jobs in runners if jobs["claims"]),
        "running": running,
        "jobs": sorted(
            ({**job, "age": max(0.0, now - job["since"])} for job in visible), key=_since
        ),
        "more_jobs": max(0, running - len(visible)),
        "waiting": _merge(max, (jobs["waiting"] for jobs in runners)),
        "oldest": {queue: max(0.0, now - due) for queue, due in oldest.items()},
        "unserved": _unserved(runners),
        "dead": max((jobs["dead"] for jobs in runners), default=0),
        "totals": _sum(jobs["totals"] for jobs in runners),
        "recent": _sum(jobs["recent"] for jobs in runners),
    }


def _elsewhere(fresh: Iterable[Snapshot], now: float, site: str) -> dict[str, Any]:
    """Return what is known of jobs for workers elsewhere, and of claims that wait.

    All runners see the same jobs, and each process has claims of its own.
    """
    found = list(fresh)
    seen = [one["jobs"]["elsewhere"] for one in found if "elsewhere" in one.get("jobs", {})]
    parts = [one["claims"] for one in found if "claims" in one]
    listed = {job["id"]: job for jobs in seen for job in jobs["jobs"]}.values()
    visible = [_running(job, now) for job in listed if is_below(job["site"], site)]
    running = _merge(max, (jobs["running"] for jobs in seen))
    oldest = _merge(min, (jobs["oldest"] for jobs in seen))
    claims = claims_by_queue(line for part in parts for line in part["waiting"])
    return {
        "jobs": sorted(visible, key=_since),
        "more_jobs": max(0, sum(running.values()) - len(visible)),
        "running": running,
        "waiting": _merge(max, (jobs["waiting"] for jobs in seen)),
        "oldest": {queue: max(0.0, now - due) for queue, due in oldest.items()},
        "claims": claims,
        "unserved": [queue for queue in oldest if queue not in claims and queue not in running],
        "totals": _sum(part["totals"] for part in parts),
    }


def _running(job: Mapping[str, Any], now: float) -> dict[str, Any]:
    left = max(0.0, job["lease"] - now)
    return {**job, "age": max(0.0, now - job["since"]), "lease_left": left}


def claims_by_queue(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many claims wait in each queue, of all sites."""
    found: Counter[str] = Counter()
    for line in lines:
        found[line["queue"]] += line["claims"]
    return dict(found)


def _since(job: Mapping[str, Any]) -> float:
    return float(job["since"])


def _merge(choose: Callable[..., Any], each: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return for each name the value to *choose* of those that *each* has."""
    found: dict[str, list[Any]] = {}
    for mapping in each:
        for name, value in mapping.items():
            found.setdefault(name, []).append(value)
    return {name: choose(found[name]) for name in sorted(found)}


def _unserved(runners: list[Mapping[str, Any]]) -> list[str]:
    """Return the queues that wait, and that no runner of this host serves."""
    queues = {queue for jobs in runners for queue in jobs["waiting"]}
    return sorted(q for q in queues if not any(serves(jobs, q) for jobs in runners))


def serves(jobs: Mapping[str, Any], queue: str) -> bool:
    """Tell whether a runner, of whose snapshot *jobs* is the part, runs jobs of *queue*."""
    return bool(jobs["claims"]) and (not jobs["queues"] or queue in jobs["queues"])


def _sum(numbers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up the numbers by name, those of nested mappings too."""
    found = list(numbers)
    names = dict.fromkeys(name for mapping in found for name in mapping)
    values = {name: [mapping[name] for mapping in found if name in mapping] for name in names}
    return {n: _sum(v) if isinstance(v[0], Mapping) else sum(v) for n, v in values.items()}


def _upstreams(fresh: Iterable[Snapshot]) -> list[dict[str, Any]]:
    by_host: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for snapshot in fresh:
        for upstream in snapshot["upstreams"]:
            by_host.setdefault((upstream["name"], upstream["host"]), []).append(upstream)
    return [_upstream(*key, workers) for key, workers in sorted(by_host.items())]


def _upstream(name: str, host: str, workers: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an upstream as all *workers* see it.

    The numbers are sums. The times are those of the slowest worker, the breaker is the worst.
    """
    breakers = Counter(figures["breaker"] for figures in workers)
    return {
        "name": name,
        "host": host,
        **{one.name: one.merge([worker[one.name] for worker in workers]) for one in FIGURES},
        "breaker": next(state for state in reversed(STATES.values()) if breakers[state]),
        "breakers": dict(breakers),
    }


def _last(fresh: Iterable[Snapshot], site: str) -> list[dict[str, Any]]:
    """Return the newest refusals and other bad ends, the last one first."""
    pairs = [(snapshot["worker"], event) for snapshot in fresh for event in snapshot["last"]]
    events = [{**event, "path": place(event["path"]), "worker": name} for name, event in pairs]
    visible = [event for event in events if is_below(event["path"], site)]
    return sorted(visible, key=lambda event: event["at"], reverse=True)[:LAST]


def _history(fresh: list[Snapshot], now: float) -> list[list[float]]:
    """Return the points of the last ten minutes, each the sum of all workers' points.

    The last point is the newest that all workers have reported. The sum of a newer point, which
    some workers have not reported yet, would be too low.
    """
    newest = [snapshot["history"][-1][0] for snapshot in fresh if snapshot["history"]]
    last = int(min([now, *newest]) // EACH)
    points = {at: [at * EACH, 0, 0, 0] for at in range(last - POINTS + 1, last + 1)}
    for snapshot in fresh:
        mine = {int(at // EACH): numbers for at, *numbers in snapshot["history"]}
        for at in mine.keys() & points.keys():
            points[at][1:] = map(sum, zip(points[at][1:], mine[at], strict=True))
    return list(points.values())
