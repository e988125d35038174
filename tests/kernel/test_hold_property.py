"""Whatever happens in whatever order: no call runs twice, and every hold ends."""

from .fakes import done
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.calls import CallState
from collective.wsgifutures.kernel.calls import Raised
from collective.wsgifutures.kernel.errors import AskedAfterCommit
from collective.wsgifutures.kernel.errors import HoldExpired
from collective.wsgifutures.kernel.errors import Suspended
from collective.wsgifutures.kernel.errors import TooManyPasses
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.hold import HoldState
from collective.wsgifutures.kernel.passes import Pass
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import RuleBasedStateMachine

NAMES = st.sampled_from("abcde")
MAX_PASSES = 6
REFUSALS = (Suspended, HoldExpired, AskedAfterCommit, TooManyPasses)


def when(*states):
    """Let a rule apply in these states."""
    return precondition(lambda self: self.hold.state in states)


class AnyOrder(RuleBasedStateMachine):
    """A request's thread, its views, its calls and the clock, moved at random."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.hold = Hold(self.now, deadline=20.0, max_passes=MAX_PASSES)
        self.this = None
        self.pass_waited = False
        self.started = []
        self.stopped = []

    # the request's thread

    @when(HoldState.READY)
    @rule()
    def begin(self):
        self.this = Pass(self.hold, self.now)
        self.settled = self._settled()
        assert self.hold.passes - self.hold.conflicts <= MAX_PASSES

    @when(HoldState.PUBLISHING)
    @rule(successful=st.booleans())
    def end(self, successful):
        self._nothing_settled_in_the_pass()
        self.pass_waited = self.this.waits(successful)
        try:
            self.this.end(self.now, successful=successful)
        except TooManyPasses:
            self.pass_waited = False
        assert self.hold.done is not self.pass_waited
        self._take()

    @rule(seconds=st.floats(0, 12))
    def time_passes(self, seconds):
        self.now += seconds
        self.hold.time_out(self.now)
        self._take()

    @rule()
    def expire(self):
        self.hold.expire()
        self._take()

    @precondition(lambda self: self.hold.passes > 2)
    @rule()
    def close(self):
        self.hold.close()
        self._take()

    # what a view does

    @when(HoldState.PUBLISHING)
    @rule(name=NAMES)
    def submit(self, name):
        self._submit(name)

    @when(HoldState.PUBLISHING)
    @rule(names=st.sets(NAMES, min_size=1))
    def suspend(self, names):
        calls = [self._submit(name) for name in sorted(names)]
        pending = [c for c in calls if c is not None and c.state is not CallState.SETTLED]
        if pending:
            self._refused(self.this.suspend, pending)

    @when(HoldState.PUBLISHING)
    @rule(name=NAMES)
    def cancel(self, name):
        call = self.hold.calls.get(name)
        if call is not None:
            pending = call.state is not CallState.SETTLED
            assert self.this.cancel(call) is pending
            self.settled.add(call)

    # what a publisher does

    @when(HoldState.PUBLISHING)
    @rule(successful=st.booleans())
    def check(self, successful):
        waits = self.this.waits(successful)
        assert self._refused(self.this.suspend_if_it_waits, successful=successful) is waits

    @when(HoldState.PUBLISHING)
    @rule(move=st.sampled_from(["mark_answered", "mark_committed"]))
    def move(self, move):
        getattr(self.this, move)()

    @when(HoldState.PUBLISHING)
    @rule(again_in=st.floats(0, 4))
    def conflict(self, again_in):
        asked = {c for c in self.hold.calls.values() if c.first_pass == self.hold.passes}
        assert self._refused(self.this.conflict, again_in)
        self._nothing_settled_in_the_pass()
        self.pass_waited = False  # so nothing may start
        self.this.end(self.now, successful=False)
        assert self.hold.state is HoldState.WAITING
        assert not asked & set(self.hold.calls.values())
        self._take()

    # what comes from outside, also twice and also too late

    @precondition(lambda self: self.started)
    @rule(data=st.data(), failed=st.booleans())
    def settle(self, data, failed):
        call = data.draw(st.sampled_from(self.started))
        before = call.outcome
        self.hold.settle(call, Raised(ValueError()) if failed else done(1))
        assert before is None or call.outcome is before

    def teardown(self):
        """Every hold ends, also where each pass asks for something new and none settles."""
        for number in range(2 * MAX_PASSES + 2):
            if self.hold.done:
                break
            if self.hold.state is HoldState.WAITING:
                self.now = self.hold.next_time_out
                self.hold.time_out(self.now)
                assert self.hold.state is HoldState.READY or self.hold.pending
            elif self.hold.state is HoldState.READY:
                self.begin()
                self.suspend({f"new {number}"})
                self.end(successful=False)
            else:
                self.end(successful=True)
        assert self.hold.done or self._ends_by_the_clock()
        assert self._running() <= set(self.stopped)

    def _ends_by_the_clock(self):
        self.hold.time_out(self.now + 100)
        if self.hold.state is HoldState.READY:
            self.this = Pass(self.hold, self.now + 100)
            self.this.end(self.now + 100, successful=True)
        self._take()
        return self.hold.done

    def _submit(self, name):
        try:
            return self.this.submit(Call(name, name, lambda: name, timeout=7.0))
        except AskedAfterCommit:
            return None

    def _refused(self, function, *args, **kwargs):
        try:
            function(*args, **kwargs)
        except REFUSALS:
            return True
        return False

    def _take(self):
        starts = self.hold.take_starts()
        assert not starts or self.pass_waited, "started in a pass that did not wait"
        self.started += starts
        self.stopped += self.hold.take_stops()
        assert len({c.identity for c in self.started}) == len(self.started), "ran twice"
        assert len(set(self.stopped)) == len(self.stopped), "stopped twice"
        assert set(self.stopped) <= set(self.started), "stopped, but never started"

    def _settled(self):
        return {c for c in self.hold.calls.values() if c.state is CallState.SETTLED}

    def _nothing_settled_in_the_pass(self):
        assert self._settled() <= self.settled

    def _running(self):
        return {c for c in self.started if c.state is CallState.RUNNING}


AnyOrder.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, database=None
)
TestAnyOrder = AnyOrder.TestCase
