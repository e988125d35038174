"""The state machine of one held request: every move in every state."""

from .fakes import done
from .fakes import raised_by
from .moves import begin
from .moves import end
from .moves import publishing
from .moves import Telling
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.calls import CallState
from collective.wsgifutures.kernel.errors import AskedAfterCommit
from collective.wsgifutures.kernel.errors import FutureCancelled
from collective.wsgifutures.kernel.errors import FutureTimeout
from collective.wsgifutures.kernel.errors import HoldCancelled
from collective.wsgifutures.kernel.errors import HoldExpired
from collective.wsgifutures.kernel.errors import Suspended
from collective.wsgifutures.kernel.errors import TooManyPasses
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.hold import HoldState

import gc
import pytest
import weakref

READY, PUBLISHING, WAITING, DONE = HoldState
REGISTERED, RUNNING, SETTLED = CallState


def call(name, timeout=30.0):
    """Return a call that is known by its name."""
    return Call(name, name, lambda: name, timeout=timeout)


def suspend(this, *names):
    """Suspend *this* pass on calls of these names; return them."""
    calls = [this.submit(call(name)) for name in names]
    with pytest.raises(Suspended):
        this.suspend(calls)
    return calls


def hold_in(state, **options):
    """Return a hold in *state*; from PUBLISHING on it knows the call ``a``."""
    hold = Hold(0.0, **options)
    if state is READY:
        return hold
    this = begin(hold, 1.0)
    (a,) = suspend(this, "a")
    if state is PUBLISHING:
        return hold
    end(hold, 2.0, successful=False)
    if state is WAITING:
        return hold
    hold.settle(a, done(1))
    begin(hold, 3.0)
    end(hold, 3.0, successful=True)
    return hold


@pytest.mark.parametrize("state", HoldState)
def test_a_hold_is_made_in_each_state(state):
    """The table below starts where it says."""
    hold = hold_in(state)
    assert (hold.state, hold.done) == (state, state is DONE)


MOVES = {
    "begin": lambda hold: begin(hold, 4.0),
    "end": lambda hold: end(hold, 4.0, successful=True),
    "wait inside": lambda hold: hold.wait_inside(call("b"), 4.0),
    "go on": lambda hold: hold.go_on(4.0),
    "settle": lambda hold: hold.settle(hold.calls.get("a", call("a")), done(1)),
    "settle a stranger": lambda hold: hold.settle(call("a"), done(1)),
    "time out early": lambda hold: hold.time_out(31.9),
    "time out a": lambda hold: hold.time_out(32.0),
    "time out all": lambda hold: hold.time_out(55.0),
    "expire": lambda hold: hold.expire(),
    "cancel": lambda hold: hold.cancel(),
    "close": lambda hold: hold.close(),
}
TABLE = [  # the state that follows; None where the move is refused
    ("begin", PUBLISHING, None, None, None),
    ("end", None, WAITING, None, None),
    ("wait inside", None, WAITING, None, None),
    ("go on", PUBLISHING, None, None, DONE),
    ("settle", READY, PUBLISHING, READY, DONE),
    ("settle a stranger", READY, PUBLISHING, WAITING, DONE),
    ("time out early", READY, PUBLISHING, WAITING, DONE),
    ("time out a", READY, PUBLISHING, READY, DONE),
    ("time out all", READY, PUBLISHING, READY, DONE),
    ("expire", READY, PUBLISHING, READY, DONE),
    ("cancel", READY, PUBLISHING, READY, DONE),
    ("close", DONE, DONE, DONE, DONE),
]
CASES = [
    pytest.param(move, state, after, id=f"{move} when {state.name}")
    for move, *follows in TABLE
    for state, after in zip(HoldState, follows, strict=True)
]


@pytest.mark.parametrize(("move", "state", "after"), CASES)
def test_every_move_in_every_state(move, state, after):
    """A move that makes no sense in a state changes nothing, or is refused by name."""
    hold = hold_in(state)
    if after is None:
        with pytest.raises(RuntimeError, match=f"the hold is {state.value}, not "):
            MOVES[move](hold)
        after = state
    else:
        MOVES[move](hold)
    assert hold.state is after


def test_a_pass_that_waits_inside_is_the_same_pass_when_it_goes_on():
    """Its call has started and settled meanwhile, and the time counts as waiting."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    a = this.submit(call("a"))
    hold.wait_inside(a, 1.0)
    assert hold.take_starts() == [a]
    hold.settle(a, done(1))
    hold.go_on(4.0)
    assert (hold.passes, hold.waited, hold.late, this.closed) == (1, 3.0, False, False)
    end(hold, 5.0, successful=True)
    assert hold.done


def test_a_pass_that_waits_inside_past_the_deadline_goes_on_late():
    """As a last pass does."""
    hold = Hold(0.0, deadline=10.0)
    hold.wait_inside(begin(hold, 0.0).submit(call("a")), 1.0)
    hold.time_out(10.0)
    hold.go_on(10.0)
    assert (hold.state, hold.expired, hold.late) == (PUBLISHING, True, True)


def test_suspend_starts_its_calls_when_the_pass_has_ended():
    """During the pass nothing starts; after it each call starts once, in order."""
    hold = Hold(0.0)
    suspend(begin(hold, 0.0), "b", "a")
    assert hold.take_starts() == []
    end(hold, 5.0, successful=False)
    starts = hold.take_starts()
    assert [(c.name, c.state, c.due) for c in starts] == [
        ("b", RUNNING, 35.0),
        ("a", RUNNING, 35.0),
    ]
    assert hold.take_starts() == []


@pytest.mark.parametrize(
    ("successful", "answered", "committed", "suspended", "after"),
    [  # the rows of the table in DESIGN.md that a hold decides on
        (True, False, False, False, WAITING),  # e
        (False, False, False, False, DONE),  # b, d
        (True, True, False, False, DONE),  # an error view's 200
        (True, False, True, False, DONE),  # committed: nobody looked in time
        (True, False, False, True, WAITING),  # a: swallowed
        (False, False, False, True, WAITING),  # a
        (False, True, False, True, WAITING),  # a: in an exception view
        (False, False, True, True, DONE),
    ],
)
def test_what_a_pass_with_a_pending_future_ends_as(
    successful, answered, committed, suspended, after
):
    """A pass waits where it suspended, or returned with 2xx; else nothing starts."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    this.submit(call("a"))
    if suspended:
        suspend(this, "a")
    if answered:
        this.mark_answered()
    if committed:
        this.mark_committed()
    assert this.waits(successful) is (after is WAITING)
    end(hold, 0.0, successful=successful)
    assert hold.state is after
    assert [c.name for c in hold.take_starts()] == (["a"] if after is WAITING else [])


@pytest.mark.parametrize("successful", [True, False])
def test_a_pass_without_a_future_is_the_last(successful):
    """A request that asks for nothing takes one pass."""
    hold = Hold(0.0)
    begin(hold, 0.0)
    end(hold, 0.0, successful=successful)
    assert (hold.state, hold.passes) == (DONE, 1)


def test_a_hold_resumes_when_all_that_its_pass_suspended_on_has_settled():
    """Of what was submitted only what was suspended on is waited for."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    this.submit(call("other"))
    a, b = suspend(this, "a", "b")
    end(hold, 0.0, successful=False)
    assert [c.name for c in hold.take_starts()] == ["other", "a", "b"]
    hold.settle(b, done(2))
    assert hold.state is WAITING
    hold.settle(a, done(1))
    assert hold.state is READY
    assert [c.name for c in hold.pending] == ["other"]


def test_a_hold_whose_pass_only_submitted_resumes_when_all_have_settled():
    """Where nothing suspended, every pending future is waited for."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    a, b = this.submit(call("a")), this.submit(call("b"))
    end(hold, 0.0, successful=True)
    hold.settle(a, done(1))
    assert hold.state is WAITING
    hold.settle(b, done(1))
    assert hold.state is READY


def test_a_future_that_nobody_waits_for_delays_only_the_last_pass():
    """A pass goes on without it; the response does not."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    slow = this.submit(call("slow"))
    (a,) = suspend(this, "a")
    end(hold, 0.0, successful=False)
    hold.settle(a, done(1))
    begin(hold, 0.0)
    end(hold, 0.0, successful=True)
    assert hold.state is WAITING
    hold.settle(slow, done(1))
    assert hold.state is READY


def test_settle_when_publishing_is_put_aside_until_the_pass_ends():
    """Nothing settles within a pass."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    slow = this.submit(call("slow"))
    (a,) = suspend(this, "a")
    end(hold, 0.0, successful=False)
    hold.settle(a, done(1))
    this = begin(hold, 0.0)
    hold.settle(slow, done(2))
    assert slow.state is RUNNING
    suspend(this, "slow")
    end(hold, 0.0, successful=False)
    assert (slow.state, hold.state, slow.outcome.get()) == (SETTLED, READY, 2)


def test_settle_when_settled_is_dropped():
    """The first outcome stays, whatever comes after a time-out or a cancellation."""
    hold = hold_in(WAITING)
    a = hold.calls["a"]
    hold.settle(a, done(1))
    hold.settle(a, done(2))
    assert a.outcome.get() == 1


def test_settle_when_expired_starts_no_pass():
    """A result that comes after the deadline changes nothing in the last pass."""
    hold = hold_in(WAITING)
    a = hold.calls["a"]
    hold.expire()
    begin(hold, 55.0)
    hold.settle(a, done(1))
    assert a.state is RUNNING
    end(hold, 55.0, successful=True)
    assert hold.state is DONE


def test_submit_of_a_known_identity_gives_the_call_that_is_there():
    """Asking twice is one call, in the same pass and in the next."""
    hold = hold_in(WAITING)
    a = hold.calls["a"]
    hold.settle(a, done(1))
    this = begin(hold, 0.0)
    assert this.submit(call("a")) is a
    b = this.submit(call("b"))
    assert this.submit(call("b")) is b
    assert (a.first_pass, b.first_pass) == (1, 2)


def test_time_out_settles_what_runs_too_long_and_stops_it():
    """The view gets FutureTimeout; others go on."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    this.submit(call("fast", timeout=1.0))
    this.submit(call("slow", timeout=9.0))
    end(hold, 10.0, successful=True)
    assert hold.next_time_out == 11.0
    hold.time_out(11.0)
    assert str(raised_by(hold.calls["fast"].outcome.get)) == str(FutureTimeout("fast", 1.0))
    assert (hold.state, hold.next_time_out) == (WAITING, 19.0)
    assert [c.name for c in hold.take_stops()] == ["fast"]


def test_next_time_out_is_the_deadline_where_that_comes_first():
    """A future may have a longer timeout than the hold has time left."""
    hold = Hold(10.0, deadline=5.0)
    begin(hold, 10.0).submit(call("a"))
    end(hold, 10.0, successful=True)
    assert hold.next_time_out == 15.0
    hold.time_out(15.0)
    assert (hold.state, hold.expired) == (READY, True)
    assert [c.name for c in hold.take_stops()] == ["a"]


def test_begin_past_the_deadline_is_the_last_pass():
    """A request that waited too long for its slot is not held again."""
    hold = hold_in(WAITING)
    hold.settle(hold.calls["a"], done(1))
    this = begin(hold, 55.0)
    assert hold.expired
    error = raised_by(this.suspend, [this.submit(call("b"))])
    assert str(error) == str(HoldExpired("b", 55.0))


def test_the_last_pass_is_final_whatever_it_asks_for():
    """At the deadline nothing new starts, and the response is sent."""
    hold = hold_in(WAITING)
    hold.expire()
    this = begin(hold, 55.0)
    this.submit(call("b"))
    this.suspend_if_it_waits(successful=True)
    assert not this.waits(successful=True)
    end(hold, 56.0, successful=True)
    assert (hold.state, hold.take_starts()) == (DONE, [])


def test_a_call_is_stopped_once():
    """What was stopped at the deadline is not stopped again at the end."""
    hold = hold_in(WAITING)
    hold.expire()
    begin(hold, 55.0).cancel(hold.calls["a"])
    end(hold, 55.0, successful=True)
    hold.close()
    assert [c.name for c in hold.take_stops()] == ["a"]


@pytest.mark.parametrize("successful", [True, False])
def test_what_still_runs_is_stopped_when_the_request_is_answered(successful):
    """A final pass cancels what nobody waits for any more, and starts nothing."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    this.submit(call("slow"))
    (a,) = suspend(this, "a")
    end(hold, 0.0, successful=False)
    hold.take_starts()
    hold.settle(a, done(1))
    this = begin(hold, 0.0)
    this.submit(call("new"))
    this.mark_answered()
    end(hold, 0.0, successful=successful)
    assert [c.name for c in hold.take_stops()] == ["slow"]
    assert hold.take_starts() == []
    assert hold.calls == {}


def test_cancel_of_a_hold_that_waits_stops_its_calls_and_lets_the_last_pass_begin():
    """As at the deadline, with an error that says who wanted it."""
    hold = hold_in(WAITING)
    hold.cancel()
    assert [c.name for c in hold.take_stops()] == ["a"]
    this = begin(hold, 3.0)
    assert str(raised_by(this.suspend, [hold.calls["a"]])) == str(HoldCancelled("a"))
    assert str(raised_by(this.suspend, [call("b")])) == str(HoldCancelled("b"))
    end(hold, 4.0, successful=True)
    assert (hold.state, hold.take_starts()) == (DONE, [])


def test_cancel_of_a_hold_that_is_ready_makes_its_next_pass_the_last():
    """What it waited for came in the same instant: that is there, and nothing new starts."""
    hold = hold_in(WAITING)
    hold.settle(hold.calls["a"], done(1))
    hold.cancel()
    this = begin(hold, 3.0)
    assert this.submit(call("a")).outcome.get() == 1
    assert isinstance(raised_by(this.suspend, [this.submit(call("b"))]), HoldCancelled)


def test_cancel_of_a_hold_that_waits_after_a_conflict_publishes_it_now():
    """It does not wait for its time."""
    hold = Hold(0.0)
    with pytest.raises(Suspended):
        begin(hold, 0.0).conflict(again_in=10.0)
    end(hold, 0.0, successful=False)
    hold.cancel()
    assert (hold.state, hold.cancelled) == (READY, True)


@pytest.mark.parametrize("state", [PUBLISHING, DONE])
def test_cancel_of_a_hold_in_a_pass_or_answered_leaves_no_mark(state):
    """Nothing changes within a pass."""
    hold = hold_in(state)
    hold.cancel()
    assert hold.cancelled is False


def test_names_of_what_was_out_of_time_are_kept():
    """For whoever counts them."""
    hold = hold_in(WAITING)
    assert hold.timed_out == ()
    hold.time_out(32.0)
    assert hold.timed_out == ("a",)


@pytest.mark.parametrize("state", [REGISTERED, RUNNING])
def test_cancel_when_pending_settles_at_once(state):
    """A registered call never starts, a running one is stopped."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    a = this.submit(call("a"))
    if state is RUNNING:
        suspend(this, "b")
        end(hold, 0.0, successful=True)
        hold.settle(hold.calls["b"], done(1))
        this = begin(hold, 0.0)
    assert a.state is state
    assert this.cancel(a) is True
    assert (a.state, a.cancelled) == (SETTLED, True)
    assert str(raised_by(a.outcome.get)) == str(FutureCancelled("a"))
    assert this.cancel(a) is False
    assert [c.name for c in hold.take_stops()] == (["a"] if state is RUNNING else [])
    assert not this.waits(successful=True)


def test_cancel_when_settled_is_false_and_keeps_the_outcome():
    """Too late is too late."""
    hold = hold_in(WAITING)
    a = hold.calls["a"]
    hold.settle(a, done(1))
    assert begin(hold, 0.0).cancel(a) is False
    assert (a.cancelled, a.outcome.get()) == (False, 1)


def test_a_pass_that_cancelled_what_it_suspended_on_is_published_again_at_once():
    """Nothing is left to wait for."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    (a,) = suspend(this, "a")
    this.cancel(a)
    end(hold, 0.0, successful=False)
    assert (hold.state, hold.take_starts()) == (READY, [])


def test_check_suspends_where_the_pass_would_wait():
    """A publisher that can still abort learns it before its commit."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    this.suspend_if_it_waits(successful=True)
    a = this.submit(call("a"))
    this.suspend_if_it_waits(successful=False)
    log = []
    this.publisher = Telling(log)
    error = raised_by(this.suspend_if_it_waits, successful=True)
    assert (type(error), error.args, log) == (Suspended, ("a",), ["discarded"])
    assert list(this.awaited) == [a]
    assert isinstance(raised_by(this.suspend_if_it_waits, successful=False), Suspended)


def test_a_committed_pass_neither_registers_nor_suspends():
    """After the commit, publishing again would do all work twice."""
    this = begin(Hold(0.0), 0.0)
    a = this.submit(call("a"))
    this.mark_committed()
    this.suspend_if_it_waits(successful=True)
    assert this.submit(call("a")) is a
    assert str(raised_by(this.suspend, [a])) == str(AskedAfterCommit("a"))
    assert str(raised_by(this.submit, call("b"))) == str(AskedAfterCommit("b"))


def test_a_pass_whose_commit_failed_is_open_again():
    """Nothing is committed: an exception view may suspend."""
    this = begin(Hold(0.0), 0.0)
    failed = []
    this.mark_committed(failed=lambda: bool(failed))
    assert isinstance(raised_by(this.suspend, [call("a")]), AskedAfterCommit)
    failed.append("tpc_vote")
    assert isinstance(raised_by(this.suspend, [call("a")]), Suspended)


def conflict(hold, again_in=2.0, now=10.0):
    """End the pass by a conflict, at *now*."""
    with pytest.raises(Suspended):
        publishing(hold).conflict(again_in)
    end(hold, now, successful=False)


def test_conflict_forgets_what_this_pass_asked_for_and_keeps_what_ran():
    """It is published again from its start; no call runs twice, none starts."""
    hold = hold_in(WAITING)
    a = hold.calls["a"]
    hold.take_starts()
    hold.settle(a, done(1))
    this = begin(hold, 0.0)
    this.submit(call("b"))
    this.mark_answered()
    conflict(hold)
    assert (hold.state, list(hold.calls), hold.take_starts()) == (WAITING, ["a"], [])
    hold.time_out(12.0)
    this = begin(hold, 12.0)
    assert this.submit(call("a")) is a
    assert not this.waits(successful=True)


@pytest.mark.parametrize("state", CallState)
def test_forget_in_each_state_makes_room_for_another_call(state):
    """What ran is stopped; the other one starts when the pass has ended."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    old = this.submit(call("a"))
    if state is not REGISTERED:
        (other,) = suspend(this, "other")
        end(hold, 1.0, successful=False)
        hold.take_starts()
        for one in (old, other) if state is SETTLED else (other,):
            hold.settle(one, done(1))
        this = begin(hold, 2.0)
    assert old.state is state

    this.forget(old)
    new = this.submit(call("a"))
    suspend(this, "a")
    end(hold, 3.0, successful=False)
    assert hold.take_stops() == ([old] if state is RUNNING else [])
    assert hold.take_starts() == [new]
    hold.settle(old, done("late"))
    assert new.state is RUNNING


def test_conflict_undoes_what_this_pass_forgot():
    """It is published again from its start: with the outcomes that were there."""
    hold = hold_in(WAITING)
    old = hold.calls["a"]
    hold.settle(old, done(1))
    hold.take_starts()
    this = begin(hold, 3.0)
    this.forget(old)
    for _ in range(2):
        this.forget(this.submit(call("a")))
    this.submit(call("a"))
    conflict(hold)
    assert (hold.calls, hold.take_starts()) == ({"a": old}, [])
    assert old.outcome.get() == 1


def test_conflict_tells_the_publisher_as_a_suspension_does():
    """Whose request it is has to be known: it is held too."""
    log = []
    hold = hold_in(HoldState.PUBLISHING)
    publishing(hold).publisher = Telling(log)
    conflict(hold)
    assert log == ["discarded"]


def test_conflict_is_published_again_when_its_time_has_come_and_not_before():
    """Whatever settles meanwhile."""
    hold = hold_in(WAITING)
    hold.settle(hold.calls["a"], done(1))
    suspend(begin(hold, 5.0), "b")
    end(hold, 5.0, successful=False)
    b = hold.calls["b"]
    hold.expire()  # publishes while b is pending
    hold.expired = False
    begin(hold, 9.0)
    conflict(hold, again_in=2.0, now=10.0)
    assert hold.next_time_out == 12.0
    hold.settle(b, done(1))
    hold.time_out(11.9)
    assert hold.state is WAITING
    hold.time_out(12.0)
    assert hold.state is READY


def test_conflict_when_expired_is_published_again_at_once():
    """In the last pass there is no time to wait."""
    hold = hold_in(WAITING, deadline=20.0)
    hold.time_out(20.0)
    begin(hold, 20.0)
    conflict(hold, now=20.5)
    hold.time_out(20.5)
    assert (hold.state, hold.expired, hold.next_time_out) == (READY, True, 20.0)


def test_conflict_counts_for_no_limit_of_passes():
    """The publisher has its own, of conflicts."""
    hold = Hold(0.0, max_passes=2)
    for _ in range(3):
        begin(hold, 0.0)
        conflict(hold, again_in=0.0, now=0.0)
        hold.time_out(0.0)
    suspend(begin(hold, 0.0), "a")
    end(hold, 0.0, successful=False)
    assert (hold.state, hold.passes, hold.conflicts) == (WAITING, 4, 3)
    hold.settle(hold.calls["a"], done(1))
    assert isinstance(raised_by(begin(hold, 0.0).suspend, [call("b")]), TooManyPasses)


def test_a_call_from_before_a_conflict_that_is_asked_for_again_starts():
    """A future that was kept somewhere over a conflict is not waited for in vain."""
    hold = Hold(0.0)
    kept = begin(hold, 0.0).submit(call("a"))
    conflict(hold, again_in=0.0, now=0.0)
    hold.time_out(0.0)
    this = begin(hold, 0.0)
    with pytest.raises(Suspended):
        this.suspend([kept])
    assert hold.calls == {"a": kept}
    end(hold, 0.0, successful=False)
    assert hold.take_starts() == [kept]


@pytest.mark.parametrize("ended_by", ["suspend", "return"])
def test_the_limit_of_passes_is_an_error_that_names_what_keeps_changing(ended_by):
    """A view that asks for ever new futures is stopped."""
    hold = Hold(0.0, max_passes=5)
    for number in range(1, 5):
        this = begin(hold, 0.0)
        this.submit(call("same"))
        suspend(this, f"new {number}")
        end(hold, 0.0, successful=False)
        for pending in hold.pending:
            hold.settle(pending, done(1))
    this = begin(hold, 0.0)
    new = this.submit(call("new 5"))
    if ended_by == "suspend":
        error = raised_by(this.suspend, [new])
    else:
        error = raised_by(end, hold, 0.0, successful=True)
        assert hold.state is DONE
    assert isinstance(error, TooManyPasses)
    assert (error.passes, error.names) == (5, ("new 3", "new 4", "new 5"))


def test_close_while_publishing_discards_a_pass_that_asks_for_something():
    """Nobody waits for what it would make without its results; it must not commit."""
    hold = Hold(0.0)
    this = begin(hold, 0.0)
    hold.close()
    assert isinstance(raised_by(this.suspend, [this.submit(call("a"))]), Suspended)
    assert isinstance(raised_by(this.suspend_if_it_waits, successful=True), Suspended)
    assert isinstance(raised_by(end, hold, 0.0, successful=True), RuntimeError)
    assert hold.take_starts() == []


def test_end_past_the_deadline_starts_nothing():
    """A pass that took too long goes on with the last one at once."""
    hold = Hold(0.0, deadline=10.0)
    raised_by(begin(hold, 0.0).suspend, [call("a")])
    end(hold, 10.0, successful=False)
    assert hold.take_starts() == []
    hold.time_out(10.0)
    assert (hold.state, hold.expired) == (READY, True)


def test_close_when_waiting_stops_what_runs_and_keeps_nothing():
    """The hold is dropped whole."""
    hold = hold_in(WAITING)
    hold.close()
    assert [c.name for c in hold.take_stops()] == ["a"]
    assert (hold.calls, hold.pending, hold.take_starts()) == ({}, (), [])


def test_a_hold_is_freed_without_the_garbage_collector():
    """Thousands are held: none may live on in a cycle."""
    hold = hold_in(DONE)
    gone = weakref.ref(hold)
    gc.disable()
    try:
        del hold
        assert gone() is None
    finally:
        gc.enable()


# a value that is there when it is asked for


def test_a_call_that_is_given_its_outcome_never_starts_and_costs_no_pass():
    """A fresh answer of a cache is a settled future in the pass that asks for it."""
    hold = Hold(0.0)
    this = begin(hold, 1.0)
    a = this.give(call("a"), done(1))
    assert (a.state, a.outcome.get(), a.first_pass) == (SETTLED, 1, 1)
    assert hold.pending == ()
    end(hold, 2.0, successful=True)
    assert (hold.state, hold.take_starts()) == (DONE, [])


def test_a_call_that_is_given_its_outcome_is_known_again_in_the_next_pass():
    """Whatever is there by then: its outcome is the same in every pass."""
    hold = Hold(0.0)
    this = begin(hold, 1.0)
    a = this.give(call("a"), done(1))
    (b,) = suspend(this, "b")
    end(hold, 2.0, successful=True)
    assert hold.take_starts() == [b]
    hold.settle(b, done(2))
    again = begin(hold, 3.0)
    assert again.submit(call("a")) is a
    assert again.give(call("a"), done("other")) is a
    assert a.outcome.get() == 1


def test_a_call_that_was_asked_for_before_keeps_what_it_is():
    """It runs, or is to run: nobody gives it another outcome."""
    hold = Hold(0.0)
    this = begin(hold, 1.0)
    (a,) = suspend(this, "a")
    assert this.give(call("a"), done(1)) is a
    assert (a.state, a.outcome) == (REGISTERED, None)


def test_an_outcome_can_be_given_when_nothing_can_be_waited_for():
    """After the commit, and in the last pass."""
    committed = begin(Hold(0.0), 1.0)
    committed.mark_committed()
    assert committed.give(call("a"), done(1)).outcome.get() == 1
    expired = begin(Hold(0.0, deadline=1.0), 2.0)
    assert expired.hold.expired
    assert expired.give(call("a"), done(1)).outcome.get() == 1


def test_an_outcome_given_in_a_pass_that_a_conflict_ended_is_forgotten():
    """The next pass asks anew."""
    hold = Hold(0.0)
    this = begin(hold, 1.0)
    this.give(call("a"), done(1))
    with pytest.raises(Suspended):
        this.conflict(0.0)
    end(hold, 1.0, successful=False)
    assert hold.calls == {}


def test_the_key_of_a_hold_is_the_same_in_all_passes_and_no_others():
    """For ``Idempotency-Key``: random, and made when it is asked for."""
    hold, other = Hold(0.0), Hold(0.0)
    key = hold.key
    begin(hold, 1.0)
    assert hold.key == key != other.key
    assert len(key) == 32


def test_a_call_knows_what_runs_it():
    """None is what suits the process."""
    assert call("a").executor is None
    assert Call("a", "a", lambda: 1, executor="processes").executor == "processes"


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("by waiting", ["called"]),
        ("with 2xx", ["called"]),
        ("with another answer", []),
        ("in a conflict", []),
        ("given up", []),
    ],
)
def test_follow_up_is_called_where_a_future_would_start_or_all_went_well(ends, expected):
    """Promise 3: Unauthorized, a redirect or an error starts nothing."""
    hold, log = Hold(0.0), []
    this = begin(hold, 0.0)
    this.follow_up(lambda: log.append("called"))
    if ends == "by waiting":
        suspend(this, "a")
    if ends == "in a conflict":
        conflict(hold)
    elif ends == "given up":
        hold.close()
    else:
        end(hold, 0.0, successful=ends == "with 2xx")
    for _ in range(2):
        for follow_up in hold.take_follow_ups():
            follow_up()
    assert log == expected
