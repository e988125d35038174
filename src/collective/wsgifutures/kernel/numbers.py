"""A number that workers report: declared once, with where it is read and where it is shown.

Snapshots, metrics, the status page and the docs follow from the tables of these: those of a
worker in ``status/snapshot.py``, those of an upstream in ``upstreams/figures.py``.
"""

from collections.abc import Callable
from collections.abc import Iterable
from enum import Enum
from typing import Any
from typing import NamedTuple


class Kind(Enum):
    """How a number changes."""

    GAUGE = "gauge"  #: it is as it is now
    COUNTER = "counter"  #: it only grows


class Number(NamedTuple):
    """A number of a worker or of an upstream."""

    name: str  #: in a snapshot, and in the JSON of ``@futures``
    kind: Kind
    read: Callable[[Any], Any]  #: takes what has the number
    what: str = ""  #: what it is, for Prometheus; if empty, it has no metric of its own
    metric: str = ""  #: the name of its metric, if that differs
    merge: Callable[[list[Any]], Any] = sum  #: makes one of the numbers of several workers
    label: str = ""  #: heads its column on the status page; if empty, it has none
    title: str = ""  #: explains the label


def largest(numbers: Iterable[float | None]) -> float | None:
    """Return the largest of *numbers*, None if there is none."""
    return max((number for number in numbers if number is not None), default=None)
