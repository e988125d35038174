"""Durations: counted up to each bound, and the percentiles of the last ones."""

from collective.wsgifutures.kernel.durations import BOUNDS
from collective.wsgifutures.kernel.durations import Durations
from collective.wsgifutures.kernel.durations import percentile
from collective.wsgifutures.kernel.durations import RECENT

import pytest


def test_each_is_counted_up_to_all_bounds_that_it_does_not_exceed():
    """As Prometheus counts: a bound is inside, and all that is shorter too."""
    durations = Durations()
    for seconds in (0.01, 0.011, 0.3, 99.0):
        durations.add(seconds)
    buckets = durations.buckets()
    assert buckets == {
        **{"0.01": 1, "0.025": 2, "0.05": 2, "0.1": 2, "0.25": 2, "0.5": 3, "1": 3},
        **{"2.5": 3, "5": 3, "10": 3, "30": 3, "60": 3, "+Inf": 4},
    }
    assert len(buckets) == len(BOUNDS) + 1
    assert durations.total == pytest.approx(99.321)


def test_only_the_last_ones_are_kept():
    """However long the process runs."""
    durations = Durations()
    for number in range(RECENT + 5):
        durations.add(number)
    assert list(durations.recent) == list(range(5, RECENT + 5))


@pytest.mark.parametrize(
    ("seconds", "percent", "found"),
    [
        ([], 50, None),
        ([3.0], 50, 3.0),
        ([3.0], 99, 3.0),
        ([2.0, 1.0], 50, 1.0),
        ([*range(100, 0, -1)], 50, 50),
        ([*range(1, 101)], 99, 99),
        ([*range(1, 201)], 99, 198),
    ],
)
def test_percentile_is_one_of_them(seconds, percent, found):
    """The first that so many percent of them do not exceed."""
    assert percentile(seconds, percent) == found
