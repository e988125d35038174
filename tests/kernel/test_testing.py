"""The tools that holding code is tested with."""

from .fakes import raised_by
from .test_executors import made
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import ResultRefused
from collective.wsgifutures.testing import ByHand
from collective.wsgifutures.testing import Clock
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from types import SimpleNamespace

import pytest

log = []


@future(key="shop.price", timeout=10)
def price(item):
    log.append(item)
    return f"price of {item}"


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()


def test_the_clock_stands_until_it_is_moved():
    """Times are seconds."""
    clock = Clock(5.0)
    clock.advance(2.5)
    assert (clock(), clock.now) == (7.5, 7.5)


def test_by_hand_runs_what_it_was_given_when_it_is_told_to():
    """Each job once, the first one first, and none that was cancelled."""
    executor, told = ByHand(), []
    assert executor.get(None) is executor.get("processes") is executor
    jobs = [executor.start(made(lambda n=n: n), told.append) for n in range(3)]
    jobs[1].cancel()
    assert told == []
    executor.run_all()
    executor.run_all()
    assert (told, executor.jobs) == ([0, 2], jobs)
    assert [(job.ran, job.cancelled) for job in jobs] == [(1, 0), (0, 1), (1, 0)]


def test_a_held_request_is_published_a_pass_at_a_time():
    """As the example in the docstring has it."""
    request = HeldRequest(lambda: price("tea").upper())
    assert request.publish() is HELD
    assert repr(HELD) == "HELD"
    assert (request.passes, request.running) == (1, ["shop.price"])
    request.settle("shop.price", value="short")
    assert request.running == []
    assert request.publish() == "SHORT"
    assert (request.passes, log) == (2, [])


def test_a_held_request_is_settled_by_function_and_arguments():
    """Where several run, the one that they fit; with ``...`` the first one."""
    request = HeldRequest(lambda: gather(*map(price.submit, ["tea", "milk", "salt"])))
    request.publish()
    request.settle(price, "milk", value=2)
    request.settle(price, ..., value=1)
    request.settle("shop.price", value=3)
    assert request.publish() == [1, 2, 3]


class Redirects:
    """A view that asks, and redirects."""

    def __init__(self):
        self.request = SimpleNamespace(response=SimpleNamespace(getStatus=lambda: 302))

    def __call__(self):
        price.submit("tea")
        return ""


def test_a_view_that_redirects_starts_nothing():
    """An answer is final, as in a server."""
    request = HeldRequest(Redirects())
    assert (request.publish(), request.executor.jobs) == ("", [])


def test_a_future_that_was_settled_by_hand_never_runs():
    """A test that gives the value makes no call."""
    request = HeldRequest(lambda: price("tea"))
    request.publish()
    request.settle("shop.price", value="given")
    request.executor.run_all()
    assert (request.run(), log) == ("given", [])


def test_a_held_request_runs_its_futures_and_gives_the_answer():
    """Where a test does not care about the passes."""
    assert HeldRequest(lambda: price("tea")).run() == "price of tea"


def test_a_future_fails_by_hand():
    """The view gets a copy of the error."""
    request = HeldRequest(lambda: price("tea"))
    request.publish()
    request.settle(price, "tea", error=KeyError("gone"))
    assert raised_by(request.publish).args == ("gone",)


def test_time_runs_out_when_it_is_advanced():
    """First the future's timeout, then the deadline."""
    request = HeldRequest(lambda: price("tea"))
    request.publish()
    request.advance(10)
    assert isinstance(raised_by(request.publish), FutureTimeout)
    request = HeldRequest(lambda: price("tea"), deadline=5)
    request.publish()
    request.advance(5)
    assert isinstance(raised_by(request.publish), HoldExpired)


def test_passes_are_limited():
    """As they are in a server."""
    error = raised_by(HeldRequest(lambda: price("tea"), max_passes=1).publish)
    assert (error.passes, error.names) == (1, ("shop.price",))


def test_settling_what_does_not_run_is_an_error_that_names_what_does():
    """A typo is seen at once; so is a value that no future could return."""
    request = HeldRequest(lambda: price("tea"))
    request.publish()
    error = raised_by(request.settle, "shop.prise", value=1)
    assert isinstance(error, LookupError)
    assert str(error) == "no future 'shop.prise' runs; there are: ['shop.price']"
    generator = (letter for letter in "tea")
    assert isinstance(raised_by(request.settle, "shop.price", value=generator), ResultRefused)
    assert request.running == ["shop.price"]


@pytest.mark.parametrize("settled", [True, False])
def test_publishing_what_is_answered_or_waits_is_an_error(settled):
    """The message says where the request stands."""
    request = HeldRequest(lambda: price("tea"))
    request.publish()
    if settled:
        request.settle("shop.price", value=1)
        request.publish()
    state = "answered" if settled else "waiting for its futures"
    assert str(raised_by(request.publish)) == f"the hold is {state}, not ready to be published"
