"""Whoever comes, leaves and ends in whatever order: visitors come first, and no job starves."""

from collective.wsgifutures.kernel import gate as gate_of_kernel
from collective.wsgifutures.kernel.gate import Gate
from collective.wsgifutures.kernel.gate import JOB_SHARE
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import RuleBasedStateMachine


class AnyTraffic(RuleBasedStateMachine):
    """Passes that come to a gate, wait, run and end, without threads.

    Each pass is a ticket with its line.
    """

    @initialize(slots=st.integers(1, 4))
    def open(self, slots):
        self._quiet, gate_of_kernel.QUIET = gate_of_kernel.QUIET, 0  # time stands still
        self.gate = Gate(slots)
        self.most_jobs = max(1, slots - 1)
        self.waiting = []
        self.running = []
        self.went_before = 0  # visitors who left the line while jobs waited, since the last job

    def _jobs_of(self, passes):
        return [one for one in passes if one[1] is self.gate._jobs]

    @rule(line=st.sampled_from(["new", "_resumed", "_jobs"]), number=st.integers(1, 5))
    def come(self, line, number):
        for _ in range(number):
            line_of_it = getattr(self.gate, line)
            one = self.gate._enter(line_of_it), line_of_it
            if one[0].served.is_set():
                self._came_at_once(one)
            else:
                self.waiting.append(one)

    def _came_at_once(self, one):
        assert not self._visitors_wait()
        if one[1] is self.gate._jobs:
            assert not self._jobs_of(self.waiting)
            self.went_before = 0
        elif self._jobs_of(self.waiting):
            self.went_before += 1
        self.running.append(one)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        self._end(data.draw(st.integers(0, len(self.running) - 1)))

    def _end(self, number):
        ticket, line = self.running.pop(number)
        self.gate._give_back(ticket.slot, line)
        for one in [one for one in self.waiting if one[0].served.is_set()]:
            self._is_served(one)

    def _is_served(self, one):
        """Judge whether it was the turn of *one*, which waited."""
        jobs = self._jobs_of(self.waiting)
        may_run = not self._jobs_of(self.running)
        if one in jobs:
            assert one is jobs[0]  # first in, first out
            assert not self._visitors_wait() or (self.went_before >= JOB_SHARE - 1 and may_run)
            self.went_before = 0
        elif jobs:
            assert self.went_before < JOB_SHARE - 1 or not may_run
            self.went_before += 1
        self.waiting.remove(one)
        self.running.append(one)

    @precondition(lambda self: self.running)
    @rule(line=st.sampled_from(["new", "_resumed"]))
    def crowd(self, line):
        """Visitors come as fast as they are served, for longer than a job has to wait."""
        for _ in range(2 * JOB_SHARE):
            self.come(line, 1)
            self._end(0)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data):
        self.gate._leave(*self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1))))

    def teardown(self):
        """Let time go on."""
        if hasattr(self, "gate"):
            gate_of_kernel.QUIET = self._quiet

    def _visitors_wait(self):
        return len(self.waiting) > len(self._jobs_of(self.waiting))

    @precondition(lambda self: hasattr(self, "gate"))
    @invariant()
    def no_slot_is_lost_or_left_unused(self):
        gate, jobs = self.gate, len(self._jobs_of(self.running))
        assert gate.taken == len(self.running) <= gate.slots
        assert gate.jobs_running == jobs <= self.most_jobs
        assert gate.jobs_waiting == len(self._jobs_of(self.waiting))
        assert gate.waiting == len(self.waiting) - gate.jobs_waiting
        if gate._free:
            assert not gate.waiting
            assert not gate.jobs_waiting or jobs == self.most_jobs


AnyTraffic.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, database=None
)
TestAnyTraffic = AnyTraffic.TestCase
