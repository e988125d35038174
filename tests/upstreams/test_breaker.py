"""The breaker, with a clock that the test moves."""

from collective.wsgifutures.testing import Clock
from collective.wsgifutures.upstreams.breaker import Breaker
from collective.wsgifutures.upstreams.breaker import BreakerState

import pytest

CLOSED, OPEN, HALF_OPEN = BreakerState


@pytest.fixture
def clock():
    return Clock(1000.0)


@pytest.fixture
def breaker(clock):
    return Breaker(rate=0.5, window=10.0, calls=4, pause=5.0, clock=clock)


def call(breaker, failed):
    """Make a call; tell in how many seconds it may be made, 0 where it was."""
    mine = object()
    patience = breaker.enter(mine)
    if not patience:
        breaker.leave(mine, failed)
    return patience


def opened(breaker):
    for _ in range(4):
        call(breaker, True)
    assert breaker.state is OPEN
    return breaker


def test_fail_when_closed_opens_at_the_rate_and_not_before(breaker):
    """Half of at least four calls."""
    for failed in (False, False, True):
        call(breaker, failed)
    assert breaker.state is CLOSED
    call(breaker, True)
    assert breaker.state is OPEN


def test_fail_when_closed_and_there_are_few_calls_stays_closed(breaker):
    """Three failures of three are not enough to tell."""
    for _ in range(3):
        call(breaker, True)
    assert (breaker.state, breaker.closed_for()) == (CLOSED, 0.0)


def test_fail_when_every_other_call_succeeds_opens(breaker):
    """A count of failures in a row would never see it."""
    for failed in (True, False, True, False, True):
        call(breaker, failed)
    assert breaker.state is OPEN


def test_fail_when_the_window_is_over_is_forgotten(breaker, clock):
    """What is longer ago says nothing of now."""
    for _ in range(3):
        call(breaker, True)
    clock.advance(10.0)
    call(breaker, True)
    assert breaker.state is CLOSED


def test_fail_when_the_window_moves_on_counts_what_is_in_it(breaker, clock):
    """In parts of a tenth."""
    for _ in range(3):
        call(breaker, True)
        clock.advance(3.0)
    call(breaker, True)
    assert breaker.state is OPEN


def test_call_when_open_is_refused_and_told_when(breaker, clock):
    """Down to the moment at which it may be asked."""
    opened(breaker)
    assert (breaker.closed_for(), call(breaker, False)) == (5.0, 5.0)
    clock.advance(4.0)
    assert call(breaker, False) == 1.0


def test_call_when_the_pause_is_over_is_made_alone(breaker, clock):
    """One finds out, the others come again later."""
    opened(breaker)
    clock.advance(5.0)
    probe = object()
    assert (breaker.enter(probe), breaker.state) == (0.0, HALF_OPEN)
    assert call(breaker, False) > 0
    breaker.leave(probe, False)
    assert (breaker.state, call(breaker, False)) == (CLOSED, 0.0)


def test_fail_when_half_open_opens_again(breaker, clock):
    """For another pause."""
    opened(breaker)
    clock.advance(5.0)
    assert call(breaker, True) == 0.0
    assert (breaker.state, breaker.closed_for()) == (OPEN, 5.0)


def test_give_up_when_half_open_lets_another_call_find_out(breaker, clock):
    """Its client went away: nothing is known."""
    opened(breaker)
    clock.advance(5.0)
    assert call(breaker, None) == 0.0
    assert (breaker.state, breaker.closed_for()) == (HALF_OPEN, 0.0)
    assert call(breaker, False) == 0.0
    assert breaker.state is CLOSED


def test_succeed_when_half_open_forgets_what_was(breaker, clock):
    """The next failure is the first one."""
    opened(breaker)
    clock.advance(5.0)
    call(breaker, False)
    for _ in range(3):
        call(breaker, True)
    assert breaker.state is CLOSED


@pytest.mark.parametrize("failed", [True, False])
def test_leave_when_it_opened_meanwhile_changes_nothing(breaker, clock, failed):
    """A call that began before says nothing of now."""
    late = object()
    breaker.enter(late)
    opened(breaker)
    clock.advance(1.0)
    breaker.leave(late, failed)
    assert (breaker.state, breaker.closed_for()) == (OPEN, 4.0)


def test_give_up_when_closed_counts_for_nothing(breaker):
    """A client that goes away is no failure."""
    for _ in range(10):
        call(breaker, None)
    for _ in range(3):
        call(breaker, True)
    assert breaker.state is CLOSED
