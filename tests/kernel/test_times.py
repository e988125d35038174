"""What a hold knows of its times: plain numbers, for who may see them."""

from .fakes import done
from .moves import begin
from .moves import end
from collective.wsgifutures import future
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.errors import Suspended
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.waiting import Waiter
from collective.wsgifutures.testing import ByHand
from collective.wsgifutures.testing import Clock
from collective.wsgifutures.testing import HeldRequest

import pytest


@future(key="a")
def first():
    return "a"


@future(key="b", timeout=5)
def second():
    return "b"


def test_waiting_is_the_time_between_passes_and_not_that_of_them():
    """With the time until there is a slot; a pass that takes long is none of it."""
    hold = Hold(0.0)
    for began, ended in [(1.0, 3.0), (10.0, 11.5)]:
        this = begin(hold, began)
        call = this.submit(Call(str(began), began, None))
        end(hold, ended, successful=True)
        hold.settle(call, done("a"))
    begin(hold, 12.0)
    assert hold.waited == 7.0 + 0.5


def test_a_conflict_is_waited_for_too():
    """The visitor waits, whatever for."""
    hold = Hold(0.0)
    with pytest.raises(Suspended):
        begin(hold, 0.0).conflict(2.0)
    end(hold, 1.0, successful=False)
    hold.time_out(3.0)
    begin(hold, 4.0)
    assert hold.waited == 3.0


def test_a_future_took_until_it_had_its_outcome_not_until_somebody_looked():
    """The executor's thread notes the time."""
    clock, executor = Clock(), ByHand()
    hold = Hold(0.0)
    waiter = Waiter(hold, executor.get, clock)
    begin(hold, 0.0).submit(Call("a", "a", lambda: "a"))
    end(hold, 1.0, successful=True)
    waiter.start()
    clock.now = 3.0
    executor.run_all()
    clock.now = 9.0
    waiter.collect()
    assert hold.times == [("a", 2.0)]


def test_a_future_that_ran_out_of_time_took_its_timeout():
    """And it is in the list."""
    request = HeldRequest(lambda: second.submit().exception())
    request.publish()
    request.advance(5)
    assert request.hold.times == [("b", 5.0)]


def test_a_future_that_runs_at_the_deadline_took_until_then():
    """Who looks at a page that came late sees for what."""
    request = HeldRequest(lambda: first.submit().result(default="-"), deadline=4.0)
    request.publish()
    request.advance(4)
    assert request.publish() == "-"
    assert request.hold.times == [("a", 4.0)]


def test_times_are_there_when_the_request_is_answered():
    """Its calls are dropped by then."""
    request = HeldRequest(lambda: first() + "!")
    assert request.run() == "a!"
    assert ([name for name, _ in request.hold.times], request.hold.calls) == (["a"], {})


def test_who_may_know_is_forgotten_when_the_next_pass_begins():
    """It is the last pass that counts."""
    hold = Hold(0.0)
    begin(hold, 0.0).submit(Call("a", "a", None))
    hold.tells_times = True
    end(hold, 0.0, successful=True)
    hold.expire()
    begin(hold, 1.0)
    assert not hold.tells_times
