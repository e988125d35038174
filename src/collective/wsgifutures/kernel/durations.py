"""Durations: a count for each bound, for a chart, and the latest, for percentiles.

There is no lock: if two threads count in the same instant, one duration may be lost.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

import math

#: The upper bounds of the counts, in seconds. Longer durations have a count of their own.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

#: How many of the latest durations a percentile is taken from.
RECENT = 500


class Durations:
    """Durations of one kind, in seconds.

    Args:
        bounds: The upper bounds of the counts.
    """

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self._bounds = bounds
        self.total = 0.0  #: the sum of all durations
        self.recent: deque[float] = deque(maxlen=RECENT)
        self._counts = [0] * (len(bounds) + 1)

    def add(self, seconds: float) -> None:
        """Count a duration of *seconds*."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds
        self.recent.append(seconds)

    def buckets(self) -> dict[str, int]:
        """Return how many durations are within each bound; the last bound is ``+Inf``."""
        return buckets(self._counts, self._bounds)


def buckets(counts: list[int], bounds: Sequence[float] = BOUNDS) -> dict[str, int]:
    """Return how many are up to each bound, ``+Inf`` the last; *counts* has those in between."""
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return dict(zip(names, accumulate(counts), strict=True))


def percentile(seconds: list[float], percent: float) -> float | None:
    """Return the duration that *percent* percent of *seconds* do not exceed, None if empty."""
    if not seconds:
        return None
    return sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]
