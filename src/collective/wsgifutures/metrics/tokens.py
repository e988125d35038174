"""The metrics of tokens: how many each worker has refused, and why."""

from ..status.board import Snapshot
from .tables import PREFIX
from collections.abc import Iterator
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric


def of_tokens(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Yield the metrics of tokens, as each worker tells them."""
    family = CounterMetricFamily(
        PREFIX + "tokens_refused",
        "Requests with a token of ours that was not good, by the reason",
        labels=["worker", "reason"],
    )
    for one in snapshots:
        for reason, number in one.get("tokens", {}).get("refused", {}).items():
            family.add_metric([one["worker"], reason], number)
    yield family
