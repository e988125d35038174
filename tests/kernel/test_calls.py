"""What became of a future: the same in every pass, and a copy for each."""

from .fakes import FOREIGN
from .fakes import Plain
from .fakes import raised_by
from collective.wsgifutures.kernel.calls import Raised
from collective.wsgifutures.kernel.calls import Returned
from collective.wsgifutures.kernel.calls import run
from collective.wsgifutures.kernel.calls import run_to_end
from collective.wsgifutures.kernel.copies import copy_exception
from collective.wsgifutures.kernel.errors import FuturesError
from collective.wsgifutures.kernel.errors import ResultRefused
from enum import Enum

import gc
import pytest
import threading
import traceback
import weakref


@pytest.mark.parametrize("value", ["text", 1.5, (1, ("x",)), None, b"x" * 100])
def test_an_immutable_value_is_shared(value):
    """Passes share what none of them can change."""
    outcome = Returned("shop.price", value)
    assert outcome.get() is outcome.get() is value
    assert outcome.exception() is None


@pytest.mark.parametrize("value", [[1, [2]], {"a": {1}}, (1, [2]), bytearray(b"x")])
def test_a_value_that_can_change_is_copied_for_each_pass(value):
    """What a pass does to its copy, another does not see; nor what the call does."""
    outcome = Returned("shop.price", value)
    one, other = outcome.get(), outcome.get()
    assert one == other == value
    assert one is not other
    assert one is not value


def test_a_value_that_pickles_keeps_its_type():
    """Results may be objects of one's own."""
    kept = Plain()
    kept.price = [1]
    got = Returned("shop.price", kept).get()
    assert (type(got), got.price) == (Plain, [1])
    assert got.price is not kept.price


def test_plain_data_that_does_not_pickle_is_kept():
    """An enum that is declared in a function does not pickle, and is plain data."""
    local = Enum("Local", "A")
    outcome = Returned("shop.price", [local.A])
    assert outcome.get() == [local.A]
    assert outcome.get() is not outcome.get()


class Reloaded:
    def __reduce__(self):
        return (int, ("no number",))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (threading.Lock, "it does not pickle (cannot pickle '_thread.lock' object)"),
        (lambda: lambda: 1, "it does not pickle (Can't "),
        (Reloaded, "it does not pickle (invalid literal for int() with base 10"),
    ],
)
def test_a_result_that_does_not_pickle_is_refused(make, words):
    """The message says why, and what to return."""
    error = raised_by(Returned, "shop.price", make())
    assert isinstance(error, ResultRefused)
    assert str(error).startswith("The result of shop.price cannot be kept: ")
    assert words.split(" (")[0] in error.reason
    assert error.reason.endswith("; return plain data.")


@pytest.mark.parametrize(("what", "make"), FOREIGN.items())
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [{"a": v}], lambda v: vars_of(v)])
def test_a_result_with_something_of_zope_in_it_is_refused(what, make, wrap):
    """Nothing of Zope is kept while a response is held."""
    error = raised_by(Returned, "shop.price", wrap(make()))
    assert isinstance(error, ResultRefused)
    assert error.reason == f"it is or contains {what.strip()}; return the plain values instead."


def vars_of(value):
    """Return an object that has *value*."""
    plain = Plain()
    plain.value = value
    return plain


# exceptions


class Odd(Exception):
    """Takes something else than it has as args."""

    def __init__(self, response):
        super().__init__(f"status {response['status']}")
        self.response = response


class OddOSError(OSError):
    def __init__(self, host, port):
        super().__init__(111, f"{host}:{port} refuses")
        self.host = host


class OddNew(Exception):
    def __new__(cls, one, two):
        return super().__new__(cls, one, two)

    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


class Unlike(Exception):
    def __init__(self, text):
        super().__init__(f"<{text}>")


ERRORS = [
    ValueError("no", 1),
    KeyError("name"),
    FileNotFoundError(2, "No such file", "/x"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ImportError("no", name="x", path="y"),
    StopIteration(3),
    Odd({"status": 503}),
    OddOSError("localhost", 80),
    OddNew("one", "two"),
    Unlike("text"),
    ExceptionGroup("several", [ValueError("one"), Odd({"status": 500})]),
    FuturesError("x"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_exception_is_copied_with_all_it_says(error):
    """A copy has the type, the words and the attributes, whatever ``__init__`` takes."""
    copy = copy_exception(error)
    assert copy is not error
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    if not isinstance(error, ExceptionGroup):
        assert copy.args == error.args
    if isinstance(error, OSError):
        assert (copy.errno, copy.filename) == (error.errno, error.filename)


def test_a_copy_of_an_exception_shares_nothing_that_a_view_may_change():
    """A note, an argument or an attribute changed in one pass stays in that pass."""
    outcome = Raised(Odd({"status": 503}))
    one = outcome.exception()
    one.add_note("seen")
    one.response["status"] = 200
    other = outcome.exception()
    assert (other.response, getattr(other, "__notes__", [])) == ({"status": 503}, [])
    noted = Raised(one)
    noted.exception().add_note("again")
    assert noted.exception().__notes__ == ["seen"]


def test_an_exception_that_carries_what_cannot_be_copied_shares_it():
    """A lock or a socket on an exception does not lose the exception."""
    error = ValueError("no")
    error.lock = threading.Lock()
    copy = copy_exception(error)
    assert (copy.args, copy.lock) == (("no",), error.lock)


def test_a_copy_keeps_cause_and_context():
    """What caused a failure is seen in every pass."""

    def fails():
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner

    outcome = run("shop.price", fails)
    for _ in range(2):
        error = raised_by(outcome.get)
        assert (type(error.__cause__), error.__suppress_context__) == (KeyError, True)
        assert error.__context__ is error.__cause__


def test_a_traceback_shows_the_original_lines_in_every_pass():
    """Each pass sees where it failed, and no more than that."""

    def fails():
        raise ValueError("here")

    outcome = run("shop.price", fails)
    seen = []
    for _ in range(3):
        try:
            outcome.get()
        except ValueError as error:
            seen.append([f.name for f in traceback.extract_tb(error.__traceback__)])
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][-1] == "fails"
    assert "run" not in seen[0]


class Kept:
    pass


def _fails(seen):
    kept = Kept()
    seen.append(weakref.ref(kept))
    raise KeyError("inner")


def _fails_deeply(seen, group):
    kept = Kept()
    seen.append(weakref.ref(kept))
    try:
        _fails(seen)
    except KeyError as error:
        if not group:
            raise ValueError("outer") from error
        parts = [error]
    raise ExceptionGroup("several", parts)  # has neither cause nor context


@pytest.mark.parametrize("group", [False, True])
def test_the_frames_of_a_kept_exception_keep_nothing_alive(group):
    """The locals are cleared: those of its cause, context and parts too."""
    seen = []
    outcome = run("shop.price", lambda: _fails_deeply(seen, group))
    gc.collect()
    assert isinstance(outcome, Raised)
    assert [ref() for ref in seen] == [None, None]


def test_run_gives_an_outcome_for_a_value_and_for_an_exception():
    """Whatever a call does is its outcome, a result that cannot be kept too."""
    assert run("shop.price", lambda: 3).get() == 3
    assert isinstance(run("shop.price", lambda: 1 / 0).exception(), ZeroDivisionError)
    assert isinstance(run("shop.price", threading.Lock).exception(), ResultRefused)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_ends_a_thread_becomes_an_error_only_away_from_its_caller(error):
    """A view gets an error that names it; in place it goes where it belongs."""

    def ends():
        raise error

    with pytest.raises(type(error)):
        run("shop.price", ends)
    outcome = run_to_end("shop.price", lambda: run("shop.price", ends))
    assert type(outcome.exception()) is FuturesError
    assert str(outcome.exception()) == (
        f"shop.price raised {error!r}, which ends a thread or process"
    )
