"""The metrics of workers elsewhere, of their jobs, and of the relay.

What a process counts is told by its snapshot; what the relay tells stands in the database. As for
all metrics, neither paths nor users nor hosts are labels, so the broker's address is none.
"""

from ..amqp.publishing import QUEUE as OF_MESSAGES
from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from ..status.board import Snapshot
from ..status.overview import claims_by_queue
from .tables import of_each
from .tables import PREFIX
from collections.abc import Iterator
from collections.abc import Mapping
from operator import itemgetter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric
from typing import Any

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


#: Metrics of each queue of workers elsewhere.
OF_QUEUES = (
    Number(
        *("elsewhere_claims_waiting", Kind.GAUGE, itemgetter("claims")),
        "Claims of workers elsewhere that wait in the worker for jobs of the queue",
    ),
    Number(
        *("elsewhere_jobs_waiting", Kind.GAUGE, itemgetter("waiting")),
        "Jobs of the queue that wait for workers elsewhere, the same for all workers of a database",
    ),
    Number(
        *("elsewhere_jobs_oldest_seconds", Kind.GAUGE, itemgetter("oldest")),
        "How long the oldest of these jobs might have begun",
    ),
    Number(
        *("elsewhere_jobs_running", Kind.GAUGE, itemgetter("running")),
        "Jobs of the queue that workers elsewhere have, the same for all workers of a database",
    ),
)

#: Metrics of the messages that wait for the broker: those are jobs of the relay, in its queue.
OF_MESSAGES_THAT_WAIT = (
    Number(
        *("relay_unconfirmed_messages", Kind.GAUGE, itemgetter("waiting")),
        "Messages that no broker has confirmed, the same for all workers of a database",
    ),
    Number(
        *("relay_oldest_seconds", Kind.GAUGE, itemgetter("oldest")),
        "How long the oldest of these messages might have left",
    ),
)


def of_elsewhere(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Yield the metrics of workers elsewhere and of their jobs, as each worker tells them."""
    counted = [([one["worker"]], one.get("claims", {}).get("totals")) for one in snapshots]
    yield from of_each(OF_CLAIMS, ["worker"], [each for each in counted if each[1]])
    queues = [
        ([one["worker"], queue], _queue(told, queue))
        for one, told in ((one, _told(one)) for one in snapshots)
        for queue in sorted({*told["waiting"], *told["running"], *told["claims"]} - {OF_MESSAGES})
    ]
    yield from of_each(OF_QUEUES, ["worker", "queue"], queues)
    messages = [
        ([one["worker"]], _queue(_told(one), OF_MESSAGES)) for one in snapshots if one.get("jobs")
    ]
    yield from of_each(OF_MESSAGES_THAT_WAIT, ["worker"], messages)


def _told(snapshot: Snapshot) -> dict[str, Any]:
    """Return what a worker tells of jobs elsewhere."""
    jobs = (snapshot.get("jobs") or {}).get("elsewhere", _NOTHING)
    claims = claims_by_queue(snapshot.get("claims", {}).get("waiting", ()))
    return {**jobs, "claims": claims, "at": snapshot["at"]}


def _queue(told: Mapping[str, Any], queue: str) -> dict[str, float]:
    """Return the numbers of one queue, in what a worker tells."""
    counts = {name: float(told[name].get(queue, 0)) for name in ("claims", "waiting", "running")}
    since = told["oldest"].get(queue, told["at"])
    return {**counts, "oldest": max(0.0, float(told["at"] - since))}


def of_relay(told: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Yield the metrics of the relay that has *told* this; without samples if there is none."""
    yield from of_each(OF_RELAY, [], [] if told is None else [([], told)])
    depth = GaugeMetricFamily(
        f"{PREFIX}relay_depth", "Hints that lie at the broker, by queue", labels=["queue"]
    )
    for queue, number in sorted((told or {}).get("depths", {}).items()):
        depth.add_metric([queue], number)
    yield depth
