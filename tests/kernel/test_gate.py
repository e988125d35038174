"""Slots: a few at a time, resumed passes first, fair to new ones, and none lost."""

from .fakes import raised_by
from .test_executors import Blocking
from .test_executors import SECONDS
from collective.wsgifutures.kernel.gate import _Rate
from collective.wsgifutures.kernel.gate import _Ticket
from collective.wsgifutures.kernel.gate import Arrivals
from collective.wsgifutures.kernel.gate import Gate
from collective.wsgifutures.kernel.gate import NoAnswer
from collective.wsgifutures.kernel.gate import Refused
from collective.wsgifutures.kernel.gate import SOON
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.kernel.waiting import drive

import functools
import gc
import math
import pytest
import threading
import time
import weakref

pytestmark = pytest.mark.concurrency


def run_new(gate, function):
    """Run *function* as the first pass of a request, waiting here."""
    return drive(gate.run_new(function))


def run_resumed(gate, function, until=math.inf):
    """Run *function* as a later pass of a request, waiting here."""
    return drive(gate.run_resumed(function, until))


class Lines:
    """Requests that stand in line before a gate of one slot, and what was served."""

    def __init__(self, slots=1, **limits):
        self.gate = Gate(slots, **limits)
        self.log = []
        self.threads = []
        self.first = Blocking()
        self._start(run_new, self.first)
        assert self.first.running.wait(SECONDS)

    def _start(self, run, function):
        thread = threading.Thread(target=run, args=(self.gate, function), daemon=True)
        thread.start()
        self.threads.append(thread)

    def stand(self, name, resumed=False):
        """Let a request stand in line."""
        line = self.gate._resumed if resumed else self.gate.new
        before = len(line)
        run = run_resumed if resumed else run_new
        self._start(run, lambda: self.log.append(name))
        wait_until(lambda: len(line) > before)

    def open(self):
        """End the first pass, and wait for all."""
        self.first.go_on.set()
        for thread in self.threads:
            thread.join(SECONDS)
        return self.log


def wait_until(true):
    """Let others run until that is so."""
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


def free_slots(gate):
    """Return how many slots can be had now."""
    return len(gate._free)


def test_a_slot_runs_a_pass_and_gives_what_it_returns():
    """And the next, in the same slot."""
    gate = Gate(1)
    assert [run_new(gate, lambda: 1), run_resumed(gate, lambda: 2)] == [1, 2]


@pytest.mark.parametrize("slots", [1, 3])
def test_as_many_passes_run_at_a_time_as_there_are_slots(slots):
    """The limit holds, and is reached."""
    gate = Gate(slots)
    passes = [Blocking() for _ in range(slots + 1)]
    threads = [threading.Thread(target=run_new, args=(gate, one), daemon=True) for one in passes]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(one.running.is_set() for one in passes) == slots)
    assert (free_slots(gate), len(gate.new)) == (0, 1)
    for one in passes:
        one.go_on.set()
    for thread in threads:
        thread.join(SECONDS)
    assert all(one.running.is_set() for one in passes)
    wait_until(lambda: free_slots(gate) == slots)


def test_among_equals_the_first_comes_first():
    """A line is a line."""
    lines = Lines()
    for name in "abcdef":
        lines.stand(name)
    assert lines.open() == list("abcdef")


@pytest.mark.parametrize(
    ("standing", "served"),
    [
        ("abR", "Rab"),
        ("aRS", "RSa"),
        ("abcRSTUVWX", "RSaTUbVWcX"),  # of three passes one goes to a new request
        ("RSTUVW", "RSTUVW"),
    ],
)
def test_resumed_passes_go_first_and_of_four_at_least_one_is_new(standing, served):
    """A capital is a resumed pass."""
    lines = Lines()
    for name in standing:
        lines.stand(name, resumed=name.isupper())
    assert lines.open() == list(served)


def test_a_new_request_that_comes_late_has_waited_for_its_share_already():
    """After many resumed ones in a row the next pass is a new one's."""
    lines = Lines()
    for name in "RSTUV":
        lines.stand(name, resumed=True)
    for one in range(5):
        lines.gate._next_line().popleft()
        assert lines.gate._resumed_in_a_row == one + 1
    lines.stand("W", resumed=True)
    lines.stand("a")
    lines.first.go_on.set()
    wait_until(lambda: len(lines.log) == 2)
    assert lines.log == ["a", "W"]
    for thread in lines.threads:  # those that were taken out of their line
        thread.join(0)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_an_exception_of_a_pass_arrives_and_loses_no_slot(error):
    """What would end a server's greenlet, and leave its client without an answer, is an error."""
    gate = Gate(1)

    def fails():
        raise error

    for _ in range(2):
        raised = raised_by(run_resumed, gate, fails, time.monotonic() + SECONDS)
        if isinstance(error, Exception) or not under_gevent():
            assert raised is error
        else:
            assert (type(raised), raised.__cause__) == (RuntimeError, error)
    assert run_resumed(gate, lambda: "fine", until=time.monotonic() + SECONDS) == "fine"


def test_an_exception_of_a_pass_keeps_nothing_alive():
    """No cycle of a traceback and its frame waits for the garbage collector."""

    class Request:
        pass

    def fails(request):
        raise ValueError(id(request))

    request = Request()
    kept = weakref.ref(request)
    gc.disable()
    try:
        with pytest.raises(ValueError, match=r"^[0-9]+$"):
            run_new(Gate(1), functools.partial(fails, request))
        del request
        assert kept() is None
    finally:
        gc.enable()


def test_who_finds_no_slot_in_time_gets_no_answer_and_loses_none():
    """It leaves its line; the others move up."""
    lines = Lines()
    lines.stand("a")
    error = raised_by(run_resumed, lines.gate, lambda: 1, until=time.monotonic() + 0.02)
    assert (type(error), str(error)) == (NoAnswer, "no slot was free in time")
    assert len(lines.gate._resumed) == 0
    assert lines.open() == ["a"]
    wait_until(lambda: free_slots(lines.gate) == 1)


def test_who_is_served_at_the_moment_it_gives_up_gives_the_slot_back():
    """Between the end of the wait and the leaving of the line."""
    lines = Lines()
    gate = lines.gate
    leave = gate._leave

    def served_first(ticket, line):
        lines.open()  # gives the slot to this ticket
        leave(ticket, line)

    gate._leave = served_first
    assert isinstance(raised_by(run_resumed, gate, lambda: 1, until=time.monotonic()), NoAnswer)
    assert free_slots(gate) == 1
    assert run_resumed(gate, lambda: "fine", until=time.monotonic() + SECONDS) == "fine"


def refused_limit(function, *args):
    """Return the limit for which *function* refuses."""
    error = raised_by(function, *args)
    assert isinstance(error, Refused), error
    return error.limit


def test_new_one_is_refused_at_once_when_as_many_wait_as_may():
    """Before anything is done for it, and a resumed one is not."""
    lines = Lines(max_waiting=2)
    lines.gate.check()
    lines.stand("a")
    lines.stand("b")
    began = time.monotonic()
    assert refused_limit(lines.gate.check) == "max_waiting"
    assert refused_limit(run_new, lines.gate, lambda: "never") == "max_waiting"
    assert time.monotonic() - began < SECONDS / 2
    lines.stand("R", resumed=True)
    assert lines.open() == ["R", "a", "b"]
    lines.gate.check()


def test_new_one_is_refused_at_once_when_the_line_has_not_moved_for_long():
    """It would not be served in time; those that stand in line keep their places."""
    lines = Lines(max_wait=SECONDS)
    lines.stand("a")
    lines.stand("b")
    lines.gate.check()
    lines.gate.new._since -= SECONDS
    assert refused_limit(run_new, lines.gate, lambda: "never") == "max_wait"
    assert lines.open() == ["a", "b"]


def test_new_one_that_waited_for_all_of_its_time_is_refused_and_loses_no_slot():
    """And leaves its line."""
    lines = Lines(max_wait=0.02)
    assert refused_limit(run_new, lines.gate, lambda: "never") == "max_wait"
    assert len(lines.gate.new) == 0
    assert lines.open() == []
    assert free_slots(lines.gate) == 1


def ticket(lane=None):
    return _Ticket(current().signal(), lane)


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
        ("abcabc", "acbabc"),
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


def line_of(number, *, rate, stands, max_wait=45.0, burst=1000):
    """Return a line in which so many wait, which stands for so long and moves at that rate."""
    line = Arrivals(1000, max_wait)
    for _ in range(number):
        line.append(ticket())
    line._since -= stands
    line._burst = burst
    line._rate.best = lambda now: rate
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
        (100, 10, 11, 100, False),
        (100, 10, 46, 1000, False),
        (101, 10, 46, 1000, True),
        (1, 0, 11, 1000, True),
    ],
)
def test_new_one_is_refused_when_it_would_wait_for_too_long(number, rate, stands, burst, refused):
    """Most of max_wait in a burst; ten seconds where a line grows, or does not end."""
    line = line_of(number, rate=rate, stands=stands, burst=burst)
    assert isinstance(raised_by_or_none(line.check), Refused) is refused


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
    assert raised_by_or_none(line_of(19, rate=10, stands=2.1, max_wait=2).check) is None
    assert isinstance(
        raised_by_or_none(line_of(21, rate=10, stands=2.1, max_wait=2).check), Refused
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


def test_line_that_was_empty_begins_a_new_burst():
    """The time in which nobody waited does not count."""
    line = line_of(1, rate=0, stands=100)
    line.popleft()
    line.append(ticket())
    line.check()
