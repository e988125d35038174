"""The line of jobs: behind visitors, never in all slots, and not without its share."""

from .fakes import raised_by
from .test_executors import Blocking
from .test_executors import SECONDS
from .test_gate import free_slots
from .test_gate import Lines
from .test_gate import run_new
from .test_gate import wait_until
from collective.wsgifutures.kernel import gate as gate_of_kernel
from collective.wsgifutures.kernel.gate import Gate
from collective.wsgifutures.kernel.gate import JOB_SHARE
from collective.wsgifutures.kernel.gate import NoAnswer
from collective.wsgifutures.kernel.waiting import drive

import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def visitors_are_gone_at_once(monkeypatch):
    """Tests of the time after a visitor set it themselves."""
    monkeypatch.setattr(gate_of_kernel, "QUIET", 0.001)


def run_job(gate, function, until=None):
    """Run *function* as a pass of a job, waiting here."""
    return drive(gate.run_job(function, until or time.monotonic() + SECONDS))


class LinesWithJobs(Lines):
    """Before a gate of one slot stand visitors and jobs."""

    def stand_job(self, name):
        before = self.gate.jobs_waiting
        self._start(run_job, lambda: self.log.append(name))
        wait_until(lambda: self.gate.jobs_waiting > before)

    def stand_all(self, names):
        """A digit is a job, a capital a resumed pass."""
        for name in names:
            if name.isdigit():
                self.stand_job(name)
            else:
                self.stand(name, resumed=name.isupper())


class Running:
    """Passes that run in a gate, or want to, until they are ended."""

    def __init__(self, gate):
        self.gate = gate
        self.passes = []
        self._threads = []

    def start(self, run):
        """Let one more pass run, or stand in line."""
        self.passes.append(Blocking())
        thread = threading.Thread(target=run, args=(self.gate, self.passes[-1]), daemon=True)
        self._threads.append(thread)
        before = self._seen()
        thread.start()
        wait_until(lambda: self._seen() > before)
        return self.passes[-1]

    def _seen(self):
        return self.gate.waiting + self.gate.jobs_waiting + self.running

    @property
    def running(self):
        return sum(one.running.is_set() for one in self.passes)

    def end_all(self):
        for one in self.passes:
            one.go_on.set()
        for thread in self._threads:
            thread.join(SECONDS)


@pytest.fixture
def running():
    """Return what runs passes in a gate of so many slots."""
    made = []

    def run(slots):
        made.append(Running(Gate(slots)))
        return made[-1]

    yield run
    for one in made:
        one.end_all()
        wait_until(lambda one=one: free_slots(one.gate) == one.gate.slots)
        assert one.gate.jobs_running == 0


def test_job_that_nobody_is_before_has_a_slot_at_once():
    """It gives the slot what it returns, and the next pass finds the slot free."""
    gate = Gate(1)
    assert [run_job(gate, lambda: 1), run_new(gate, lambda: 2), run_job(gate, lambda: 3)] == [
        1,
        2,
        3,
    ]
    assert (free_slots(gate), gate.jobs_running) == (1, 0)


@pytest.mark.parametrize(
    ("standing", "served"),
    [("1a", "a1"), ("1aR2b", "Rab12"), ("123", "123"), ("1RSTa", "RSaT1")],
)
def test_visitors_go_first_resumed_or_new_and_jobs_in_the_order_they_came(standing, served):
    """A digit is a job, a capital a resumed pass."""
    lines = LinesWithJobs()
    lines.stand_all(standing)
    assert lines.open() == list(served)


def test_of_so_many_passes_one_is_a_jobs_if_visitors_always_wait():
    """No less, and no more."""
    lines = LinesWithJobs()
    lines.stand_all("123" + "v" * (2 * JOB_SHARE))
    served = "".join(lines.open())
    before = "v" * (JOB_SHARE - 1)
    assert served == f"{before}1{before}2vv3"


def test_share_of_a_job_begins_when_it_waits():
    """Visitors that were served before owe it nothing."""
    lines = LinesWithJobs()
    for _ in range(2 * JOB_SHARE):
        lines.gate._next_line()
    lines.stand_all("1ab")
    assert lines.open() == ["a", "b", "1"]


@pytest.mark.parametrize("slots", [2, 4])
def test_one_slot_is_left_to_visitors_of_several(running, slots):
    """Whoever comes next need not wait for a job, and the job that waits has its turn later."""
    passes = running(slots)
    jobs = [passes.start(run_job) for _ in range(slots)]
    gate = passes.gate
    assert (gate.jobs_running, gate.jobs_waiting, gate.taken) == (slots - 1, 1, slots - 1)
    visitor = passes.start(run_new)
    assert visitor.running.is_set()
    visitor.go_on.set()
    wait_until(lambda: free_slots(gate) == 1)
    assert not jobs[-1].running.is_set()
    jobs[0].go_on.set()
    assert jobs[-1].running.wait(SECONDS)


def test_one_job_runs_where_there_is_one_slot(running):
    """Else none ever would."""
    passes = running(1)
    job, other = passes.start(run_job), passes.start(run_job)
    assert (job.running.is_set(), other.running.is_set()) == (True, False)


def test_while_visitors_wait_one_job_runs_at_a_time(running):
    """However long it runs: so jobs whose passes are long get one slot, and no more."""
    passes = running(3)
    job, visitors = passes.start(run_job), [passes.start(run_new) for _ in range(2)]
    other = passes.start(run_job)
    for _ in range(3 * JOB_SHARE):
        visitors.append(passes.start(run_new))
        visitors.pop(0).go_on.set()
        assert visitors[1].running.wait(SECONDS)
    assert not other.running.is_set()
    visitors.append(passes.start(run_new))
    job.go_on.set()
    assert other.running.wait(SECONDS)


def test_jobs_are_none_of_the_visitors_that_wait():
    """Neither in their number, nor in the rate by which new ones are judged."""
    lines = LinesWithJobs(max_waiting=2)
    lines.stand_all("123")
    gate = lines.gate
    assert (gate.waiting, gate.jobs_waiting) == (0, 3)
    gate.check()
    lines.open()
    assert gate.new._served.best(time.monotonic()) == 0


def test_job_is_not_refused_where_a_visitor_would_be():
    """It waits for as long as it takes."""
    lines = LinesWithJobs(max_waiting=1)
    lines.stand_all("a12")
    assert lines.open() == ["a", "1", "2"]


def test_job_that_finds_no_slot_in_time_leaves_its_line():
    """If its caller says until when."""
    lines = LinesWithJobs()
    error = raised_by(run_job, lines.gate, lambda: 1, until=time.monotonic() + 0.02)
    assert (type(error), lines.gate.jobs_waiting) == (NoAnswer, 0)
    lines.open()
    assert (free_slots(lines.gate), lines.gate.jobs_running) == (1, 0)


def test_job_that_is_served_at_the_moment_it_gives_up_gives_the_slot_back(monkeypatch):
    """And is none of the jobs that run."""
    monkeypatch.setattr(gate_of_kernel, "QUIET", 0)
    lines = LinesWithJobs()
    gate = lines.gate
    leave = gate._leave

    def served_first(ticket, line):
        lines.open()  # gives the slot to this ticket
        assert gate.jobs_running == 1
        leave(ticket, line)

    gate._leave = served_first
    assert isinstance(raised_by(run_job, gate, lambda: 1, until=time.monotonic()), NoAnswer)
    assert (free_slots(gate), gate.jobs_running) == (1, 0)


def test_exception_of_a_job_arrives_and_its_place_is_free_again():
    """As that of a visitor."""
    gate = Gate(1)

    def fails():
        raise ValueError("no")

    for _ in range(2):
        assert isinstance(raised_by(run_job, gate, fails), ValueError)
    assert (free_slots(gate), gate.jobs_running) == (1, 0)


def test_job_waits_until_no_visitor_came_for_a_while(monkeypatch):
    """Whoever comes next would have to wait for it."""
    monkeypatch.setattr(gate_of_kernel, "QUIET", 0.2)
    gate = Gate(2)
    assert run_job(gate, lambda: "at once") == "at once"  # nobody came yet
    began = time.monotonic()
    run_new(gate, lambda: None)
    run_job(gate, lambda: None)
    assert 0.2 <= time.monotonic() - began < SECONDS


def test_job_gets_its_share_beside_visitors_who_come_one_after_the_other(monkeypatch):
    """A slot is free all the time, and visitors are there."""
    monkeypatch.setattr(gate_of_kernel, "QUIET", 60)
    gate, ran = Gate(2), []
    run_new(gate, lambda: None)
    thread = threading.Thread(target=run_job, args=(gate, lambda: ran.append(1)), daemon=True)
    thread.start()
    wait_until(lambda: gate.jobs_waiting)
    for _ in range(JOB_SHARE - 2):
        run_new(gate, lambda: None)
    assert not ran
    run_new(gate, lambda: None)
    wait_until(lambda: ran)
    thread.join(SECONDS)
