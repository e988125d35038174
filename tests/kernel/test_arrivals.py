"""The line of new requests: fair to the lanes, and no longer than it can be served."""

from collective.wsgifutures.kernel.arrivals import _Rate
from collective.wsgifutures.kernel.arrivals import Arrivals
from collective.wsgifutures.kernel.arrivals import Refused
from collective.wsgifutures.kernel.arrivals import SOON
from collective.wsgifutures.kernel.arrivals import Ticket
from collective.wsgifutures.kernel.runtime import current

import pytest
import time

pytestmark = pytest.mark.concurrency


def ticket(lane=None):
    return Ticket(current().signal(), lane)


def serve(line):
    """Serve all that wait; return their lanes in the order in which they were served."""
    return [line.popleft().lane for _ in range(len(line))]


@pytest.mark.parametrize(
    ("waiting", "served"),
    [
        ("aaaaab", "abaaaa"),
        ("aaaaabc", "abacaaa"),
        ("aaaabb", "ababaa"),
        ("abcdef", "abcdef"),
        ("abcabc", "acbacb"),
        ("abbbbb", "abbbbb"),
    ],
)
def test_crowd_in_one_lane_does_not_keep_the_other_lanes_waiting(waiting, served):
    """Every other turn is the oldest one's, the turns between go round the lanes."""
    line = Arrivals(1000, 10)
    for lane in waiting:
        line.append(ticket(lane))
    assert "".join(serve(line)) == served
    assert line._lanes == {}  # nothing is kept of a lane that is empty


def test_one_that_comes_alone_has_the_next_turn():
    """However many turns the crowd had before."""
    for served in range(1, 6):
        line = Arrivals(1000, 10)
        for _ in range(10):
            line.append(ticket("crowd"))
        for _ in range(served):
            line.popleft()
        line.append(ticket("alone"))
        assert line.popleft().lane == "alone"


def test_crowd_waits_at_most_twice_as_long_for_the_other_lanes():
    """However many have a lane for themselves, as a crawler's requests have."""
    line, crowd = Arrivals(1000, 10), [ticket("crowd") for _ in range(50)]
    for number, one in enumerate(crowd):
        line.append(one)
        line.append(ticket(number))
    served = []
    for number in range(200):  # and ever more of them come
        line.append(ticket(100 + number))
        served.append(line.popleft())
    for number, one in enumerate(crowd):
        assert served.index(one) <= 2 * (2 * number + 1)


def test_one_that_leaves_the_line_takes_nobodys_turn():
    """Of two in a lane, and of one alone in its lane."""
    line, left = Arrivals(1000, 10), [ticket("a"), ticket("c")]
    for one in (left[0], ticket("a"), ticket("b"), left[1]):
        line.append(one)
    for one in left:
        line.remove(one)
        assert one not in line
    assert sorted(serve(line)) == ["a", "b"]


#: Seconds that a line is not judged.
EARLY = SOON - 0.5


def line_of(number, *, rate, stands, max_wait=45.0, burst=1000, came=0):
    """Return a line in which so many wait, which stands for so long and moves at that rate.

    So many *came* in each of the last seconds.
    """
    line = Arrivals(1000, max_wait)
    for _ in range(number):
        line.append(ticket())
    line._since -= stands
    line._burst = burst
    line._served.best = line._served.last = lambda now: rate
    line._came.last = lambda now: came
    return line


@pytest.mark.parametrize(
    ("number", "rate", "stands", "burst", "refused"),
    [
        (900, 0, EARLY, 900, False),
        (337, 10, 11, 1000, False),
        (338, 10, 11, 1000, True),
        (337, 10, 44, 1000, False),
        (200, 10, 11, 201, False),
        (200, 10, 11, 200, True),  # it grows
        (75, 10, 11, 75, False),
        (76, 10, 11, 76, True),
        (75, 10, 46, 1000, False),
        (76, 10, 46, 1000, True),
        (1, 0, 11, 1000, True),
    ],
)
def test_new_one_is_refused_when_it_would_wait_for_too_long(number, rate, stands, burst, refused):
    """Most of max_wait in a burst; ten seconds where a line grows, or does not end."""
    line = line_of(number, rate=rate, stands=stands, burst=burst)
    assert isinstance(raised_by_or_none(line.check), Refused) is refused


@pytest.mark.parametrize(
    ("number", "came", "refused"),
    [(337, 15, False), (75, 16, False), (76, 16, True), (76, 15, False)],
)
def test_new_one_is_refused_soon_when_far_more_come_than_are_served(number, came, refused):
    """That is an overload. A crowd that asks again comes as fast as it is served."""
    line = line_of(number, rate=10, stands=11, came=came)
    assert isinstance(raised_by_or_none(line.check), Refused) is refused


def test_who_is_refused_came_too():
    """Once each; and who may wait, when it begins to."""
    line = line_of(1, rate=0, stands=11)
    counts = line._came._counts
    before = counts[-1]
    assert isinstance(raised_by_or_none(line.check), Refused)
    assert counts[-1] == before + 1
    line = Arrivals(1000, 45)
    line.check()
    line.append(ticket())
    assert sum(line._came._counts) == 1


@pytest.mark.parametrize(
    ("lane", "refused"), [("crowd", True), ("few", False), ("none", False), (None, True)]
)
def test_new_one_is_refused_only_where_a_crowd_is_in_its_lane(lane, refused):
    """Nobody who would be served soon is refused for others; None stands for any lane."""
    line = line_of(0, rate=10, stands=0)
    for name in [*["crowd"] * 500, *["few"] * 3]:
        line.append(ticket(name))
    line._since -= 11
    assert isinstance(raised_by_or_none(lambda: line.check(lane)), Refused) is refused


def test_burst_is_what_came_soon():
    """Whoever joins the line later makes it grow."""
    line = Arrivals(1000, 45)
    for stands in (0, 5, 9.9, 10.1, 20):
        line.append(ticket())
        line._since = time.monotonic() - stands
    assert line._burst == 4
    while line:
        line.popleft()
    line.append(ticket())
    assert line._burst == 1


def test_short_max_wait_is_kept_to():
    """The line is judged after that time already, and nobody is let in for longer."""
    assert raised_by_or_none(line_of(15, rate=10, stands=2.1, max_wait=2).check) is None
    assert isinstance(
        raised_by_or_none(line_of(16, rate=10, stands=2.1, max_wait=2).check), Refused
    )


def raised_by_or_none(function):
    try:
        function()
    except Exception as error:
        return error


def test_rate_is_that_of_the_best_of_the_last_seconds():
    """Not of a moment in which everything arrived and nothing was served."""
    rate = _Rate()
    for now in (100, 100.1, 101.9, 102, 106):
        rate.count(now)
    assert rate.best(106.1) == 1.5
    assert rate.best(110.1) == 0.5  # the best period was ten seconds ago
    assert rate.best(1000) == 0


def test_rate_of_the_last_seconds_is_that_of_periods_that_are_over():
    """The present one has only begun."""
    rate = _Rate()
    for now in (100, 101, 102, 103, 104):
        rate.count(now)
    assert rate.last(104.1) == 1.0
    assert rate.last(106.1) == 0.75


def test_line_that_was_empty_begins_a_new_burst():
    """The time in which nobody waited does not count."""
    line = line_of(1, rate=0, stands=100)
    line.popleft()
    line.append(ticket())
    line.check()
