"""How long things took: counted by bounds for a chart, and the last ones for a percentile.

No lock: a count that two threads raise in the same instant may lose one of them.
"""

from bisect import bisect_left
from collections import deque
from itertools import accumulate

import math

#: Seconds up to which is counted. What takes longer is counted too.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

#: So many of the last ones are looked at for a percentile.
RECENT = 500


class Durations:
    """Durations of one kind, in seconds."""

    def __init__(self) -> None:
        self.total = 0.0  #: of all of them
        self.recent: deque[float] = deque(maxlen=RECENT)
        self._counts = [0] * (len(BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        """Count one of *seconds*."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.recent.append(seconds)

    def buckets(self) -> dict[str, int]:
        """Return how many took up to each bound, ``+Inf`` the last one."""
        names = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        return dict(zip(names, accumulate(self._counts), strict=True))


def percentile(seconds: list[float], percent: float) -> float | None:
    """Return which of *seconds* so many percent of them do not exceed; None of none."""
    if not seconds:
        return None
    return sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]
