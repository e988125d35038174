"""One pass: which one is published where, and what it leaves behind."""

from .fakes import raised_by
from collective.wsgifutures.kernel.calls import Call
from collective.wsgifutures.kernel.errors import FuturesError
from collective.wsgifutures.kernel.errors import StandsForSuspension
from collective.wsgifutures.kernel.errors import Suspended
from collective.wsgifutures.kernel.errors import TooManyPasses
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.hold import HoldState
from collective.wsgifutures.kernel.keep import keep_pass
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.testing.by_hand import publish_once
from contextvars import ContextVar

import contextvars
import pytest

setting = ContextVar("setting", default="unset")


class NotThere(StandsForSuspension):
    """Stands for a suspension."""

    is_of_pass = True


class Closer(NotThere):
    """Does too."""


def suspends():
    """Suspend the pass that is being published."""
    this = current_pass()
    this.suspend([this.submit(Call("a", "a", None))])


def publish(function, hold=None):
    """Publish *function* once; return whether it was the last pass."""
    return publish_once(hold or Hold(0.0), function, lambda: 0.0)


def test_the_pass_is_current_while_it_is_published_and_not_outside():
    """Whoever asks elsewhere runs in place."""
    seen = []
    hold = Hold(0.0)
    assert publish(lambda: seen.append(current_pass()) or True, hold)
    assert seen[0].hold is hold
    assert seen[0].closed
    assert current_pass() is None


def test_the_context_of_a_pass_that_has_ended_has_no_pass():
    """A body that is streamed, or a thread that lives on, finds no hold."""
    contexts = []
    publish(lambda: contexts.append(contextvars.copy_context()) or True)
    assert contexts[0].run(current_pass) is None


def raise_waiting(error, submits=True):
    """Return a view that *error* leaves; NotThere stands for a suspension."""

    def view():
        this = current_pass()
        if submits:
            this.submit(Call("a", "a", None))
        raise error

    return view


@pytest.mark.parametrize("error", [NotThere("x"), Closer("x")])
def test_an_error_that_stands_for_a_suspension_holds(error):
    """All that is pending is waited for."""
    hold = Hold(0.0)
    assert publish(raise_waiting(error), hold) is False
    assert (hold.state, [c.name for c in hold.take_starts()]) == (HoldState.WAITING, ["a"])


@pytest.mark.parametrize(
    ("error", "submits", "options"),
    [
        (ValueError("x"), True, {}),
        (NotThere("x"), False, {}),
        (NotThere("x"), True, {"deadline": 0.0}),
    ],
    ids=["another error", "nothing pending", "the last pass"],
)
def test_an_error_that_stands_for_none_is_raised(error, submits, options):
    """It is the answer."""
    hold = Hold(0.0, **options)
    assert raised_by(publish, raise_waiting(error, submits), hold) is error
    assert (hold.state, hold.take_starts()) == (HoldState.DONE, [])


def test_an_error_that_stands_for_a_suspension_when_out_of_passes_is_too_many_passes():
    """As the suspension would be."""
    error = raised_by(publish, raise_waiting(NotThere("x")), Hold(0.0, max_passes=1))
    assert type(error) is TooManyPasses


@pytest.mark.parametrize(
    ("function", "last", "state"),
    [
        (lambda: True, True, HoldState.DONE),
        (lambda: False, True, HoldState.DONE),
        (suspends, False, HoldState.WAITING),
    ],
)
def test_publish_tells_whether_it_was_the_last_pass(function, last, state):
    """Only the last pass's response is sent."""
    hold = Hold(0.0)
    assert publish(function, hold) is last
    assert hold.state is state


def _swallows(then):
    try:
        suspends()
    except BaseException:
        return then()


def _raises(error):
    raise error


@pytest.mark.parametrize(
    "then",
    [lambda: True, lambda: False, lambda: 1 / 0, lambda: _raises(SystemExit())],
    ids=["returned", "redirected", "failed", "exited"],
)
def test_a_pass_that_suspended_is_held_whatever_became_of_that(then):
    """A suspension that is swallowed or replaced is no answer."""
    hold = Hold(0.0)
    assert publish(lambda: _swallows(then), hold) is False
    assert hold.state is HoldState.WAITING


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)], ids=repr)
def test_an_exception_of_a_pass_that_did_not_wait_is_final(error):
    """It goes to whoever publishes, and the hold is over."""
    hold = Hold(0.0)
    assert raised_by(publish, lambda: _raises(error), hold) is error
    assert hold.state is HoldState.DONE


def test_suspended_without_a_future_is_an_error():
    """One that was raised by hand, or kept from another pass, waits for nothing."""
    hold = Hold(0.0)
    error = raised_by(publish, lambda: _raises(Suspended("a")), hold)
    assert type(error) is FuturesError
    assert str(error) == (
        "Suspended was raised, but no future was asked for in this pass. "
        "Only result(), exception() and gather() may raise it."
    )
    assert hold.state is HoldState.DONE


def test_a_pass_that_may_not_wait_raises_too_many_passes():
    """Also where it only submitted, and nobody looked before its end."""
    hold = Hold(0.0, max_passes=1)

    def submits():
        current_pass().submit(Call("a", "a", None))
        return True

    assert isinstance(raised_by(publish, submits, hold), TooManyPasses)


def test_a_hold_that_was_given_up_meanwhile_has_no_last_pass():
    """Its response is sent to nobody, and its error told to nobody."""
    hold = Hold(0.0)
    assert publish(lambda: hold.close() or True, hold) is False
    hold = Hold(0.0)
    assert publish(lambda: hold.close() or 1 / 0, hold) is False


def test_context_variables_go_into_a_pass_and_not_out_of_it():
    """What is set around the request is seen; what a pass sets is not seen by the next."""
    hold = Hold(0.0)
    seen = []

    def view(then):
        seen.append(setting.get())
        setting.set("by the pass")
        return then()

    setting.set("by the server")
    publish(lambda: view(suspends), hold)
    hold.expire()
    publish(lambda: view(lambda: True), hold)
    assert seen == ["by the server"] * 2
    assert setting.get() == "by the server"


def test_new_call_of_a_kept_pass_that_nothing_can_run_is_refused():
    """The error says which call."""

    def view():
        keep_pass()
        suspends()

    with pytest.raises(RuntimeError, match="a is new in a pass that is kept"):
        publish(view)
