"""The metrics that a table of numbers makes: one for each number, with a sample for each thing."""

from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from collections.abc import Iterable
from collections.abc import Iterator
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric
from typing import Any

PREFIX = "wsgifutures_"

FAMILIES = {Kind.GAUGE: GaugeMetricFamily, Kind.COUNTER: CounterMetricFamily}


def of_each(
    numbers: Iterable[Number], labels: list[str], things: list[tuple[list[str], Any]]
) -> Iterator[Metric]:
    """Yield the metrics of *numbers*.

    Args:
        numbers: The table. Each is read from a thing.
        labels: The names of the labels.
        things: What has the numbers, each after the values of its labels.
    """
    for one in numbers:
        family = FAMILIES[one.kind](PREFIX + one.name, one.what, labels=labels)
        for values, thing in things:
            family.add_metric(values, one.read(thing))
        yield family
