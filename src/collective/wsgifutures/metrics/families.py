"""The metrics, made of the workers' snapshots.

Every name is here, once, with what it is: the page in the docs lists the same. Neither paths nor
users nor hosts are labels: each value of a label is a series that Prometheus keeps.
"""

from ..status.board import Snapshot
from ..wsgi.limits import LIMITS
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.core import Metric
from typing import Any
from typing import NamedTuple

PREFIX = "wsgifutures_"


class Told(NamedTuple):
    """One metric of a worker, or of an upstream in a worker."""

    kind: type[GaugeMetricFamily] | type[CounterMetricFamily]
    name: str
    what: str
    value: Callable[[Any], float]


def _count(name: str) -> Callable[[Snapshot], float]:
    return lambda snapshot: float(snapshot["counts"][name])


def _total(name: str) -> Callable[[Snapshot], float]:
    return lambda snapshot: float(snapshot["totals"][name])


def _oldest(snapshot: Snapshot) -> float:
    oldest = min((hold["since"] for hold in snapshot["holds"]), default=snapshot["at"])
    return max(0.0, float(snapshot["at"] - oldest))


def _sum(name: str) -> Callable[[list[dict[str, Any]]], float]:
    return lambda hosts: float(sum(host[name] for host in hosts))


GAUGE, COUNTER = GaugeMetricFamily, CounterMetricFamily

OF_WORKER = (
    Told(GAUGE, "worker_start_time_seconds", "When the worker started", itemgetter("started")),
    Told(GAUGE, "worker_report_time_seconds", "When the worker reported last", itemgetter("at")),
    Told(
        GAUGE,
        "worker_stale",
        "1 where the worker has not reported lately: it stands still, or has ended",
        lambda snapshot: float(snapshot["stale"]),
    ),
    Told(GAUGE, "held_responses", "Responses that are held now", _count("held")),
    Told(GAUGE, "held_responses_limit", "How many may be held (max_held)", _count("max_held")),
    Told(GAUGE, "held_oldest_seconds", "For how long the oldest of them is held", _oldest),
    Told(GAUGE, "waiting_passes", "Passes that wait for a slot now", _count("waiting")),
    Told(
        GAUGE,
        "waiting_passes_limit",
        "How many new requests may wait for a slot (max_waiting)",
        _count("max_waiting"),
    ),
    Told(GAUGE, "slots_used", "Passes that run now", _count("slots_used")),
    Told(GAUGE, "slots", "How many passes run at a time", _count("slots")),
    Told(COUNTER, "requests", "Requests that were let in", _total("requests")),
    Told(COUNTER, "passes", "Passes of those that are answered", _total("passes")),
    Told(
        COUNTER,
        "expired",
        "Held responses that got their last pass at the deadline",
        _total("expired"),
    ),
    Told(COUNTER, "cancelled", "Held responses that an operator cancelled", _total("cancelled")),
    Told(COUNTER, "timeouts", "Futures that took longer than their timeouts", _total("timeouts")),
    Told(COUNTER, "clients_gone", "Clients that left before they were answered", _total("gone")),
    Told(COUNTER, "slow_passes", "Passes that took longer than slow_pass", _total("slow_passes")),
    Told(
        COUNTER,
        "blocked",
        "Views and futures that let nothing else run for longer than blocked",
        _total("blocked"),
    ),
)

OF_UPSTREAM = (
    Told(COUNTER, "upstream_calls", "Calls to the upstream", _sum("calls")),
    Told(COUNTER, "upstream_errors", "Attempts that failed, or got a 5xx", _sum("errors")),
    Told(COUNTER, "upstream_retries", "Attempts that were made again", _sum("retries")),
    Told(COUNTER, "upstream_busy", "Calls that were refused before they were made", _sum("busy")),
    Told(COUNTER, "upstream_cache_hits", "Answers that were kept ones", _sum("cache_hits")),
    Told(
        COUNTER,
        "upstream_cache_misses",
        "Answers that might have been kept ones and were not",
        _sum("cache_misses"),
    ),
    Told(GAUGE, "upstream_in_flight", "Calls that are made now", _sum("in_flight")),
    Told(GAUGE, "upstream_queued", "Calls that wait for their turn now", _sum("queued")),
    Told(
        GAUGE,
        "upstream_breaker_open",
        "1 where the upstream is not asked, since too many of its calls failed",
        lambda hosts: float(any(host["breaker"] != "closed" for host in hosts)),
    ),
    Told(
        GAUGE,
        "upstream_off",
        "1 where an operator has switched the upstream off",
        lambda hosts: float(all(host["off"] for host in hosts)),
    ),
)


def families(snapshots: Iterable[Snapshot]) -> Iterator[Metric]:
    """Yield all metrics of the workers whose *snapshots* these are."""
    snapshots = list(snapshots)
    yield from _of_each(OF_WORKER, ["worker"], [([one["worker"]], one) for one in snapshots])
    yield _refused(snapshots)
    yield _held_for(snapshots)
    upstreams = [
        ([one["worker"], name], list(hosts))
        for one in snapshots
        for name, hosts in groupby(one["upstreams"], key=itemgetter("name"))
    ]
    yield from _of_each(OF_UPSTREAM, ["worker", "upstream"], upstreams)
    yield _attempts(upstreams)


def _of_each(
    told: Iterable[Told], labels: list[str], things: list[tuple[list[str], Any]]
) -> Iterator[Metric]:
    for one in told:
        family = one.kind(PREFIX + one.name, one.what, labels=labels)
        for values, thing in things:
            family.add_metric(values, one.value(thing))
        yield family


def _refused(snapshots: list[Snapshot]) -> Metric:
    family = CounterMetricFamily(
        PREFIX + "refused",
        "Requests that were refused, by the limit in the way",
        labels=["worker", "limit"],
    )
    for one in snapshots:
        for limit in LIMITS:  # those too that never were in the way: a rate begins at 0
            family.add_metric([one["worker"], limit], one["totals"]["refused"].get(limit, 0))
    return family


def _held_for(snapshots: list[Snapshot]) -> Metric:
    family = HistogramMetricFamily(
        PREFIX + "held_seconds", "For how long responses were held", labels=["worker"]
    )
    for one in snapshots:
        totals = one["totals"]
        family.add_metric(
            [one["worker"]], list(totals["held_buckets"].items()), totals["held_seconds"]
        )
    return family


def _attempts(upstreams: list[tuple[list[str], list[dict[str, Any]]]]) -> Metric:
    family = HistogramMetricFamily(
        PREFIX + "upstream_attempt_seconds",
        "How long attempts of calls took that came to an end",
        labels=["worker", "upstream"],
    )
    for labels, hosts in upstreams:
        bounds = hosts[0]["buckets"]
        buckets = [(bound, sum(host["buckets"][bound] for host in hosts)) for bound in bounds]
        family.add_metric(labels, buckets, sum(host["seconds"] for host in hosts))
    return family
