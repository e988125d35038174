"""The metrics of timed work, as the clock of each worker has found it when it looked last.

An entry of several sites of a database is one series, of the site that is worst off: the doctor
tells which one that is.
"""

from ..kernel.numbers import Kind
from ..kernel.numbers import Number
from ..status.board import Snapshot
from .tables import of_each
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from prometheus_client.core import Metric
from typing import Any
from typing import NamedTuple


class _Entry(NamedTuple):
    """What a worker has found of an entry, in each of its sites."""

    figures: list[dict[str, Any]]
    at: float  #: when the worker reported

    def since(self, what: str) -> float:
        """Return for how long the oldest time of that kind is over, in seconds."""
        times = [figure[what] for figure in self.figures if figure[what] is not None]
        return max(0.0, self.at - min(times, default=self.at))


#: Metrics of an entry of timed work.
OF_ENTRY = (
    Number(
        *("clock_overdue_seconds", Kind.GAUGE, lambda entry: entry.since("due")),
        "How long a time of the timed work is over that nobody has looked at",
    ),
    Number(
        *("clock_failing", Kind.GAUGE, lambda entry: float(any(f["fails"] for f in entry.figures))),
        "1 if the last time of the timed work got no job, since that could not be submitted",
    ),
)

#: Metrics of an entry that has got a job.
OF_ENTRY_WITH_JOB = (
    Number(
        *("clock_last_slot_seconds", Kind.GAUGE, lambda entry: entry.since("slot")),
        "Seconds since the last time of the timed work that got a job",
    ),
)


def of_clock(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Yield the metrics of timed work, as each worker tells them."""
    found = [
        ([one["worker"], name], _Entry(list(figures), one["at"]))
        for one in snapshots
        for name, figures in groupby(
            sorted(one.get("clock", ()), key=itemgetter("entry")), key=itemgetter("entry")
        )
    ]
    yield from of_each(OF_ENTRY, ["worker", "entry"], found)
    with_job = [each for each in found if any(f["slot"] is not None for f in each[1].figures)]
    yield from of_each(OF_ENTRY_WITH_JOB, ["worker", "entry"], with_job)
