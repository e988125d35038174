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
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing.by_hand import publish_once

import collective.wsgifutures as wsgifutures
import contextlib
import functools
import itertools
import linecache
import pytest
import re


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


# Answers that drop a call


def answers(view, status=200, debug=True):
    """Return what is told of a view that answers in its first or second pass."""
    hold, executor = Hold(0.0, debug=debug), ByHand()
    waiter = Waiter(hold, executor.get, Clock())

    def publish():
        view()
        return status == 200

    with contextlib.suppress(LookupError):
        while not publish_once(hold, publish, Clock()):
            waiter.start()
            for job in executor.jobs[:1]:
                job.run()
            waiter.collect()
    waiter.close()


def submits():
    price.submit("tea")


def submits_and_raises():
    price.submit("tea")
    raise LookupError


def submits_in_the_second_pass():
    stock("tea")
    price.submit("tea")


@pytest.mark.parametrize("view", [submits, submits_and_raises, submits_in_the_second_pass])
def test_a_call_that_is_never_made_is_told_with_its_line(caplog, view):
    """The view answers with a redirect or an error."""
    answers(view, 302)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"A request asks for shop.price ({__file__}, line ")
    line = int(re.search(r"line (\d+)", message)[1])
    assert 'price.submit("tea")' in linecache.getline(__file__, line)
    assert "never made" in message
    assert "result()" in message
    assert "tea" not in message


def test_a_call_that_is_stopped_is_told(caplog):
    """It was started when the pass before waited for another."""

    def view():
        stock.submit("tea")
        calls = price.submit("tea"), price.submit("milk")
        calls[0].result(default=None)
        stock("tea")

    answers(view, 302)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "shop.price" in told[0]
    assert "is stopped" in told[0]


def cancels():
    price.submit("tea").cancel()


def has_its_result():
    price("tea")


@pytest.mark.parametrize("view", [cancels, has_its_result])
def test_a_redirect_that_drops_no_call_is_not_told(caplog, view):
    """Its calls were made, or nobody wants them."""
    answers(view, 302)
    assert caplog.records == []


def test_a_call_of_a_pass_that_returns_with_2xx_is_not_told(caplog):
    """It is made: the pass waits."""
    answers(submits)
    assert caplog.records == []


def test_the_last_pass_is_not_told_of_what_it_cannot_wait_for(caplog):
    """At the deadline nothing new starts."""
    hold = Hold(0.0, deadline=1.0, debug=True)

    def publish():
        submits()
        return False

    assert publish_once(hold, publish, Clock(2.0))
    assert caplog.records == []


def test_a_dropped_call_is_not_told_without_debug(caplog):
    """There is nobody who develops."""
    answers(submits, 302, debug=False)
    assert caplog.records == []


# gather(f(1), f(2))


def called_in_gather():
    return gather(price("tea"), price("milk"))


def results_in_gather():
    return gather(price.submit("tea").result(), price.submit("milk"))


def called_for_each():
    return gather(*[price(item) for item in ("tea", "milk")])


def called_by_a_generator():
    return wsgifutures.gather(*(price(item) for item in ("tea", "milk")))


def called_in_a_list():
    return gather(
        *[
            price.submit("tea"),
            price("milk"),
        ]
    )


IN_GATHER = [
    *(called_in_gather, results_in_gather, called_for_each, called_by_a_generator),
    called_in_a_list,
]


@pytest.mark.parametrize("view", IN_GATHER)
def test_a_call_in_place_of_submit_is_refused_before_its_wait(view, caplog):
    """In debug mode, with what to write; and nothing else is told of that call."""
    request = HeldRequest(view)
    request.hold.watch = checks.Watch()
    with pytest.raises(TypeError) as caught:
        request.publish()
    assert str(caught.value).startswith("shop.price is called as an argument of gather, ")
    assert "f.submit(...)" in str(caught.value)
    assert (request.passes, request.executor.jobs) == (1, [])
    if view is not called_in_a_list:  # it submits another
        assert caplog.records == []


def asks_for_an_argument():
    return gather(stock.submit(price("tea")), stock.submit("milk"))


def asks_in_a_function():
    return gather(*[ask_later(item) for item in ("tea", "milk")])


def ask_later(item):
    return stock.submit(price(item))


def of_another():
    return other_gather(price("tea"))


def other_gather(*values):
    return values


@pytest.mark.parametrize("view", [asks_for_an_argument, asks_in_a_function, of_another])
def test_a_call_that_makes_an_argument_of_gather_is_not_refused(view):
    """It gives something else than that argument, or is for another gather."""
    request = HeldRequest(view)
    request.hold.watch = checks.Watch()
    assert request.run()


def test_code_without_a_source_is_not_refused():
    """A template, say, or what a console compiled."""
    names = {"gather": gather, "price": price}
    for source in ("gather(price('tea'))", "[gather(price('tea'))]"):
        request = HeldRequest(functools.partial(eval, source, names))
        request.hold.watch = checks.Watch()
        with pytest.raises(TypeError, match="argument 1 is a str"):
            request.run()


# When


def test_a_finding_is_told_once(told):
    """Of each view."""
    assert len(told(in_a_row)) == 1
    assert told(in_a_row) == []


@pytest.mark.parametrize("view", [in_a_row, time_stamped(itertools.count())])
def test_nothing_is_told_without_debug(told, view):
    """There is nobody who develops."""
    assert told(view, debug=False, max_passes=5) == []
