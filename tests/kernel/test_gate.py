"""Slots: a few at a time, resumed passes first, fair to new ones, and none lost."""

from .fakes import raised_by
from .test_executors import Blocking
from .test_executors import SECONDS
from collective.wsgifutures.kernel.arrivals import Refused
from collective.wsgifutures.kernel.gate import Gate
from collective.wsgifutures.kernel.gate import NoAnswer
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


def wait_until(true, seconds=SECONDS):
    """Let others run until that is so."""
    until = time.monotonic() + seconds
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
