"""What ``collective.futures`` did, case by case, on this kernel. C01 and so on: its cases."""

from .fakes import BrowserView
from .fakes import Persistent
from .fakes import Plain
from .fakes import raised_by
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import compat as futures
from collective.wsgifutures import future
from collective.wsgifutures import FuturesError
from collective.wsgifutures import ResultRefused
from collective.wsgifutures import Suspended
from collective.wsgifutures import TooManyPasses
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.waiting import drive
from collective.wsgifutures.kernel.waiting import Waiter
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing.by_hand import publish_once
from pathlib import Path
from types import SimpleNamespace
from zope.globalrequest import clearRequest
from zope.globalrequest import setRequest
from zope.interface import noLongerProvides

import functools
import inspect
import os
import pickle
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency

log = []


def echo(*args, **kwargs):
    log.append(args[0] if args else kwargs)
    return (*args, kwargs) if kwargs or len(args) != 1 else args[0]


def fail(text):
    log.append(text)
    raise LookupError(text)


def leave(status):
    raise SystemExit(status)


def give(make):
    return make()


def rest(seconds):
    time.sleep(seconds)
    return seconds


@future
def ask(text):
    return text.upper()


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()


@pytest.fixture
def request_of_zope():
    """A request, where ``getRequest`` finds it."""
    request = SimpleNamespace()
    setRequest(request)
    yield request
    clearRequest()


def ask_for(key, *args, **kwargs):
    """Return the value or the name of what is raised."""
    try:
        return futures.result(key, *args, **kwargs)
    except futures.FuturesException as error:
        return type(error).__name__


def passes_of(*views):
    """Publish one request, each pass by the next of *views*; return what the last gave."""
    left = list(views)
    request = HeldRequest(lambda: left.pop(0)())
    answer = request.run()
    assert left == []
    return answer


def submitted(key="k", function=echo, *args):
    """Return a pass that submits and returns."""
    return lambda: futures.submit(key, function, *(args or ("value",)))


def serve(view, **options):
    """Publish *view* as a server does, its calls on the executors of this process."""
    hold, answers = Hold(time.monotonic(), **options), []
    executors = Executors()
    waiter = Waiter(hold, executors.get)

    def publish():
        answers.append(view())
        return True

    try:
        while not publish_once(hold, publish, time.monotonic):
            drive(waiter.wait())
    finally:
        waiter.close()
        executors.close()
    return answers


# The names


def test_the_public_names_are_those_of_the_ancestor():
    """One import line changes."""
    assert set(futures.__all__) == {
        *("result", "submit", "submitMultiprocess", "resultOrSubmit"),
        *("resultOrSubmitMultiprocess", "cancel", "clear", "reset", "FuturesException"),
        *("FutureNotSubmittedError", "FutureNotResolvedError", "FutureAlreadyResolvedError"),
        "IContainsPromises",
    }
    assert all(getattr(futures, name).__doc__ for name in futures.__all__)


def test_the_parameters_are_those_of_the_ancestor():
    """By position; what the function is called with may have any name."""
    verbs = [getattr(futures, name) for name in futures.__all__ if name[0].islower()]
    found = {verb.__name__: " ".join(inspect.signature(verb).parameters) for verb in verbs}
    assert found == {
        "result": "key default",
        "submit": "key fn args kwargs",
        "submitMultiprocess": "key fn args kwargs",
        "resultOrSubmit": "key placeholder fn args kwargs",
        "resultOrSubmitMultiprocess": "key placeholder fn args kwargs",
        "cancel": "key",
        "clear": "key",
        "reset": "key",
    }


@pytest.mark.parametrize(
    "kind",
    [
        futures.FutureNotSubmittedError,
        futures.FutureNotResolvedError,
        futures.FutureAlreadyResolvedError,
    ],
)
def test_an_error_names_its_key_and_survives_pickling(kind):
    """They are FuturesException, and so FuturesError."""
    error = pickle.loads(pickle.dumps(kind(("k", 1))))
    assert (error.key, isinstance(error, futures.FuturesException)) == (("k", 1), True)
    assert isinstance(error, FuturesError)
    assert "('k', 1)" in str(error)


# result, in each state of a key


def test_result_when_never_submitted_raises_not_submitted():
    """C01."""
    assert passes_of(lambda: ask_for("k")) == "FutureNotSubmittedError"


@pytest.mark.parametrize("default", ["default", None])
def test_result_when_there_is_none_gives_the_default(default):
    """C02: unsubmitted or unresolved, ``None`` too."""

    def view():
        first = futures.result("k", default)
        futures.submit("k", echo, "value")
        return first, futures.result("k", default=default)

    assert HeldRequest(view).publish() is HELD
    assert serve(view_until_resolved(view))[0] == (default, default)


def view_until_resolved(view):
    """Return *view* for the pass in which nothing is submitted, and then the value of k."""

    def published():
        return view() if ask_for("k") == "FutureNotSubmittedError" else futures.result("k")

    return published


def test_result_when_submitted_in_this_pass_raises_not_resolved():
    """C03: for a view that catches it; with a default, the default."""

    def view():
        futures.submit("k", echo, "value")
        return ask_for("k"), ask_for("k", "default")

    answers = serve(view_until_resolved(view))
    assert answers == [("FutureNotResolvedError", "default"), "value"]


def test_not_resolved_when_it_leaves_the_view_holds_and_publishes_again():
    """C03, C09: as if it had suspended on all that is pending."""

    def view():
        if ask_for("k", "none") == "none":
            futures.submit("other", echo, "other")
            futures.submit("k", echo, "value")
        return futures.result("k"), futures.result("other")

    request = HeldRequest(view)
    assert request.publish() is HELD
    request.settle("k", value="value")
    with pytest.raises(RuntimeError, match="not ready"):
        request.publish()  # C19: pass 2 starts after the slowest
    request.settle("other", value="other")
    assert (request.publish(), request.passes) == (("value", "other"), 2)


def test_not_resolved_when_submitted_in_an_earlier_pass_holds_too():
    """C03: a pass may come before the outcome is there, where something else was waited for."""

    def view():
        if ask_for("k") == "FutureNotSubmittedError":
            futures.submit("k", echo, "value")
        ask("more")
        return futures.result("k")

    request = HeldRequest(view)
    assert request.publish() is HELD
    request.settle(ask.name, value="MORE")
    assert request.publish() is HELD
    request.settle("k", value="value")
    assert (request.publish(), request.passes) == ("value", 3)


def test_any_other_exception_is_the_response_and_nothing_runs():
    """C09, changed: a pass that does not end by waiting starts nothing."""

    def view():
        futures.submit("k", echo, "value")
        raise ValueError("x")

    request = HeldRequest(view)
    with pytest.raises(ValueError, match="x"):
        request.publish()
    assert (request.hold.done, request.executor.jobs) == (True, [])


def test_not_resolved_when_caught_and_followed_by_an_error_starts_nothing():
    """C09: what counts is what leaves the view."""

    def view():
        futures.submit("k", echo, "value")
        assert ask_for("k") == "FutureNotResolvedError"
        raise ValueError("x")

    assert type(raised_by(serve, view)) is ValueError
    assert log == []


def test_not_resolved_when_nothing_is_pending_is_an_error():
    """Nothing would come of waiting."""

    def view():
        futures.submit("k", echo, "value")
        try:
            futures.result("k")
        finally:
            futures.cancel("k")

    assert type(raised_by(serve, view)) is futures.FutureNotResolvedError


def test_value_is_the_same_object_in_a_pass_and_a_copy_in_the_next():
    """A view that changes a result changes its own pass's copy."""

    def view():
        found = futures.result("k")
        found.append(2)
        return found, futures.result("k"), ask("more")

    assert passes_of(submitted("k", echo, [1]), view, view) == ([1, 2], [1, 2], "MORE")


# submit


def test_submit_returns_true():
    """C04: for ``submit(...) and ...``."""
    assert HeldRequest(lambda: log.append(futures.submit("k", echo, 1))).publish() is HELD
    assert log == [True]


def test_submit_when_submitted_in_this_pass_the_last_wins():
    """C05: the first never runs."""

    def view():
        if ask_for("k", None) is None:
            futures.submit("k", fail, "first")
            futures.submit("k", echo, "second")
        return futures.result("k")

    assert passes_of(view, view) == "second"
    assert log == ["second"]


@pytest.mark.parametrize("function", [echo, fail])
def test_submit_when_resolved_is_refused(function):
    """C06: a failure is an outcome too."""
    error = passes_of(submitted("k", function), lambda: raised_by(futures.submit, "k", echo, 2))
    assert (type(error), error.key) == (futures.FutureAlreadyResolvedError, "k")
    assert "clear" in str(error)


def test_submit_when_running_goes_on_with_what_runs():
    """A future runs at most once: a pass may come before it has its result."""

    def view():
        futures.submit("k", echo, "value")
        return ask("more")

    request = HeldRequest(view)
    assert request.publish() is HELD
    request.settle(ask.name, value="MORE")
    assert request.publish() is HELD
    assert request.running == ["k"]
    assert len(request.executor.jobs) == 2


def test_result_or_submit_gives_the_placeholder_and_then_the_value():
    """C07."""

    def view():
        log.append(futures.resultOrSubmit("k", "placeholder", echo, "value"))
        return log[-1]

    assert passes_of(view, view) == "value"
    assert log == ["placeholder", "value", "value"]


def test_result_or_submit_twice_in_a_pass_gives_the_placeholder_twice():
    """C08, changed; the call runs once."""

    def view():
        return [futures.resultOrSubmit("k", "placeholder", echo, "value") for _ in range(2)]

    answers = serve(view)
    assert answers == [["placeholder", "placeholder"], ["value", "value"]]
    assert log == ["value"]


def test_the_arguments_of_the_call_are_passed():
    """C15: by position and by name."""
    view = functools.partial(futures.submit, "k", echo, 1, [2], three=3)
    value = passes_of(view, lambda: futures.result("k"))
    assert value == (1, [2], {"three": 3})


def test_the_parameters_may_be_given_by_their_names():
    """As they were called."""
    view = functools.partial(futures.submit, key="k", fn=echo, value=1)
    value = passes_of(view, lambda: futures.resultOrSubmit(key="k", placeholder=None, fn=echo))
    assert value == ({"value": 1},)


@pytest.mark.parametrize("verb", [futures.submit, futures.submitMultiprocess])
def test_submit_when_not_callable_is_refused_at_once(verb):
    """C15, changed: it was the future's exception."""
    error = passes_of(lambda: raised_by(verb, "k", "text"))
    assert type(error) is TypeError
    assert str(error) == "k: submit a function and its arguments; a str is not callable"


def test_an_async_function_is_refused():
    """There was none; ``@future`` takes it."""

    async def fetch():
        pass

    error = passes_of(lambda: raised_by(futures.submit, "k", fetch))
    assert (type(error), "async def; declare it with @future" in str(error)) == (TypeError, True)


def test_arguments_that_do_not_fit_are_the_futures_exception():
    """C15: as it was."""
    error = passes_of(submitted("k", fail, 1, 2), lambda: raised_by(futures.result, "k"))
    assert type(error) is TypeError


@pytest.mark.parametrize("function", [lambda: "called", functools.partial(str, "called")])
def test_a_function_needs_no_name(function):
    """The key names the call. It may be passed on to another one, too."""

    def view():
        own = futures.resultOrSubmit("k", None, function)
        return own, futures.resultOrSubmit("passed", None, give, function)

    assert passes_of(view, view) == ("called", "called")


def test_a_value_in_a_closure_is_that_of_the_submit():
    """A loop's variable goes on changing."""

    def view():
        for n in range(3):
            futures.submit(f"k{n}", lambda: n)  # noqa: B023

    assert passes_of(view, lambda: [futures.result(f"k{n}") for n in range(3)]) == [0, 1, 2]


# What comes back


def test_the_exception_of_a_future_is_logged_and_raised_whatever_the_default(caplog):
    """C10."""

    def view():
        return raised_by(futures.result, "k", "default"), raised_by(futures.result, "k")

    errors = passes_of(submitted("k", fail, "x"), view)
    assert [type(error) for error in errors] == [LookupError, LookupError]
    assert failures(caplog) == [("k failed", LookupError)]


def failures(caplog):
    """Return what was logged of futures that failed."""
    records = [r for r in caplog.records if r.name == "collective.wsgifutures.compat"]
    return [(record.getMessage(), record.exc_info[0]) for record in records]


def test_what_was_cancelled_is_not_logged(caplog):
    """It is no failure."""
    assert serve(lambda: futures.submit("k", fail, "x") and futures.cancel("k")) == [True]
    assert failures(caplog) == []


def test_the_exception_of_a_call_in_place_is_logged(caplog, request_of_zope):
    """C10: as of any."""
    futures.submit("k", fail, "x")
    assert failures(caplog) == [("k failed", LookupError)]


def test_a_key_error_of_a_future_is_a_key_error():
    """C11."""
    error = passes_of(submitted("k", key_error, "x"), lambda: raised_by(futures.result, "k"))
    assert (type(error), error.args) == (KeyError, ("x",))


def key_error(name):
    return {}[name]


def test_an_exception_that_is_returned_is_a_value():
    """C12, changed: it was raised."""
    value = passes_of(submitted("k", give, ValueError), lambda: futures.result("k"))
    assert type(value) is ValueError


def test_none_is_a_value():
    """C12."""
    view = functools.partial(futures.resultOrSubmit, "k", "placeholder", log.append, 1)
    assert passes_of(functools.partial(futures.submit, "k", nothing), view) is None


def nothing():
    return None


@pytest.mark.parametrize("kind", [futures.FutureNotSubmittedError, futures.FutureNotResolvedError])
def test_an_error_of_ours_that_a_future_raises_is_raised_as_it_is(kind):
    """C13, changed: it made resultOrSubmit submit once more."""

    def view():
        return futures.resultOrSubmit("k", "placeholder", raise_ours, kind.__name__)

    assert type(raised_by(passes_of, view, view)) is kind
    assert log == [kind.__name__]


def raise_ours(name):
    log.append(name)
    raise getattr(futures, name)("inner")


def test_not_resolved_that_a_future_raises_holds_nothing():
    """C13: it is not that of a key, whatever else is pending."""

    def second():
        futures.submit("other", echo, "other")
        return futures.result("k")

    first = submitted("k", raise_ours, "FutureNotResolvedError")
    assert type(raised_by(passes_of, first, second)) is futures.FutureNotResolvedError
    assert log == ["FutureNotResolvedError"]


def test_a_future_that_would_end_its_process_is_an_exception_in_the_view():
    """C14, changed: the request hung for ever."""

    def view():
        if ask_for("k", "none") == "none":
            return futures.submit("k", leave, 3)
        return None

    error = raised_by(serve, view, deadline=5.0)
    assert type(error) is FuturesError
    assert "SystemExit(3)" in str(error)


# cancel, clear, reset


def test_cancel_when_submitted_is_true_and_it_never_runs():
    """C16: published at once where none is left; again it is False."""

    def view():
        futures.submit("k", echo, "value")
        return futures.cancel("k"), futures.cancel("k"), ask_for("k"), ask_for("k", "default")

    answers = serve(view)
    assert answers == [(True, False, "FutureNotSubmittedError", "default")]
    assert log == []


def test_cancel_of_one_of_two_leaves_the_other():
    """C16."""

    def view():
        if ask_for("b", "none") != "none":
            return ask_for("a"), futures.result("b")
        futures.submit("a", echo, "a")
        futures.submit("b", echo, "b")
        return futures.cancel("a")

    assert passes_of(view, view) == ("FutureNotSubmittedError", "b")
    assert log == ["b"]


def test_cancel_when_running_stops_it_and_it_may_be_submitted_again():
    """Where a pass comes before the outcome is there."""
    state = []

    def view():
        state.append(futures.submit("k", echo, len(state)))
        if len(state) == 2:
            state.append(futures.cancel("k"))
            futures.submit("k", echo, "again")
        return ask("more")

    request = HeldRequest(view)
    request.publish()
    request.settle(ask.name, value="MORE")
    assert request.publish() is HELD
    assert [job.cancelled for job in request.executor.jobs] == [True, True, False]
    request.settle("k", value="again")
    assert state == [True, True, True]


def test_cancel_when_resolved_or_unknown_is_false():
    """It cannot be undone."""
    assert passes_of(submitted(), lambda: (futures.cancel("k"), futures.cancel("x"))) == (
        False,
        False,
    )


def test_clear_when_resolved_is_true_and_it_may_be_submitted_again():
    """C17: a further pass; it runs again."""

    def second():
        assert (futures.clear("k"), futures.clear("k")) == (True, False)
        assert ask_for("k") == "FutureNotSubmittedError"
        return futures.submit("k", echo, "again")

    assert passes_of(submitted(), second, lambda: futures.result("k")) == "again"
    assert log == ["value", "again"]


@pytest.mark.parametrize("known", [True, False])
def test_clear_when_not_resolved_is_false(known):
    """C17: what waits is cancelled, not cleared."""

    def view():
        if known:
            futures.submit("k", echo, "value")
        log.append(futures.clear("k"))
        futures.cancel("k")

    serve(view)
    assert log == [False]


def test_reset_cancels_or_clears():
    """C18: True if either, False for an unknown key."""

    def first():
        futures.submit("k", echo, "value")
        told = [futures.reset("k"), futures.reset("k"), ask_for("k")]
        log.append(told)
        return futures.submit("k", echo, "value")

    def second():
        return futures.reset("k"), futures.reset("k"), ask_for("k")

    assert passes_of(first, second) == (True, False, "FutureNotSubmittedError")
    assert log == [[True, False, "FutureNotSubmittedError"], "value"]


# Waiting


def test_futures_run_side_by_side_and_pass_2_starts_after_the_slowest():
    """C19, without the limit of five at once."""

    def view():
        return [futures.resultOrSubmit(n, None, rest, 0.2 + n / 100) for n in range(12)]

    began = time.monotonic()
    answers = serve(view)
    took = time.monotonic() - began
    assert answers == [[None] * 12, [0.2 + n / 100 for n in range(12)]]
    assert 0.31 <= took < 1.5


def test_a_chain_of_twenty_takes_twenty_one_passes():
    """C20: each is submitted when the one before it is there; all are kept."""

    def view():
        found = []
        for n in range(20):
            found.append(futures.resultOrSubmit(n, None, echo, n))
            if found[-1] is None:
                break
        return found

    answers = serve(view)
    assert (len(answers), answers[-1]) == (21, list(range(20)))
    assert log == list(range(20))


def test_a_chain_is_inside_the_limit_of_passes():
    """C20, changed: there was no limit."""

    def view():
        n = 0
        while futures.resultOrSubmit(n, None, echo, n) is not None:
            n += 1

    error = raised_by(serve, view, max_passes=4)
    assert type(error) is TooManyPasses
    assert log == [0, 1, 2]


def test_not_resolved_when_there_is_no_further_pass_is_too_many_passes():
    """C20: as ``result()`` of any future."""
    state = []

    def view():
        state.append(futures.submit(len(state), echo, len(state)))
        return futures.result(len(state) - 1)

    error = raised_by(serve, view, max_passes=3)
    assert (type(error), error.names) == (TooManyPasses, ("0", "1", "2"))
    assert log == [0, 1]


def test_nothing_has_a_time_limit_but_the_hold():
    """There was none: a call may take as long as the response is held."""
    request = HeldRequest(lambda: futures.resultOrSubmit("k", "placeholder", echo, 1))
    request.publish()
    request.advance(54.0)
    assert request.running == ["k"]
    request.settle("k", value="late")
    assert request.publish() == "late"


# The last pass at the deadline


def expire(view):
    """Publish *view* twice, the second time past the deadline; return what that gives."""
    request = HeldRequest(view)
    assert request.publish() is HELD
    request.advance(60.0)
    return request.publish()


def test_the_last_pass_renders_the_placeholder():
    """As ``result(default=)`` does."""
    view = functools.partial(futures.resultOrSubmit, "k", "placeholder", echo, "value")
    assert expire(view) == "placeholder"


def test_the_last_pass_when_not_resolved_leaves_the_view_is_an_error():
    """It cannot wait: the publisher makes 504 of it."""

    def view():
        if ask_for("k") == "FutureNotSubmittedError":
            futures.submit("k", echo, "value")
        return futures.result("k")

    assert type(raised_by(expire, view)) is futures.FutureNotResolvedError


def test_the_last_pass_submits_what_never_starts():
    """Its response is sent, whatever it asked for."""

    def view():
        if ask_for("k") == "FutureNotSubmittedError":
            return futures.submit("k", echo, "value")
        told = [ask_for("k"), ask_for("new"), futures.submit("new", echo, 1)]
        told += [ask_for("new"), ask_for("new", "default"), futures.cancel("k"), ask_for("k")]
        futures.submit("k", echo, "value")
        return told

    assert expire(view) == [
        *("FutureNotResolvedError", "FutureNotSubmittedError", True),
        *("FutureNotResolvedError", "default", True, "FutureNotSubmittedError"),
    ]
    assert log == []


def test_a_pass_when_its_request_was_given_up_suspends_at_submit():
    """C31: nobody waits for what a view would make of a placeholder."""
    hold = Hold(0.0)

    def publish():
        hold.close()
        log.append(type(raised_by(futures.resultOrSubmit, "k", "placeholder", echo, 1)))
        return True

    assert publish_once(hold, publish, time.monotonic) is False
    assert log == [Suspended]


# In place


def test_without_a_hold_a_call_runs_when_it_is_submitted(request_of_zope):
    """Its outcome is kept with the request."""
    assert ask_for("k") == "FutureNotSubmittedError"
    assert futures.submit("k", echo, "value") is True
    assert log == ["value"]
    assert futures.result("k", "default") == "value"
    assert type(raised_by(futures.submit, "k", echo, 2)) is futures.FutureAlreadyResolvedError
    assert (futures.cancel("k"), futures.clear("k"), futures.clear("k")) == (False, True, False)
    assert futures.reset("k") is False
    assert ask_for("k", "default") == "default"


def test_without_a_hold_nothing_is_kept_for_another_request(request_of_zope):
    """Results never cross requests."""
    futures.submit("k", echo, "value")
    setRequest(SimpleNamespace())
    assert ask_for("k") == "FutureNotSubmittedError"


def test_without_a_hold_result_or_submit_gives_the_value_at_once(request_of_zope):
    """There is no second pass that could."""
    calls = [futures.resultOrSubmit("k", "placeholder", echo, "value") for _ in range(2)]
    assert (calls, log) == (["value", "value"], ["value"])


def test_without_a_hold_an_exception_is_raised_by_result(request_of_zope):
    """In place too."""
    assert futures.submit("k", fail, "x") is True
    assert type(raised_by(futures.result, "k", "default")) is LookupError


def test_without_a_request_submit_says_that_nothing_could_be_kept():
    """A script calls the function itself; resultOrSubmit needs nothing to be kept."""
    error = raised_by(futures.submit, "k", echo, 1)
    assert type(error) is FuturesError
    assert "Call the function" in str(error)
    assert log == []
    assert [futures.resultOrSubmit("k", None, echo, n) for n in range(2)] == [0, 1]
    assert (ask_for("k", "default"), futures.reset("k")) == ("default", False)


def test_inside_a_future_a_call_runs_in_place():
    """There is no pass."""

    def outer(text):
        assert current_pass() is None
        return futures.resultOrSubmit("inner", "placeholder", echo, text)

    assert serve(lambda: futures.resultOrSubmit("k", None, outer, "value")) == [None, "value"]


# Keys


@pytest.mark.parametrize("key", ["k", "kéy ✓", "", 0, -7, ("page", 3), (("a", 1), "b"), ()])
def test_a_key_is_a_str_an_integer_or_a_tuple_of_those(key):
    """C24, changed: other keys than ASCII failed or hung."""
    view = functools.partial(futures.resultOrSubmit, key, None, echo, "value")
    assert serve(view) == [None, "value"]


def test_keys_are_told_apart_by_their_types():
    """``"1"`` is not ``1``."""

    def view():
        return [futures.resultOrSubmit(key, None, echo, n) for n, key in enumerate(["1", 1, (1,)])]

    assert passes_of(view, view) == [0, 1, 2]


@pytest.mark.parametrize("key", [None, True, 1.0, b"k", ["k"], ("k", None), object()])
@pytest.mark.parametrize("verb", ["result", "clear", "cancel", "reset"])
def test_another_key_is_refused(verb, key):
    """With its type, and what it may be."""
    error = passes_of(lambda: raised_by(getattr(futures, verb), key))
    assert type(error) is TypeError
    assert type(key).__qualname__ in str(error)
    assert "str, an integer or a tuple" in str(error)


def test_a_key_is_no_future_declared_elsewhere():
    """Both may be in one request."""

    @future(key="k")
    def declared(text):
        return text

    def view():
        return futures.resultOrSubmit("k", None, echo, "old"), declared("new")

    assert passes_of(view, view) == ("old", "new")


# What may be passed


class View(BrowserView):
    def fetch(self):
        return "fetched"


CALLS = {
    "a bound method of a view": (View().fetch,),
    "a bound method of a persistent object": (type("P", (Persistent,), {"m": View.fetch})().m,),
    "a bound method of a Plain": (Plain().method,),
    "a persistent object": (echo, Persistent()),
    "a persistent object ": (echo, [{"a": Persistent()}]),
    "a view": (echo, View()),
    "a closure over found, a persistent object": ((lambda found: lambda: found)(Persistent()),),
    "a partial of a persistent object": (functools.partial(echo, Persistent()),),
    "does not pickle": (echo, (n for n in "abc")),
}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("verb", [futures.submit, futures.submitMultiprocess])
def test_what_belongs_to_zope_is_refused_and_the_error_says_how_to_port(verb, what):
    """C34, changed: it was let through, unguarded."""

    def view():
        return raised_by(verb, "k", *CALLS[what]), ask_for("k")

    error, after = passes_of(view)
    assert (type(error), after) == (ArgumentRefused, "FutureNotSubmittedError")
    assert (error.name, "Port from collective.futures" in str(error)) == ("k", True)
    assert what == "does not pickle" or what.strip() in str(error)


def test_the_refusal_of_a_method_says_what_to_submit_instead(request_of_zope):
    """The commonest line of an old view."""
    assert str(raised_by(futures.submit, "k", View().fetch)) == (
        "k cannot take its function: it is a bound method of a view; use a function of a module. "
        "Move fetch out of its class, and submit the plain values that it takes from self. "
        "See 'Port from collective.futures' in the documentation."
    )


def test_the_refusal_of_an_argument_says_which_it_is(request_of_zope):
    """By its position behind the function, or its name."""
    found = [
        raised_by(futures.submit, "k", echo, 1, {"a": Persistent()}).argument,
        raised_by(futures.submit, "k", echo, what=Persistent()).argument,
    ]
    assert found == ["argument 2['a']", "what"]


def test_an_object_of_somebodys_own_that_pickles_is_passed_as_a_copy():
    """C21: the ancestor took any; only what belongs to Zope changes."""
    given = Plain()
    given.text = "one"

    def view():
        futures.submit("k", text_of, given)
        given.text = "two"

    assert passes_of(view, lambda: futures.result("k")) == "one"


def text_of(plain):
    return plain.text


def test_a_result_that_does_not_pickle_is_an_exception_in_the_view():
    """C23."""
    error = passes_of(submitted("k", give, threading.Lock), lambda: raised_by(futures.result, "k"))
    assert type(error) is ResultRefused


# Opting out


def test_a_view_that_opts_out_is_sent_and_nothing_runs(request_of_zope):
    """C26."""

    def view():
        page = futures.resultOrSubmit("k", "placeholder", echo, "value")
        noLongerProvides(request_of_zope, futures.IContainsPromises)
        futures.cancel_if_opted_out(current_pass(), request_of_zope)  # as the publisher does
        return page

    assert passes_of(view) == "placeholder"
    assert log == []


def test_a_view_that_opts_out_still_waits_for_other_futures(request_of_zope):
    """The mark is about what was submitted here."""

    def view():
        page = futures.resultOrSubmit("k", "placeholder", echo, "value")
        noLongerProvides(request_of_zope, futures.IContainsPromises)
        futures.cancel_if_opted_out(current_pass(), request_of_zope)  # as the publisher does
        return page, ask.submit("more").result(default=None)

    assert serve(view) == [("placeholder", None), ("placeholder", "MORE")]
    assert log == []


def test_a_request_is_marked_where_something_was_submitted(request_of_zope):
    """And not where something was only asked for."""
    marked = []

    def view():
        for verb in (futures.result, futures.cancel, futures.clear):
            raised_by(verb, "k") if verb is futures.result else verb("k")
            marked.append(futures.IContainsPromises.providedBy(request_of_zope))
        futures.submit("k", echo, 1)
        marked.append(futures.IContainsPromises.providedBy(request_of_zope))
        futures.cancel("k")

    serve(view)
    assert marked == [False, False, False, True]


# Processes


def pid_of(text):
    return os.getpid(), text


def test_multiprocess_runs_in_another_process_and_in_the_same_pass_as_a_thread():
    """C21."""

    def view():
        return (
            futures.resultOrSubmitMultiprocess("p", None, pid_of, "value"),
            futures.resultOrSubmit("t", None, pid_of, "value"),
        )

    first, (process, thread) = serve(view)
    assert first == (None, None)
    assert (process[0] != os.getpid(), process[1]) == (True, "value")
    assert thread == (os.getpid(), "value")


def test_multiprocess_raises_what_the_call_raised(caplog):
    """C21, C10: and it is logged here."""
    view = functools.partial(futures.resultOrSubmitMultiprocess, "p", None, fail, "x")
    assert repr(raised_by(serve, view)) == "LookupError('x')"
    assert failures(caplog) == [("p failed", LookupError)]


def test_multiprocess_with_a_result_that_does_not_pickle_is_an_exception_in_the_view():
    """C23, changed: it hung for ever."""
    view = functools.partial(futures.resultOrSubmitMultiprocess, "p", None, make_lock)
    assert type(raised_by(serve, view, deadline=20.0)) is ResultRefused


def make_lock():
    return threading.Lock()


UNPICKLABLE = {"its function": (lambda: 1,), "argument 2": (echo, 1, lambda: 1)}


@pytest.mark.parametrize("where", UNPICKLABLE)
def test_multiprocess_with_what_does_not_pickle_is_refused_at_submit(where):
    """C22: nothing is recorded."""

    def view():
        return raised_by(futures.submitMultiprocess, "k", *UNPICKLABLE[where]), ask_for("k")

    error, after = passes_of(view)
    assert (type(error), error.argument) == (ArgumentRefused, where)
    assert "top of a module" in str(error)
    assert after == "FutureNotSubmittedError"


# Settings


def test_the_guide_says_what_became_of_max_workers():
    """C36: see the settings page."""
    page = Path(__file__).parents[2] / "docs" / "howto" / "port.rst"
    text = page.read_text(encoding="utf-8")
    assert "max_workers" in text
    assert ":doc:`../settings`" in text
