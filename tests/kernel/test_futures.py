"""The words that a view uses, as a view uses them."""

from .fakes import FOREIGN
from .fakes import Plain
from .fakes import raised_by
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import AskedAfterCommit
from collective.wsgifutures import fragment
from collective.wsgifutures import Future
from collective.wsgifutures import future
from collective.wsgifutures import FutureCancelled
from collective.wsgifutures import FuturesError
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures import HoldCancelled
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import ResultRefused
from collective.wsgifutures import Suspended
from collective.wsgifutures import TooManyPasses
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest

import functools
import inspect
import itertools
import pytest
import traceback

log = []
ME = "kernel.test_futures"


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()


@future
def echo(value="nothing"):
    """Return the value."""
    log.append(value)
    return value


@future(timeout=5)
def fails(text):
    log.append(text)
    raise ValueError(text)


@future
def signature(a, /, b=2, *rest, c=3, **more):
    log.append((a, b, rest, c, more))
    return (a, b, rest, c, more)


def answer(view, **options):
    """Return what *view* answers in the end, its futures run by hand."""
    return HeldRequest(view, **options).run()


# declaring


def test_a_future_keeps_what_its_function_says_of_itself():
    """Names, docstring and signature are those of the function."""
    assert (echo.__name__, echo.__doc__) == ("echo", "Return the value.")
    assert inspect.signature(echo) == inspect.signature(lambda value="nothing": None)
    assert repr(echo) == f"<future {ME}.echo>"
    assert repr(future(key="shop.price")(len)) == "<future shop.price>"


async def coroutine():
    """Be async."""


async def generator():
    """Be async, many times."""
    yield


def nested():
    """Return a function that has no dotted name."""

    def inner():
        return None

    return inner


NO_NAME = "has no dotted name by which the next pass could recognize it; give it a name"


@pytest.mark.parametrize(
    ("declare", "kind", "words"),
    [
        (lambda: future(10), TypeError, "@future is for a function, not for 10; its options"),
        (lambda: future(classmethod(len)), TypeError, "not for <classmethod(<built-in function"),
        (lambda: future(lambda: 1), TypeError, NO_NAME),
        (lambda: future(nested()), TypeError, NO_NAME),
        (lambda: future(functools.partial(len)), TypeError, "not for a partial of it"),
        (lambda: future(key=b"x"), TypeError, "key=b'x' is not a name; it takes a str"),
        (lambda: future(key=""), TypeError, "key='' is not a name"),
        (lambda: future(generator), TypeError, "generator yields; a future returns one value"),
        (lambda: future(timeout=0), ValueError, "timeout=0 is not a number of seconds above 0"),
        (lambda: future(timeout=-1), ValueError, "timeout=-1 is not"),
        (lambda: future(timeout=True), ValueError, "timeout=True is not"),
        (lambda: future(timeout="5"), ValueError, "timeout='5' is not"),
        (lambda: future(timeout=float("inf")), ValueError, "timeout=inf is not"),
        (lambda: future(timeout=float("nan")), ValueError, "timeout=nan is not"),
        (
            lambda: future(executor="asyncio")(len),
            ValueError,
            "executor='asyncio' runs async def; len is not async",
        ),
        (
            lambda: future(executor="processes")(coroutine),
            ValueError,
            "executor='processes' does not run async def; asyncio does",
        ),
        (
            lambda: future(executor="elsewhere"),
            ValueError,
            "executor='elsewhere' does not exist; there are: greenlets, threads, processes",
        ),
        (lambda: future(Plain().method), ArgumentRefused, "it is a bound method of a Plain; use"),
    ],
)
def test_what_cannot_be_a_future_is_refused_where_it_is_declared(declare, kind, words):
    """The message names the value, and what to write instead."""
    error = raised_by(declare)
    assert type(error) is kind
    assert words in str(error)


def test_the_executor_of_this_process_may_be_named():
    """``executor=`` takes what it would be anyway."""
    assert answer(lambda: future(executor=current().executor)(abs)(-1)) == 1


@pytest.mark.parametrize("options", [{}, {"timeout": None}, {"timeout": 30}])
def test_a_future_has_thirty_seconds_where_it_does_not_say(options):
    """The default timeout is 30 s."""
    request = HeldRequest(lambda: future(**options)(abs)(-1))
    request.publish()
    request.advance(29.9)
    assert request.running == ["builtins.abs"]
    request.advance(0.2)
    error = raised_by(request.publish)
    assert (type(error), error.timeout, error.name) == (FutureTimeout, 30.0, "builtins.abs")


class Shop:
    @future
    def price(self, item):
        return item

    @staticmethod
    @future
    def stock(item):
        return item


def test_a_future_in_a_class_is_refused_by_its_self():
    """It would take the view along; below @staticmethod it is a plain function."""
    error = raised_by(lambda: Shop().price)
    assert str(error) == (
        f"{ME}.Shop.price cannot take self: it is a Shop. Declare the future outside of "
        "the class, or below @staticmethod, and pass plain values."
    )
    assert "self: it is a view. Declare" in str(
        raised_by(lambda: type("V", (Shop, View), {})().price)
    )
    assert repr(Shop.price) == f"<future {ME}.Shop.price>"
    assert answer(lambda: Shop().stock(3)) == 3


class View:
    """A view by what it has."""

    def __init__(self):
        self.context = self.request = None


# calling


def test_a_call_suspends_the_first_pass_and_gives_its_value_in_the_second():
    """Two passes, one call."""
    request = HeldRequest(lambda: echo("text").upper())
    assert request.publish() is HELD
    assert log == []
    request.executor.run_all()
    request.advance(0)
    assert request.publish() == "TEXT"
    assert (request.passes, log) == (2, ["text"])


def test_futures_that_one_needs_after_the_other_take_a_pass_each():
    """A value that leads to the next call is not asked for twice."""
    request = HeldRequest(lambda: echo(echo(echo("a") + "b") + "c"))
    assert request.run() == "abc"
    assert (request.passes, log) == (4, ["a", "ab", "abc"])


def test_submit_registers_and_goes_on():
    """Both calls run while one pass waits."""

    def view():
        a, b = echo.submit("a"), echo.submit("b")
        return a.result() + b.result() + str(current_pass().hold.passes)

    assert answer(view) == "ab2"
    assert log == ["a", "b"]


def test_a_view_that_only_submits_is_held_until_the_call_has_settled():
    """A request with pending futures at the end of its pass is held."""
    request = HeldRequest(lambda: repr(echo.submit("a")))
    assert request.publish() is HELD
    assert request.running == [f"{ME}.echo"]
    request.settle(f"{ME}.echo", value="x")
    assert request.publish() == f"<Future {ME}.echo: settled>"


@pytest.mark.parametrize(
    ("calls", "made"),
    [
        ([((1,), {}), ((1, 2), {}), ((1,), {"b": 2}), ((1, 2), {"c": 3})], 1),
        ([((1,), {}), ((True,), {}), ((1.0,), {})], 3),
        ([((1, 2, 3), {}), ((1, 2), {}), ((1, 2), {"d": 3}), ((1, 2), {"a": 3})], 4),
        ([((1,), {"x": 1, "y": 2}), ((1,), {"y": 2, "x": 1})], 1),
        ([((float("nan"),), {}), ((float("nan"),), {})], 1),
    ],
)
def test_calls_are_known_by_their_bound_arguments(calls, made):
    """By the function's signature, with defaults applied; asking twice is one call."""

    def view():
        return [f.result() for f in [signature.submit(*a, **kw) for a, kw in calls]]

    assert len(answer(view)) == len(calls)
    assert len(log) == made


def test_functions_of_one_name_and_other_arguments_share_nothing():
    """A key is the name by which a call is known, in whatever function it stands."""
    one, other = future(key="k")(lambda x: ("one", x)), future(key="other")(lambda x: x)
    again = future(key="k")(lambda x: ("again", x))
    assert answer(lambda: [one(1), other(1), again(1)]) == [("one", 1), 1, ("one", 1)]


def test_lambdas_of_a_loop_are_calls_of_their_own():
    """The values that they close over are arguments, as they were at submit."""

    def view():
        futures = []
        for city in ["Graz", "Wien", "Graz"]:
            futures.append(future(key="weather")(lambda: log.append(city) or city).submit())  # noqa: B023
        return gather(*futures)

    assert answer(view) == ["Graz", "Wien", "Graz"]
    assert log == ["Graz", "Wien"]


def test_the_function_gets_what_was_given_at_submit():
    """What the view changes afterwards, or the function itself, reaches nobody."""
    given = [1]
    change = future(key="change")(lambda items: items.append("changed") or items)

    def view():
        given[:] = [1]
        pending = change.submit(given)
        given.append(2)
        return pending.result(), list(given)

    assert answer(view) == ([1, "changed"], [1, 2])


def test_a_default_that_can_change_is_copied_for_each_call():
    """A function cannot leave anything in its own default."""
    default = []

    @future(key="collect")
    def collect(item, items=default):
        items.append(item)
        return items

    assert answer(lambda: [collect(1), collect(2)]) == [[1], [2]]
    assert default == []


@pytest.mark.parametrize(
    ("submit", "message"),
    [
        (lambda: signature.submit(), f"{ME}.signature: missing a required argument: 'a'"),
        (lambda: echo.submit(1, 2), f"{ME}.echo: too many positional arguments"),
        (lambda: echo.submit(x=1), f"{ME}.echo: got an unexpected keyword argument 'x'"),
        (
            lambda: echo.submit("x", timeout=3),
            f"{ME}.echo: got an unexpected keyword argument 'timeout'. Set timeout= where the "
            "future is declared: @future(timeout=...).",
        ),
        (
            lambda: signature.submit(1, 2, [Plain()], d={"k": Plain()}),
            f"{ME}.signature cannot take rest[0][0]: kernel.fakes.Plain is not plain data; "
            "pass the strings, numbers, lists and dicts that the call needs.",
        ),
        (
            lambda: signature.submit(1, d={"k": FOREIGN["a persistent object"]()}),
            f"{ME}.signature cannot take more['d']['k']: it is a persistent object; pass the "
            "plain values that the call needs, such as its UID, path or text.",
        ),
        (
            lambda: (lambda view: future(key="k")(lambda: view))(View()).submit(),
            "k cannot take its function: it is a closure over view, a view; pass the plain "
            "values that the call needs and declare the future outside of the class.",
        ),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_refused_argument_is_named_where_it_is_submitted(submit, message, inside):
    """In a pass and in place alike; nothing is registered."""
    error = raised_by(HeldRequest(submit).publish) if inside else raised_by(submit)
    assert isinstance(error, TypeError)
    assert str(error).startswith(message[:-1])
    assert log == []


def test_a_refused_result_is_an_error_in_the_view():
    """It says which future, and what to return."""
    error = raised_by(answer, future(key="shop.all")(lambda: (n for n in "ab")))
    assert isinstance(error, ResultRefused)
    assert str(error) == (
        "The result of shop.all cannot be kept: it is or contains a generator, which can be "
        "read once; return a list of it: list(...)."
    )


# results


def test_each_pass_gets_its_own_copy_and_a_pass_always_the_same():
    """A view that changes a result changes its own pass's copy."""

    def view():
        first = echo.submit([1]).result()
        assert first == [1]
        first.append(2)
        assert echo.submit([1]).result() is first
        return echo("more"), first

    assert answer(view) == ("more", [1, 2])


def test_a_failed_future_raises_a_copy_with_its_own_traceback_in_each_pass():
    """The original lines are visible, the exceptions are not the same object."""
    seen = []

    def view():
        for _ in range(2):
            seen.append(raised_by_keeping_its_traceback(fails, "no"))
        return echo("more")

    assert answer(view) == "more"
    assert len({id(error) for error in seen}) == 4
    for error in seen:
        assert (type(error), error.args) == (ValueError, ("no",))
        assert traceback.extract_tb(error.__traceback__)[-1].line == "raise ValueError(text)"
    assert log == ["no", "more"]


def raised_by_keeping_its_traceback(function, *args):
    """Return what *function* raises; a suspension goes on."""
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("method", ["result", "exception"])
@pytest.mark.parametrize(("args", "kwargs"), [((5,), {}), ((), {"timeout": 5}), ((None,), {})])
def test_a_timeout_for_a_result_is_refused(method, args, kwargs):
    """Unlike in concurrent.futures it never blocks; the message says where to set it."""
    error = raised_by(getattr(echo.submit(1), method), *args, **kwargs)
    given = "timeout=" if kwargs else "a positional argument"
    assert isinstance(error, TypeError)
    assert str(error) == (
        f"{method}() takes no timeout: it never blocks (it was given {given}). Set timeout= "
        "where the future is declared; result(default=...) does not wait."
    )


def test_a_default_is_given_for_this_pass_only():
    """The request is published again when the value is there."""
    request = HeldRequest(lambda: log.append(echo.submit("x").result(default=None)) or "answer")
    assert request.publish() is HELD
    request.settle(f"{ME}.echo", value="there")
    assert request.publish() == "answer"
    assert log == [None, "there"]


def test_a_default_does_not_stand_for_a_failure():
    """A settled future gives what it has."""
    assert isinstance(raised_by(answer, lambda: fails.submit("x").result(default=1)), ValueError)


def test_exception_gives_none_or_a_copy_and_suspends_like_result():
    """Named as in concurrent.futures."""

    def view():
        failed, fine = fails.submit("no"), echo.submit(1)
        return [failed.exception(), fine.exception(), failed.exception()]

    request = HeldRequest(view)
    one, none, two = request.run()
    assert (one.args, none, two.args, one is two) == (("no",), None, ("no",), False)
    assert request.passes == 2


def test_done_never_changes_within_a_pass():
    """A call that settles while the pass runs has not settled for the pass."""
    request = HeldRequest(lambda: None)

    def view():
        slow = echo.submit("slow")
        if current_pass().hold.passes == 1:
            assert echo.submit("fast").done() is False
            return echo("fast")
        before = slow.done()
        request.executor.run_all()
        request.advance(0)
        log.append((before, slow.done()))
        return "answer"

    request._view = view
    assert request.publish() is HELD
    request.executor.jobs[1].run()
    request.advance(0)
    assert request.publish() is HELD
    assert request.publish() == "answer"
    assert log == ["fast", "slow", (False, False), (True, True)]


def test_cancel_when_registered_starts_nothing():
    """The pass is final where nothing else is pending."""

    def view():
        call = echo.submit("x")
        return call.cancel(), call.cancelled(), call.done(), call.cancel()

    request = HeldRequest(view)
    assert request.publish() == (True, True, True, False)
    assert (request.executor.jobs, log) == ([], [])


@pytest.mark.parametrize("ask", [Future.result, Future.exception, lambda f: f.result(default=1)])
def test_a_cancelled_future_raises_in_this_pass_and_in_the_next(ask):
    """It is not made again."""

    def view():
        call = echo.submit("x")
        call.cancel()
        with pytest.raises(FutureCancelled):
            ask(call)
        return echo("more")

    assert answer(view) == "more"
    assert log == ["more"]


def test_cancel_when_running_stops_the_call():
    """Its executor is told when the pass has ended."""

    def view():
        slow = echo.submit("slow")
        return echo("fast") if current_pass().hold.passes == 1 else slow.cancel()

    request = HeldRequest(view)
    request.publish()
    slow, fast = request.executor.jobs
    fast.run()
    request.advance(0)
    assert request.publish() is True
    assert (slow.cancelled, log) == (True, ["fast"])


def test_cancel_when_settled_is_false():
    """The value stays."""

    def view():
        call = echo.submit("x")
        value = call.result()
        return call.cancel(), call.cancelled(), call.result() is value

    assert answer(view) == (False, False, True)


def test_what_a_base_exception_of_a_future_becomes_is_an_error_of_the_view():
    """SystemExit in a call ends no server."""
    leave = future(key="leave")(lambda: exec("raise SystemExit(3)"))
    error = raised_by(answer, leave)
    assert type(error) is FuturesError
    assert str(error) == "leave raised SystemExit(3), which ends a thread or process"


# gather


def test_gather_gives_all_values_in_order_after_one_wait():
    """Fan out: two passes, however many calls."""
    request = HeldRequest(lambda: gather(*[echo.submit(n) for n in [3, 1, 2, 3]]))
    assert request.run() == [3, 1, 2, 3]
    assert (request.passes, log) == (2, [3, 1, 2])


def test_gather_of_nothing_is_empty_and_does_not_suspend():
    """None at all gives an empty list."""
    assert HeldRequest(gather).publish() == []
    assert gather() == []


@pytest.mark.parametrize("inside", [True, False])
def test_gather_raises_the_first_failure_in_the_order_of_its_arguments(inside):
    """Not that which failed first."""

    def view():
        return gather(echo.submit(1), fails.submit("b"), fails.submit("a"))

    error = raised_by(answer, view) if inside else raised_by(view)
    assert error.args == ("b",)


def test_gather_with_return_exceptions_puts_them_in_their_places():
    """As asyncio.gather does, a cancelled one too."""

    def view():
        cancelled = echo.submit(2)
        cancelled.cancel()
        return gather(echo.submit(1), fails.submit("no"), cancelled, return_exceptions=True)

    one, failed, cancelled = answer(view)
    assert (one, failed.args, type(cancelled)) == (1, ("no",), FutureCancelled)


def test_gather_waits_for_all_also_where_one_has_failed():
    """One wait for all of them."""
    request = HeldRequest(lambda: gather(fails.submit("no"), echo.submit(1)))
    request.publish()
    request.settle(f"{ME}.fails", error=ValueError("no"))
    with pytest.raises(RuntimeError, match="waiting for its futures, not ready"):
        request.publish()
    request.settle(f"{ME}.echo", value=1)
    assert raised_by(request.publish).args == ("no",)


def test_gather_of_something_else_is_refused_by_its_position():
    """The function itself instead of its submit is the usual slip."""
    error = raised_by(gather, echo.submit(1), echo)
    assert isinstance(error, TypeError)
    assert str(error) == (
        "gather takes futures, as submit returns them; argument 2 is a FutureFunction. "
        "Write gather(f.submit(...), g.submit(...)) instead of gather(f(...), g(...))."
    )


# the ends


def test_at_the_deadline_one_last_pass_gets_what_is_there():
    """result raises, a default is given, what is settled is settled, nothing starts."""

    def view():
        there, late = echo.submit("there"), echo.submit("late")
        if current_pass().hold.passes == 1:
            gather(there, late)
        new = echo.submit("new")
        gathered = gather(late, there, new, return_exceptions=True)
        return [
            there.result(),
            late.result(default="default"),
            new.result(default="default"),
            raised_by(new.result),
            raised_by(gather, there, late),
            *gathered,
        ]

    request = HeldRequest(view, deadline=20.0)
    request.publish()
    request.executor.jobs[0].run()
    request.advance(19.9)
    assert request.running == [f"{ME}.echo"]
    request.advance(0.1)
    values = request.publish()
    assert [v if isinstance(v, str) else type(v) for v in values] == [
        *("there", "default", "default", HoldExpired, HoldExpired),
        *(HoldExpired, "there", HoldExpired),
    ]
    assert str(values[3]) == str(HoldExpired(f"{ME}.echo", 20.0))
    assert [job.cancelled for job in request.executor.jobs] == [False, True]
    assert (request.passes, log) == (2, ["there"])


def test_cancelled_by_an_operator_the_last_pass_gets_what_is_there():
    """As at the deadline, by another name."""

    def view():
        there, late = echo.submit("there"), echo.submit("late")
        if current_pass().hold.passes == 1:
            gather(there, late)
        gathered = gather(late, there, return_exceptions=True)
        return [late.result(default="default"), raised_by(late.result), *gathered]

    request = HeldRequest(view)
    request.publish()
    request.executor.jobs[0].run()
    request.advance(0)
    request.hold.cancel()
    values = request.publish()
    assert [v if isinstance(v, str) else type(v) for v in values] == [
        *("default", HoldCancelled, HoldCancelled, "there"),
    ]
    assert [job.cancelled for job in request.executor.jobs] == [False, True]


def test_a_deadline_is_55_seconds_and_passes_are_25_where_nobody_says():
    """Under the usual 60 of a proxy."""
    counter = itertools.count()
    request = HeldRequest(lambda: echo(next(counter)))
    error = raised_by(request.run)
    assert isinstance(error, TooManyPasses)
    assert (error.passes, error.names, len(log)) == (25, (f"{ME}.echo (value)",), 24)
    assert request.hold.deadline == 55.0


def test_a_future_of_a_pass_that_has_ended_is_settled_or_an_error():
    """A module global is no place for it; the message says what to do."""
    kept = []

    def view():
        kept.append(echo.submit("x"))
        return kept[0].result()

    request = HeldRequest(view)
    request.publish()
    error = raised_by(kept[0].result)
    assert type(error) is FuturesError
    assert str(error) == (
        f"{ME}.echo was submitted in a pass that has ended. Submit it again in each pass: "
        "the same arguments give the same call."
    )
    assert raised_by(gather, kept[0]).args == error.args
    request.settle(f"{ME}.echo", value="there")
    assert request.publish() == "there"
    assert kept[0].result() == "there"


def test_after_the_commit_only_what_is_settled_can_be_asked_for():
    """Publishing again would do all of its work twice."""

    def view():
        settled, pending = echo.submit("settled"), echo.submit("pending")
        settled.result()
        current_pass().mark_committed()
        assert echo("settled") == "settled"
        for ask in (pending.result, lambda: echo.submit("new"), lambda: gather(pending)):
            log.append(type(raised_by(ask)))
        return "answer"

    request = HeldRequest(view)
    request.publish()
    request.executor.jobs[0].run()
    request.advance(0)
    assert request.publish() == "answer"
    assert log == ["settled", AskedAfterCommit, AskedAfterCommit, AskedAfterCommit]


def test_a_suspension_passes_except_exception():
    """A careful view does not stop it by accident."""

    def view():
        try:
            return echo("x")
        except Exception:
            return "stopped"

    assert answer(view) == "x"


# in place


@pytest.mark.concurrency
def test_without_a_pass_a_call_runs_in_place_and_gives_copies():
    """In a script, in a test, in another future: the call simply runs."""
    submitted = echo.submit([1])
    assert (log, submitted.done(), submitted.cancel()) == ([[1]], True, False)
    assert submitted.result() == [1]
    assert submitted.result() is not submitted.result()
    assert gather(submitted, echo.submit(2)) == [[1], 2]
    assert echo("x") == "x"


def test_in_place_each_call_is_made():
    """There is no hold that knows them again."""
    assert [echo(1), echo(1)] == [1, 1]
    assert log == [1, 1]


def test_in_place_a_failure_is_raised_by_result():
    """As it is in a pass: submit goes on."""
    submitted = fails.submit("no")
    assert submitted.exception().args == ("no",)
    assert raised_by(submitted.result).args == ("no",)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_in_place_what_ends_a_thread_is_not_kept(error):
    """Ctrl-C ends a script; a kill of the future around it arrives."""

    def ends():
        raise error

    with pytest.raises(error):
        future(key="ends")(ends).submit()


def test_a_future_inside_a_future_runs_in_place():
    """It has no hold: it neither suspends nor registers."""
    outer = future(key="outer")(lambda: (current_pass(), echo("inner")))
    request = HeldRequest(outer)
    assert request.run() == (None, "inner")
    assert (request.passes, len(request.executor.jobs)) == (2, 1)


# held


class Page:
    city = "Graz"

    @held(weather=lambda self: echo.submit(self.city), news=lambda self: echo.submit("news"))
    def both(self, weather, news):
        return weather, news

    @held(b=lambda self: echo.submit("held"))
    def method(self, a, b, c=3, *rest, d=4):
        """Show all."""
        return a, b, c, rest, d

    @held(b=lambda self: echo.submit("held"))
    def positional(self, a, b, /, *, c=3):
        return a, b, c

    @held(b=lambda self: echo.submit("held"))
    def keyword(self, a=1, *, b, **more):
        return a, b, more

    @held()
    def nothing(self, a):
        return a


def test_held_asks_for_all_before_the_method_runs():
    """One wait for all of them."""
    request = HeldRequest(Page().both)
    assert request.run() == ("Graz", "news")
    assert (request.passes, log) == (2, ["Graz", "news"])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda page: page.method(1), (1, "held", 3, (), 4)),
        (lambda page: page.method(1, 5, 6, 7, d=8), (1, "held", 5, (6, 7), 8)),
        (lambda page: page.method(a=1, c=2), (1, "held", 2, (), 4)),
        (lambda page: page.positional(1), (1, "held", 3)),
        (lambda page: page.positional(1, c=2), (1, "held", 2)),
        (lambda page: page.keyword(), (1, "held", {})),
        (lambda page: page.keyword(2, x=3), (2, "held", {"x": 3})),
        (lambda page: page.nothing(1), 1),
    ],
)
def test_a_held_method_takes_its_other_arguments_as_it_did(call, expected):
    """Defaults, positional-only, keyword-only, starred: those named are filled in."""
    assert answer(lambda: call(Page())) == expected
    assert call(Page()) == expected  # in place too


def test_the_named_arguments_are_not_seen_from_outside():
    """A publisher that fills arguments by their names fills the others only."""
    assert str(inspect.signature(Page.method)) == "(self, a, c=3, *rest, d=4)"
    assert (Page.method.__name__, Page.method.__doc__) == ("method", "Show all.")
    error = raised_by(Page().method, 1, b="given")
    assert isinstance(error, TypeError)
    assert "unexpected keyword argument 'b'" in str(error)
    assert log == []


def make(self):
    """Return a future."""
    return echo.submit(1)


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (lambda: held(a=5), "held(a=...) takes a function of the view, as lambda self: ..."),
        (lambda: held(x=make)(Page.both), "held(x=...): Page.both has no argument 'x'"),
        (
            lambda: held(rest=make)(Page.method),
            "held(rest=...): Page.method has no argument 'rest'",
        ),
        (
            lambda: held(more=make)(Page.keyword),
            "held(more=...): Page.keyword has no argument 'more'",
        ),
        (lambda: held(value=make)(echo), "held is for a view's method; echo takes no self"),
        (lambda: held()(lambda *, a: a), "takes no self"),
        (lambda: held(), None),
    ],
)
def test_held_on_the_wrong_thing_is_refused_where_it_stands(decorate, message):
    """A slip is seen at import, not at the first request."""
    if message is None:
        assert callable(decorate())
        return
    error = raised_by(decorate)
    assert isinstance(error, TypeError)
    assert message in str(error)


@pytest.mark.parametrize(("made", "kind"), [(lambda self: echo, "FutureFunction"), (len, "int")])
def test_held_wants_what_submit_gave(made, kind):
    """The message names the argument and what came instead."""
    method = held(a=made)(lambda self, a: a)
    error = raised_by(method, "self")
    assert str(error) == (
        f"held(a=...) must return a future, as submit does, not a {kind}. "
        "Write f.submit(...) instead of f(...)."
    )


async def later(self, a=None):
    pass


async def items(self, a=None):
    yield a


DECLARED = [
    held(a=len),
    fragment,
    fragment(placeholder=""),
    lambda method: fragment(type("Viewlet", (), {"render": method})),
]


@pytest.mark.parametrize("method", [later, items])
@pytest.mark.parametrize("declare", DECLARED)
def test_what_zope_calls_is_no_async_def(method, declare):
    """It is refused where it is declared, with what to do instead."""
    error = raised_by(declare, method)
    assert isinstance(error, TypeError)
    assert str(error) == (
        f"{ME}.{method.__name__} is async def, which Zope does not await. Write it as def, and "
        "move what it awaits into a function with @future, which may be async def."
    )


def test_a_failure_of_a_held_future_is_raised_in_place_of_the_method():
    """As gather does."""
    method = held(a=lambda self: fails.submit("no"))(lambda self, a: a)
    assert raised_by(answer, lambda: method(Page())).args == ("no",)


def test_suspended_carries_the_names_it_waits_for():
    """Whoever sees it in a filter can tell what it is about."""
    seen = []

    def view():
        try:
            gather(echo.submit(1), fails.submit("no"))
        except Suspended as suspended:
            seen.append(suspended.args)
            raise

    HeldRequest(view).publish()
    assert seen == [(f"{ME}.echo", f"{ME}.fails")]


def test_asking_after_the_commit_names_the_future():
    """In a subscriber of IPubSuccess, say."""

    def view():
        current_pass().mark_committed()
        return echo("x")

    error = raised_by(HeldRequest(view).publish)
    assert (type(error), error.name) == (AskedAfterCommit, f"{ME}.echo")
