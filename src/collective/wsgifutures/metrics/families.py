"""The metrics, made of the workers' snapshots.

Most follow from the tables of numbers in ``status/snapshot.py`` and ``upstreams/figures.py``; the
others are here. Neither paths nor users nor hosts are labels: Prometheus keeps a series for each
value of a label.
"""

from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from ..status.board import Snapshot
from ..status.overview import serves
from ..status.snapshot import NUMBERS
from ..upstreams.figures import FIGURES
from ..wsgi.limits import LIMITS
from .clock import of_clock
from .elsewhere import of_elsewhere
from .elsewhere import of_relay
from .tables import of_each
from .tables import PREFIX
from .tokens import of_tokens
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.core import Metric
from typing import Any


def _in_snapshot(one: Number) -> Callable[[Snapshot], float]:
    part = "counts" if one.kind is Kind.GAUGE else "totals"
    return lambda snapshot: float(snapshot[part][one.name])


def _in_hosts(one: Number) -> Callable[[list[dict[str, Any]]], float]:
    return lambda hosts: float(sum(host[one.name] for host in hosts))


def _oldest(snapshot: Snapshot) -> float:
    oldest = min((hold["since"] for hold in snapshot["holds"]), default=snapshot["at"])
    return max(0.0, float(snapshot["at"] - oldest))


#: Metrics of a worker, each read from its snapshot.
OF_WORKER = (
    Number(
        *("worker_start_time_seconds", Kind.GAUGE, itemgetter("started")),
        "When the worker started",
    ),
    Number(
        *("worker_report_time_seconds", Kind.GAUGE, itemgetter("at")),
        "When the worker last reported",
    ),
    Number(
        *("worker_stale", Kind.GAUGE, lambda snapshot: float(snapshot["stale"])),
        "1 if the worker has not reported lately: it stands still or has ended",
    ),
    Number(
        *("held_oldest_seconds", Kind.GAUGE, _oldest),
        "How long the oldest response is held",
    ),
    *(n._replace(name=n.metric or n.name, read=_in_snapshot(n)) for n in NUMBERS if n.what),
)

#: Metrics of an upstream in a worker, each read from its figures at all of its hosts.
OF_UPSTREAM = (
    *(n._replace(name=f"upstream_{n.name}", read=_in_hosts(n)) for n in FIGURES if n.what),
    Number(
        "upstream_breaker_open",
        Kind.GAUGE,
        lambda hosts: float(any(host["breaker"] != "closed" for host in hosts)),
        "1 if the upstream is not asked because too many of its calls failed",
    ),
    Number(
        *("upstream_off", Kind.GAUGE, lambda hosts: float(all(host["off"] for host in hosts))),
        "1 if an operator has switched the upstream off",
    ),
)


def _in_jobs(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda jobs: float(jobs[name])


def _in_totals(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda jobs: float(jobs["totals"][name])


def _ended(name: str, what: str) -> Number:
    return Number(f"jobs_{name}", Kind.COUNTER, _in_totals(name), what)


#: Metrics of the runner of jobs in a worker, each read from its part of the snapshot.
OF_RUNNER = (
    Number(
        *("jobs_runner", Kind.GAUGE, _in_jobs("claims")),
        "1 if the worker runs jobs, 0 if jobs are only submitted there",
    ),
    Number("jobs_running", Kind.GAUGE, _in_jobs("running"), "Jobs that run now"),
    Number("jobs_running_limit", Kind.GAUGE, _in_jobs("most"), "How many jobs may run (max_jobs)"),
    Number(
        *("jobs_dead", Kind.GAUGE, _in_jobs("dead")),
        "Dead jobs of the database, the same for all its workers",
    ),
    _ended("done", "Jobs that were done"),
    _ended("failed", "Attempts at jobs that failed and are tried again"),
    Number(
        *("jobs_died", Kind.COUNTER, _in_totals("dead")),
        "Jobs that ran out of attempts, or that nobody could do",
    ),
    _ended("cancelled", "Running jobs that were cancelled"),
    _ended("rescued", "Jobs whose process had ended, and that wait again"),
    _ended("lost", "Attempts that came too late: the job was another worker's by then"),
    _ended("conflicts", "Attempts that ended with a conflict in the database"),
    _ended("stopped", "Attempts that the stop of the worker ended"),
)

#: Metrics of a queue in a worker, and what each one says.
OF_QUEUE = {
    "jobs_waiting": "Jobs of the queue that wait, the same for all workers of a database",
    "jobs_oldest_seconds": "How long the oldest job of the queue might have begun",
    "jobs_served": "1 if the worker runs jobs of the queue",
}


def families(
    snapshots: Iterable[Snapshot], relay: Mapping[str, Any] | None = None
) -> Iterator[Metric]:
    """Yield the metrics of all workers that the *snapshots* are of.

    Args:
        snapshots: Those of the board.
        relay: What the relay of the database told last; None: it has none.
    """
    snapshots = list(snapshots)
    yield from of_each(OF_WORKER, ["worker"], [([one["worker"]], one) for one in snapshots])
    yield _refused(snapshots)
    yield _held_for(snapshots)
    upstreams = [
        ([one["worker"], name], list(hosts))
        for one in snapshots
        for name, hosts in groupby(one["upstreams"], key=itemgetter("name"))
    ]
    yield from of_each(OF_UPSTREAM, ["worker", "upstream"], upstreams)
    yield _attempts(upstreams)
    yield from _of_runners([one for one in snapshots if one.get("jobs")])
    yield from of_clock(snapshots)
    yield from of_elsewhere(snapshots)
    yield from of_relay(relay)
    yield from of_tokens(snapshots)


def _refused(snapshots: list[Snapshot]) -> Metric:
    family = CounterMetricFamily(
        PREFIX + "refused",
        "Refused requests, by the limit that was reached",
        labels=["worker", "limit"],
    )
    for one in snapshots:
        for limit in LIMITS:  # even one that was never reached: a rate begins at 0
            family.add_metric([one["worker"], limit], one["totals"]["refused"].get(limit, 0))
    return family


def _held_for(snapshots: list[Snapshot]) -> Metric:
    workers = [([one["worker"]], one["totals"]) for one in snapshots]
    return _took("held", "How long responses were held", "held", workers)


def _took(name: str, what: str, part: str, workers: list[tuple[list[str], Any]]) -> Metric:
    """Return how long something took, of which each worker has the sum and the buckets."""
    family = HistogramMetricFamily(f"{PREFIX}{name}_seconds", what, labels=["worker"])
    for labels, has in workers:
        buckets = list(has[f"{part}_buckets"].items())
        family.add_metric(labels, buckets, has[f"{part}_seconds"])
    return family


def _attempts(upstreams: list[tuple[list[str], list[dict[str, Any]]]]) -> Metric:
    family = HistogramMetricFamily(
        PREFIX + "upstream_attempt_seconds",
        "How long finished attempts of calls took",
        labels=["worker", "upstream"],
    )
    for labels, hosts in upstreams:
        bounds = hosts[0]["buckets"]
        buckets = [(bound, sum(host["buckets"][bound] for host in hosts)) for bound in bounds]
        family.add_metric(labels, buckets, sum(host["seconds"] for host in hosts))
    return family


def _of_runners(snapshots: list[Snapshot]) -> Iterator[Metric]:
    runners = [([one["worker"]], one["jobs"]) for one in snapshots]
    yield from of_each(OF_RUNNER, ["worker"], runners)
    yield from _waiting(snapshots)
    yield _took("jobs_delay", "From when jobs might begin until they began", "delay", runners)
    yield _took("jobs_run", "How long attempts at jobs took", "run", runners)


def _waiting(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Yield how many jobs wait in each queue, for how long, and whether the worker serves it."""
    waiting, oldest, served = (
        GaugeMetricFamily(PREFIX + name, what, labels=["worker", "queue"])
        for name, what in OF_QUEUE.items()
    )
    for one in snapshots:
        jobs = one["jobs"]
        for queue in sorted({*jobs["waiting"], *jobs["oldest"], *jobs["queues"]}):
            labels = [one["worker"], queue]
            due = jobs["oldest"].get(queue, one["at"])
            waiting.add_metric(labels, jobs["waiting"].get(queue, 0))
            oldest.add_metric(labels, max(0.0, one["at"] - due))
            served.add_metric(labels, float(serves(jobs, queue)))
    yield from (waiting, oldest, served)
