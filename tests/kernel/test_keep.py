"""``keep_pass``: what cannot be undone is done once; what is asked for after it is there."""

from .fakes import raised_by
from .parts import swallow
from .test_executors import Blocking
from .test_executors import SECONDS
from .test_waiting import Request
from .test_waiting import setting
from collective.wsgifutures import compat
from collective.wsgifutures import fragment
from collective.wsgifutures import future
from collective.wsgifutures import FutureCancelled
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import HoldCancelled
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import keep_pass
from collective.wsgifutures import TooManyPasses
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.testing import Futures
from collective.wsgifutures.testing import HeldRequest
from types import SimpleNamespace
from zope.globalrequest import clearRequest
from zope.globalrequest import setRequest

import pytest
import threading
import time

pytestmark = pytest.mark.concurrency

#: What was done that cannot be undone, and the calls that were made.
log = []


@future(key="ask")
def ask(text):
    log.append(text)
    return text.upper()


@pytest.fixture(autouse=True)
def _nothing_yet(monkeypatch):
    log.clear()
    monkeypatch.setattr(checks, "_logged", set())


def act():
    """Do what cannot be undone."""
    keep_pass()
    log.append("acts")


def run(view, **options):
    """Return the answer and the number of passes."""
    request = Request(view, **options)
    return request.run(), request.hold.passes


# after the act


def asks_by_default():
    act()
    return ask.submit("a").result(default="default")


def only_submits():
    act()
    ask.submit("a")
    return "A"


def asks_whether_it_is_done():
    act()
    return ask.submit("a").done() and ask("a")


def swallows():
    act()
    return swallow(ask, "a")


def waits_in_a_part():
    act()
    return fragment(placeholder="…")(ask)("a")


def has_a_part_that_acts():
    fragment(act)()
    return ask("a")


AFTER = [
    asks_by_default,
    only_submits,
    asks_whether_it_is_done,
    swallows,
    waits_in_a_part,
    has_a_part_that_acts,
]


@pytest.mark.parametrize("view", AFTER)
def test_what_is_asked_for_after_the_act_is_waited_for_in_the_pass(view):
    """However it is asked for: there is no other pass that could have it."""
    assert run(view) == ("A", 1)
    assert log == ["acts", "a"]


def test_several_calls_after_the_act_are_made_one_after_the_other():
    """They all settle."""

    def view():
        act()
        return gather(*[ask.submit(letter) for letter in "abc"])

    assert run(view) == (["A", "B", "C"], 1)
    assert log == ["acts", "a", "b", "c"]


def test_a_call_after_the_act_that_fails_raises_in_the_view():
    """Its own error."""
    fails = future(key="fails")(lambda: {}["x"])

    def view():
        act()
        return type(raised_by(fails))

    assert run(view) == (KeyError, 1)


def test_a_call_after_the_act_that_takes_too_long_is_out_of_time():
    """No service can keep the slot for longer than the future's timeout."""
    slow = Blocking()
    call = future(key="slow", timeout=0.05)(lambda: slow())

    def view():
        act()
        return type(raised_by(call))

    assert run(view) == (FutureTimeout, 1)
    slow.go_on.set()


def test_at_the_deadline_a_pass_that_has_acted_goes_on_without_the_result():
    """And it is known that the response came late: no cache keeps it."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())

    def view():
        act()
        late = type(raised_by(call)), fragment(placeholder="…")(call)()
        return *late, type(raised_by(lambda: ask("b")))

    request = Request(view, deadline=0.2)
    assert request.run() == (HoldExpired, "…", HoldExpired)
    assert (log, request.hold.passes, request.hold.late) == (["acts"], 1, True)
    assert request.hold.waited >= 0.19
    slow.go_on.set()


def test_a_cancelled_wait_after_the_act_ends_at_once():
    """By an operator."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())

    def view():
        act()
        return type(raised_by(call))

    request = Request(view)
    canceller = threading.Thread(
        target=lambda: (slow.running.wait(SECONDS), request.waiter.cancel())
    )
    canceller.start()
    assert request.run() is HoldCancelled
    canceller.join()
    slow.go_on.set()


def test_a_request_that_is_given_up_after_the_act_goes_on_to_its_end():
    """What it did has to be committed, so it must not be discarded."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())

    def view():
        act()
        log.append(type(raised_by(call)))
        log.append("end")
        return "answer"

    request = Request(view)

    def leave():
        slow.running.wait(SECONDS)
        time.sleep(0.1)  # until the pass waits
        request.waiter.close()

    client = threading.Thread(target=leave)
    client.start()
    started = time.monotonic()
    request.publish()
    assert time.monotonic() - started < SECONDS
    assert (log, request.answer) == (["acts", HoldExpired, "end"], "answer")
    client.join()
    slow.go_on.set()


def test_a_call_after_the_act_sees_the_context_of_its_request_and_no_pass():
    """It runs outside, as ever."""
    look = future(key="look")(lambda: (setting.get(), current_pass()))

    def view():
        setting.set("by the pass")
        act()
        return look.submit().result()

    setting.set("by the server")
    assert run(view) == (("by the server", None), 1)


def test_a_placeholder_of_compat_after_the_act_is_not_sent():
    """The value is there where it was submitted."""
    setRequest(SimpleNamespace())

    def view():
        act()
        return compat.resultOrSubmit("key", "placeholder", str.upper, "a")

    try:
        assert run(view) == ("A", 1)
    finally:
        clearRequest()


def test_a_wait_after_the_act_is_told_with_the_future_once(caplog):
    """Without debug too: a slot is kept for it."""

    def view():
        act()
        return ask("a") + ask("b")

    run(view)
    run(view)
    (message,) = [r.getMessage() for r in caplog.records]
    assert message.startswith("A request asks for ask after it has done what cannot be undone")


def test_nothing_is_told_of_a_pass_that_asks_for_nothing_after_the_act(caplog):
    """That is how it should be."""

    def view():
        text = ask("a")
        act()
        return text

    assert run(view) == ("A", 2)
    assert (log, caplog.records) == (["a", "acts"], [])


# before the act


def submitted_only():
    ask.submit("a")
    act()
    return ask("a")


def with_a_default():
    ask.submit("a").result(default="")
    act()
    return ask("a")


def swallowed():
    swallow(ask, "a")
    act()
    return ask("a")


def with_a_part_that_waits():
    text = fragment(ask)("a")
    act()
    return text


def with_a_part_that_acts():
    ask.submit("a")
    fragment(act)()
    return ask("a")


BEFORE = [submitted_only, with_a_default, swallowed, with_a_part_that_waits, with_a_part_that_acts]


@pytest.mark.parametrize("view", BEFORE)
def test_a_pass_that_waits_already_ends_before_the_act(view):
    """It would be thrown away."""
    assert run(view) == ("A", 2)
    assert log == ["a", "acts"]


def test_a_pass_that_waits_already_and_is_out_of_passes_does_not_act():
    """Its answer is an error."""

    def view():
        ask.submit("a")
        act()

    error = raised_by(Request(view, max_passes=1).run)
    assert (type(error), log) == (TooManyPasses, [])


def test_the_last_pass_at_the_deadline_acts():
    """Its response is sent, whatever it waits for."""
    slow = Blocking()
    call = future(key="slow")(lambda: slow())

    def view():
        text = call.submit().result(default="without")
        act()
        return text

    assert run(view, deadline=0.1) == ("without", 2)
    assert log == ["acts"]
    slow.go_on.set()


# otherwise


def test_a_pass_after_a_conflict_may_suspend_again():
    """It has not acted yet."""

    def view():
        this = current_pass()
        if this.hold.passes == 1:
            act()
            this.conflict(again_in=0.0)
        return ask("a")

    assert run(view) == ("A", 3)
    assert log == ["acts", "a"]


def test_without_a_hold_an_act_is_nothing_special():
    """A script does it as ever."""
    act()
    assert (ask("a"), log) == ("A", ["acts", "a"])


def test_after_the_commit_an_act_is_nothing_special():
    """Mail of the transaction is sent there."""

    def view():
        current_pass().mark_committed()
        act()
        return "answer"

    assert run(view) == ("answer", 1)


def test_an_act_during_a_commit_that_fails_keeps_no_pass():
    """The connection to the mail server is made before the commit is sure."""
    failed = []

    def view():
        this = current_pass()
        this.mark_committed(failed=lambda: bool(failed))
        act()
        failed.append("yes")
        return ask("a")  # an exception view does

    assert run(view) == ("A", 2)


def test_a_held_request_runs_what_is_asked_for_after_the_act():
    """By hand too it takes one pass."""
    request = HeldRequest(asks_by_default)
    assert (request.run(), request.passes) == ("A", 1)


def test_futures_of_a_test_give_what_is_asked_for_after_the_act():
    """What the test has settled, after the time that it takes."""
    with Futures() as futures:
        futures.settle(ask, "a", value="settled", after=3.0)
        assert futures.publish(asks_by_default) == "settled"
    assert (futures.passes, futures.waits, futures.waited) == (1, [["ask"]], 3.0)


# what breaks off the wait


class _Limit(BaseException):
    """A time limit of the view's own."""


def test_a_limit_of_the_views_own_ends_the_wait_and_not_the_request(monkeypatch):
    """The call is stopped; the view's answer is sent, and what it did stays done once."""

    def view():
        act()
        this = current_pass()
        wait, waiter = this.wait_inside, request.waiter

        def broken(*args):
            raise _Limit

        monkeypatch.setattr(waiter, "wait", broken)
        try:
            return ask("never")
        except _Limit:
            return f"without, {wait is not None}"

    request = Request(view)
    assert (request.run(), request.hold.passes) == ("without, True", 1)
    assert log == ["acts"]


def test_a_call_that_could_not_be_waited_for_does_not_throw_the_pass_away(monkeypatch):
    """It has acted: another pass would act again."""

    def view():
        act()

        def broken(call):
            raise RuntimeError("no context is free")

        monkeypatch.setattr(current_pass(), "wait_inside", broken)
        with pytest.raises(RuntimeError):
            ask("a")
        return "answer"

    assert run(view) == ("answer", 1)
    assert log == ["acts"]


def test_a_call_that_an_error_page_has_left_pending_is_not_asked_for_after_an_act():
    """The page would be made again, and act again."""

    def view():
        call = ask.submit("a")
        current_pass().mark_answered()
        act()
        with pytest.raises(FutureCancelled):
            call.result()
        return "sorry"

    assert run(view) == ("sorry", 1)
    assert log == ["acts"]
