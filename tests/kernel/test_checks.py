"""What is careless in a view is told to who develops it."""

from collective.wsgifutures import fragment
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.kernel.errors import TooManyPasses
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.waiting import Waiter
from collective.wsgifutures.testing import ByHand
from collective.wsgifutures.testing import Clock
from collective.wsgifutures.testing.by_hand import publish_once

import contextlib
import itertools
import pytest


@future(key="shop.price")
def price(item):
    return f"price of {item}"


@future(key="shop.stock")
def stock(item, at=None):
    return f"stock of {item}"


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    """Each test begins as a process does."""
    monkeypatch.setattr(checks, "_logged", set())


@pytest.fixture
def told(caplog):
    """Publish a view to its end; return what was told."""

    def publish(view, debug=True, max_passes=25):
        hold = Hold(0.0, debug=debug, max_passes=max_passes)
        executor = ByHand()
        waiter = Waiter(hold, executor.get, Clock())
        caplog.clear()
        with contextlib.suppress(TooManyPasses):
            while not publish_once(hold, lambda: bool(view()) or True, Clock()):
                waiter.start()
                executor.run_all()
                waiter.collect()
        ours = (one for one in caplog.records if one.name.startswith("collective.wsgifutures"))
        return [record.getMessage() for record in ours]

    return publish


# In a row


def in_a_row():
    return [price("tea"), stock("tea"), price("milk")]


def test_three_waits_in_a_row_are_told_with_their_names_in_order(told):
    """And how to ask for all at once."""
    (message,) = told(in_a_row)
    assert message.startswith(
        "A request waits again and again, for one call after the other: shop.price, then "
        "shop.stock, then shop.price."
    )
    for way in ("submit()", "gather()", "@held", "@fragment"):
        assert way in message


def test_two_waits_in_a_row_are_not_told(told):
    """The second one may need what the first one gave."""
    assert told(lambda: stock(price("tea"))) == []


def all_at_once():
    return gather(price.submit("tea"), stock.submit("tea"), price.submit("milk"))


@held(
    first=lambda self: price.submit("tea"),
    second=lambda self: price.submit("milk"),
    third=lambda self: stock.submit("tea"),
)
def with_held(self, first, second, third):
    return first


def in_fragments():
    return [fragment(price)(item) for item in ("tea", "milk", "salt", "sugar")]


@pytest.mark.parametrize("view", [all_at_once, lambda: with_held(None), in_fragments])
def test_what_asks_for_all_at_once_is_not_told(told, view):
    """It does as the message says."""
    assert told(view) == []


def test_what_goes_on_to_wait_for_the_same_is_not_told(told):
    """Nothing new was asked for."""

    def view():
        calls = [price.submit(item) for item in ("tea", "milk", "salt", "sugar")]
        return [call.result() for call in calls]

    assert told(view) == []


# Other arguments


def time_stamped(count):
    return lambda: stock("tea", at=next(count))


def test_arguments_that_are_others_in_each_pass_are_told_by_name(told):
    """Their values are not; and it is not told for a waterfall too."""
    (message,) = told(time_stamped(itertools.count(1234567)), max_passes=5)
    assert message.startswith("A request asks for shop.stock (at) anew in each pass: ")
    assert "no time stamp" in message
    assert "1234567" not in message
    assert "tea" not in message


def test_arguments_that_change_once_are_not_told(told):
    """Made of what default= gave, say: a wait more, and no more."""
    assert told(lambda: stock("tea", at=price.submit("tea").result(default=""))) == []


def test_a_loop_asks_for_more_and_not_for_other_things(told):
    """It waits in a row: that is what is told."""

    def view():
        return [stock("tea", at=n) for n in range(4)]

    (message,) = told(view)
    assert "one call after the other" in message


def test_two_places_that_ask_for_different_things_are_told_apart(told):
    """A place is a line of a function."""
    passes = itertools.count(1)

    def view():
        number = next(passes)
        if number == 1:
            stock("tea", at=1)
        if number == 2:
            stock("tea", at=2)
        if number == 3:
            stock("tea", at=3)

    assert all("anew" not in message for message in told(view))


# When


def test_a_finding_is_told_once(told):
    """Of each view."""
    assert len(told(in_a_row)) == 1
    assert told(in_a_row) == []


@pytest.mark.parametrize("view", [in_a_row, time_stamped(itertools.count())])
def test_nothing_is_told_without_debug(told, view):
    """There is nobody who develops."""
    assert told(view, debug=False, max_passes=5) == []
