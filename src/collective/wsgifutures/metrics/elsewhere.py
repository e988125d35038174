"""The metrics of workers elsewhere, of their jobs, and of the relay.

What a process counts is told by its snapshot; what the relay tells stands in the database. As for
all metrics, neither paths nor users nor hosts are labels, so the broker's address is none.
"""

from ..amqp.publishing import QUEUE as OF_MESSAGES
from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from ..status.board import Snapshot
from ..status.overview import claims_by_queue
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric
from typing import Any

_FAMILIES = {Kind.GAUGE: GaugeMetricFamily, Kind.COUNTER: CounterMetricFamily}

_NOTHING: Mapping[str, Any] = {"waiting": {}, "oldest": {}, "running": {}}


def _counted(name: str, what: str) -> Number:
    metric = "leases_lost" if name == "lost" else name
    return Number(f"elsewhere_{metric}", Kind.COUNTER, lambda totals: float(totals[name]), what)


#: Metrics of what workers elsewhere did by requests to a worker.
OF_CLAIMS = (
    _counted("claimed", "Claims of jobs by workers elsewhere"),
    _counted("done", "Jobs that workers elsewhere completed"),
    _counted("failed", "Attempts that workers elsewhere said have failed"),
    _counted("released", "Jobs that workers elsewhere gave back"),
    _counted("lost", "Leases that ended since a worker elsewhere was silent"),
)

#: Metrics of the relay, each read from what it told last.
OF_RELAY = (
    Number(
        *("relay_up", Kind.GAUGE, lambda told: float(not told["has_ended"])),
        "0 if the relay is known to have ended",
    ),
    Number(
        *("relay_trouble", Kind.GAUGE, lambda told: float(bool(told.get("trouble")))),
        "1 if the broker cannot be reached, or confirms nothing",
    ),
    Number(
        *("relay_sign_time_seconds", Kind.GAUGE, lambda told: float(told.get("at", 0.0))),
        "When the relay last gave a sign of life; without work it gives none",
    ),
    Number(
        *("relay_hints", Kind.COUNTER, lambda told: float(told.get("hints", 0))),
        "Hints that the broker has confirmed",
    ),
    Number(
        *("relay_messages", Kind.COUNTER, lambda told: float(told.get("messages", 0))),
        "Messages that the broker has confirmed",
    ),
)


def of_elsewhere(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Yield the metrics of workers elsewhere and of their jobs, as each worker tells them."""
    for one in OF_CLAIMS:
        family = _family(one, ["worker"])
        for snapshot in snapshots:
            totals = snapshot.get("claims", {}).get("totals")
            if totals:
                family.add_metric([snapshot["worker"]], one.read(totals))
        yield family
    yield from _by_queue(snapshots)
    yield from _messages(snapshots)


def _by_queue(snapshots: list[Snapshot]) -> Iterator[Metric]:
    families = [_family(one, ["worker", "queue"]) for one in OF_QUEUES]
    for snapshot in snapshots:
        told = _told(snapshot)
        for queue in sorted({*told["waiting"], *told["running"], *told["claims"]} - {OF_MESSAGES}):
            for one, family in zip(OF_QUEUES, families, strict=True):
                family.add_metric([snapshot["worker"], queue], one.read(told)(queue))
    yield from families


def _told(snapshot: Snapshot) -> dict[str, Any]:
    """Return what a worker tells of jobs elsewhere."""
    jobs = (snapshot.get("jobs") or {}).get("elsewhere", _NOTHING)
    claims = claims_by_queue(snapshot.get("claims", {}).get("waiting", ()))
    return {**jobs, "claims": claims, "at": snapshot["at"]}


def _number_in(name: str) -> Callable[[Mapping[str, Any]], Callable[[str], float]]:
    return lambda told: lambda queue: float(told[name].get(queue, 0))


def _age_in(told: Mapping[str, Any]) -> Callable[[str], float]:
    return lambda queue: max(0.0, float(told["at"] - told["oldest"].get(queue, told["at"])))


#: Metrics of each queue of workers elsewhere.
OF_QUEUES = (
    Number(
        *("elsewhere_claims_waiting", Kind.GAUGE, _number_in("claims")),
        "Claims of workers elsewhere that wait in the worker for jobs of the queue",
    ),
    Number(
        *("elsewhere_jobs_waiting", Kind.GAUGE, _number_in("waiting")),
        "Jobs of the queue that wait for workers elsewhere, the same for all workers of a database",
    ),
    Number(
        *("elsewhere_jobs_oldest_seconds", Kind.GAUGE, _age_in),
        "How long the oldest of these jobs might have begun",
    ),
    Number(
        *("elsewhere_jobs_running", Kind.GAUGE, _number_in("running")),
        "Jobs of the queue that workers elsewhere have, the same for all workers of a database",
    ),
)


def _messages(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Yield how many messages wait for the broker, and how long: those are jobs of the relay."""
    unconfirmed, oldest = (_family(one, ["worker"]) for one in OF_MESSAGES_THAT_WAIT)
    for snapshot in snapshots:
        if snapshot.get("jobs"):
            told = _told(snapshot)
            unconfirmed.add_metric([snapshot["worker"]], told["waiting"].get(OF_MESSAGES, 0))
            oldest.add_metric([snapshot["worker"]], _age_in(told)(OF_MESSAGES))
    yield from (unconfirmed, oldest)


OF_MESSAGES_THAT_WAIT = (
    Number(
        *("relay_unconfirmed_messages", Kind.GAUGE, float),
        "Messages that no broker has confirmed, the same for all workers of a database",
    ),
    Number(
        *("relay_oldest_seconds", Kind.GAUGE, float),
        "How long the oldest of these messages might have left",
    ),
)


def of_relay(told: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Yield the metrics of the relay that has *told* this; without samples if there is none."""
    for one in OF_RELAY:
        family = _family(one, [])
        if told is not None:
            family.add_metric([], one.read(told))
        yield family
    depth = GaugeMetricFamily(
        "wsgifutures_relay_depth", "Hints that lie at the broker, by queue", labels=["queue"]
    )
    for queue, number in sorted((told or {}).get("depths", {}).items()):
        depth.add_metric([queue], number)
    yield depth


def _family(one: Number, labels: list[str]) -> Any:
    return _FAMILIES[one.kind](f"wsgifutures_{one.name}", one.what, labels=labels)
