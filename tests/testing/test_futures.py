"""What a test says of its futures is what its views get."""

from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import compat
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import ResultRefused
from collective.wsgifutures import TooManyPasses
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures import UpstreamStatus
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.testing import answer
from collective.wsgifutures.testing import Futures
from collective.wsgifutures.testing import UnexpectedCall
from types import SimpleNamespace

import math
import pytest

pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

ran = []


@future(key="shop.price", timeout=10)
def price(item, currency="EUR"):
    ran.append(item)
    return 1


@future(timeout=10)
def stock(item):
    ran.append(item)
    return 1


weather = Upstream("weather", "http://weather.invalid", total=20)
closed = Upstream("closed", "http://closed.invalid", off=True)


@pytest.fixture(autouse=True)
def nothing_ran():
    """No test of this module lets a future run."""
    ran.clear()
    yield
    assert ran == []


def both():
    return gather(price.submit("tea"), stock.submit("tea"))


# Settled


def test_a_view_gets_what_was_settled(futures):
    """With the arguments as its function knows them: by position or name, defaults applied."""
    futures.settle(price, "tea", value=250)
    futures.settle(price, currency="SEK", item="tea", value=2900)
    assert futures.publish(lambda: price("tea", "EUR")) == 250
    assert futures.publish(lambda: price("tea", "SEK")) == 2900


def test_a_future_fails_with_what_was_settled(futures):
    """Each pass gets a copy."""
    futures.settle(price, "tea", error=KeyError("gone"))
    with pytest.raises(KeyError, match="gone"):
        futures.publish(lambda: price("tea"))


def test_three_dots_are_any_arguments_and_exact_ones_come_first(futures):
    """In whatever order they were said."""
    futures.settle(price, "tea", value=1)
    futures.settle(price, ..., value=2)
    assert futures.publish(lambda: gather(price.submit("tea"), price.submit("milk"))) == [1, 2]


def test_settled_again_the_last_time_counts(futures):
    """For the next request too."""
    for value in (1, 2):
        futures.settle(price, ..., value=value)
        assert futures.publish(lambda: price("tea")) == value


def test_each_pass_has_a_copy_of_its_own(futures):
    """As in a server: no view changes what another pass gets."""

    def view():
        items = price("tea")
        items.append(1)
        stock("tea")
        return items

    futures.settle(price, ..., value=[])
    futures.settle(stock, ..., value=0)
    assert futures.publish(view) == [1]


def test_a_name_is_a_future_too(futures):
    """Of one that cannot be imported, say."""
    futures.settle("shop.price", value=3)
    assert futures.publish(lambda: price("tea")) == 3


def test_what_cannot_be_said_is_refused(futures):
    """Where it is said, and with what to write in its place."""
    refused = [
        (TypeError, "say value= or error=", lambda: futures.settle(price, "tea")),
        (TypeError, "say value= or error=", lambda: futures.settle(price, "tea", error="no")),
        (TypeError, r"missing .* or write \.\.\.", lambda: futures.settle(price, value=1)),
        (TypeError, "takes what @future made", lambda: futures.settle(len, "tea", value=1)),
        (TypeError, "give the function", lambda: futures.settle("shop.price", "tea", value=1)),
        (TypeError, r"write value=answer\(", lambda: futures.settle(weather.get, "/", value={})),
        (ArgumentRefused, "item", lambda: futures.settle(price, object(), value=1)),
        (
            ResultRefused,
            "shop.price",
            lambda: futures.settle(price, "tea", value=(n for n in "")),
        ),
    ]
    for kind, message, call in refused:
        with pytest.raises(kind, match=message):
            call()


# Passes and waits


def test_passes_and_waits_tell_a_waterfall_from_one_wait(futures):
    """The names of what was started together."""
    futures.settle(price, ..., value=1)
    futures.settle(stock, ..., value=2)
    futures.publish(both)
    assert (futures.passes, futures.waits) == (2, [["shop.price", stock.name]])
    futures.publish(lambda: (price("tea"), stock("tea")))
    assert (futures.passes, futures.waits) == (3, [["shop.price"], [stock.name]])
    futures.publish(lambda: "nothing")
    assert (futures.passes, futures.waits) == (1, [])


def test_held_asks_for_all_at_once(futures):
    """With the method of a view."""

    class View:
        @held(price=lambda self: price.submit("tea"), stock=lambda self: stock.submit("tea"))
        def __call__(self, price, stock):
            return f"{stock} for {price}"

    futures.settle(price, ..., value=250)
    futures.settle(stock, ..., value=3)
    assert futures.publish(View()) == "3 for 250"
    assert futures.passes == 2


def test_passes_are_limited_as_in_a_server(futures):
    """The test says to how many."""
    futures.max_passes = 3
    futures.settle(price, ..., value=1)
    with pytest.raises(TooManyPasses):
        futures.publish(lambda: [price(str(n)) for n in range(4)])
    assert futures.passes == 3


# Time


def test_the_time_that_calls_take_passes_at_once(futures):
    """Side by side it is that of the longest, in a row the sum."""
    futures.settle(price, ..., value=1, after=3)
    futures.settle(stock, ..., value=2, after=0.3)
    assert futures.publish(both) == [1, 2]
    assert futures.waited == 3
    futures.publish(lambda: (price("tea"), stock("tea")))
    assert futures.waited == 3.3


@pytest.mark.parametrize("said", [{"value": 1, "after": 11}, {"after": math.inf}])
def test_a_call_that_takes_longer_than_its_timeout_is_out_of_time(futures, said):
    """As in a server, at the timeout."""

    def view():
        try:
            return price("tea")
        except FutureTimeout:
            return "too late"

    futures.settle(price, ..., **said)
    assert futures.publish(view) == "too late"
    assert (futures.waited, futures.passes) == (10, 2)
    assert view() == "too late"  # in place


def test_a_response_is_held_up_to_its_deadline(futures):
    """The last pass goes on without."""
    futures.deadline = 5
    futures.settle(price, ..., value=1, after=7)
    assert futures.publish(lambda: price.submit("tea").result(default="late")) == "late"
    assert futures.waited == 5
    with pytest.raises(HoldExpired):
        futures.publish(lambda: price("tea"))


def test_the_clock_moves_where_the_test_moves_it(futures):
    """What is kept for a while is asked for again."""
    before = futures.clock()
    futures.clock.advance(60)
    assert futures.clock() == before + 60


# What nobody settled


def test_an_unexpected_call_is_an_error_that_says_what_to_write(futures):
    """Names of arguments, never their values."""
    with pytest.raises(UnexpectedCall) as caught:
        futures.publish(lambda: price("a secret"))
    futures.unexpected.clear()
    assert str(caught.value) == (
        "shop.price was asked for, and the test does not say what it gives. Before the view is "
        "called, write:\n\n"
        "    futures.settle(price, item=..., currency=..., value=None)\n\n"
        "with what it gives, or error= and an exception. An argument that is ... may be any."
    )


@future(key="a key that is no name")
def strange(item, /, *more):
    ran.append(item)


AS_VIEWS = [
    lambda: price("tea", currency="SEK"),
    lambda: strange("tea", "milk"),
    lambda: future(key="a lambda")(lambda item: item)("tea"),
    lambda: weather.get("/now", params={"a": 1}),
    lambda: weather.post("/now", json={"a": 1}),
    lambda: compat.resultOrSubmit("a", "", str),
]


@pytest.mark.parametrize("view", AS_VIEWS)
def test_what_an_unexpected_call_says_can_be_pasted(futures, view):
    """And is all that the test needs."""
    with pytest.raises(UnexpectedCall) as caught:
        futures.publish(view)
    futures.unexpected.clear()
    line = str(caught.value).split("\n\n")[1].strip()
    eval(line, {**globals(), "futures": futures})
    given = futures.publish(view)
    assert given in (None, "") or given.status == 200


def test_three_dots_in_place_of_an_argument_are_any_value_of_it(futures):
    """The strictest one counts, in whatever order they were said."""
    futures.settle(price, ..., value=3)
    futures.settle(price, "tea", "SEK", value=1)
    futures.settle(price, ..., currency="SEK", value=2)
    asked = [("tea", "SEK"), ("milk", "SEK"), ("tea", "EUR")]
    assert futures.publish(lambda: gather(*[price.submit(*one) for one in asked])) == [1, 2, 3]


def test_three_dots_are_no_value(futures):
    """They stand for what the test has to write."""
    with pytest.raises(TypeError, match="write what it gives in place of value="):
        futures.settle(price, item=..., currency=..., value=...)


def test_an_unexpected_call_names_the_arguments_that_were_settled_otherwise(futures):
    """Of several, those of the nearest one."""
    futures.settle(price, "tea", value=1)
    futures.settle(price, "milk", "SEK", value=1)
    with pytest.raises(UnexpectedCall, match="settled with another item"):
        futures.publish(lambda: price("salt", "SEK"))
    futures.unexpected.clear()


def test_an_unexpected_call_is_told_how_each_kind_is_written(futures):
    """Of upstreams by method, of compat by key."""
    written = {
        lambda: weather.get("/now", params={"a": 1}): "weather.get, params=..., path=...",
        lambda: compat.resultOrSubmit("a", "", str): "'a'",
        lambda: compat.resultOrSubmit(("a", 1), "", str): "\"('a', 1)\"",
    }
    for view, call in written.items():
        with pytest.raises(UnexpectedCall) as caught:
            futures.publish(view)
        assert caught.value.call == call
    futures.unexpected.clear()


def careless():
    try:
        return price("tea")
    except Exception:
        return "without"


def bare():
    try:
        return price("tea")
    except:  # noqa: E722
        return "without"


def other():
    try:
        return price("tea")
    except BaseException:
        raise LookupError("without") from None


@pytest.mark.parametrize("view", [careless, bare, other])
def test_an_unexpected_call_is_lost_in_no_view(view):
    """In a pass, and in place."""
    with pytest.raises(UnexpectedCall), Futures() as futures:
        futures.publish(view)
    with pytest.raises((UnexpectedCall, LookupError)), Futures():
        view()


def test_futures_run_again_when_the_test_has_ended():
    """Each test begins anew."""
    with Futures() as futures:
        futures.settle(price, "tea", value="settled")
        assert price("tea") == "settled"
    assert price("tea") == 1
    assert ran == ["tea"]
    ran.clear()


# In place


def test_a_call_in_place_gets_what_was_settled(futures):
    """A view that is simply called, as a unit test does."""
    futures.settle(price, "tea", value=250)
    futures.settle(weather.get, ..., value=answer(body="sunny"))
    assert (price("tea"), weather.get("/").text) == (250, "sunny")
    assert compat_in_place(futures) == "short"
    with pytest.raises(UnexpectedCall):
        price("milk")
    futures.unexpected.clear()


def compat_in_place(futures):
    futures.settle("key", value="short")
    return compat.resultOrSubmit("key", "", str)


# Upstreams


def test_an_upstream_answers_what_was_settled(futures):
    """With its own name and host."""
    futures.settle(
        weather.get, "/v1/now", params={"city": "Oulu"}, value=answer(json={"sky": "grey"})
    )
    given = futures.publish(lambda: weather.get("/v1/now", params={"city": "Oulu"}))
    assert given.json() == {"sky": "grey"}
    assert (given.status, given.upstream, given.host) == (200, "weather", "weather.invalid")
    assert given.headers["content-type"] == "application/json"


def test_an_answer_is_easy_to_make():
    """Status, JSON or a body, headers."""
    made = answer(503, body="näyttö", headers={"Retry-After": "7"})
    assert (made.status, made.text, made.headers["retry-after"]) == (503, "näyttö", "7")
    assert answer(json=None).json() is None
    assert answer(json=[], headers={"Content-Type": "a/b"}).headers["content-type"] == "a/b"
    assert answer(204).body == b""


def test_an_answer_of_no_success_raises_as_the_upstreams_own(futures):
    """What a view does with it is what is tested."""
    futures.settle(weather.post, ..., value=answer(500))
    with pytest.raises(UpstreamStatus, match="weather"):
        futures.publish(lambda: weather.post("/", json={}).raise_for_status())


def test_an_upstream_fails_with_what_was_settled(futures):
    """One of its errors."""
    futures.settle(weather.get, ..., error=UpstreamBusy("weather", "host", 5, "busy"))
    with pytest.raises(UpstreamBusy):
        futures.publish(lambda: weather.get("/"))


@pytest.mark.parametrize(("deadline", "seconds"), [(55, 20), (8, 7.9)])
def test_an_upstream_that_is_too_late_is_out_of_time_by_its_own_limits(futures, deadline, seconds):
    """``total``, or a moment before the deadline."""

    def view():
        try:
            return weather.get("/")
        except UpstreamTimeout:
            return "too late"

    futures.deadline = deadline
    futures.settle(weather.get, ..., after=math.inf)
    assert futures.publish(view) == "too late"
    assert futures.waited == seconds


def test_an_upstream_that_is_off_is_off(futures):
    """Whatever is settled: it is not asked."""
    futures.settle(closed.get, ..., value=answer())
    for call in (lambda: closed.get("/"), lambda: futures.publish(lambda: closed.get("/"))):
        with pytest.raises(UpstreamOff):
            call()


# compat


def test_a_key_of_compat_is_settled_by_its_name(futures):
    """A placeholder in the first pass."""
    seen = []

    def view():
        seen.append(compat.resultOrSubmit(("a", 1), "placeholder", str))
        return seen[-1]

    futures.settle(("a", 1), value="short")
    assert futures.publish(view) == "short"
    assert seen == ["placeholder", "short"]


# What belongs to the request


def test_a_view_that_redirects_starts_nothing(futures):
    """So nothing needs to be settled for it."""

    def view():
        price.submit("tea")
        return ""

    class View:
        request = SimpleNamespace(response=SimpleNamespace(getStatus=lambda: 302))

        def __call__(self):
            return view()

    assert futures.publish(View()) == ""
    assert futures.passes == 1


# While somebody develops


@future(key="shop.pictures", executor="greenlets", timeout=10)
def pictures(item):
    raise RuntimeError("a test must not call the shop")


def test_a_future_is_settled_whatever_runs_it(futures):
    """Its executor need not be there."""
    futures.settle(pictures, "tea", value="a picture")
    assert futures.publish(lambda: pictures("tea")) == "a picture"


class InARow:
    """A view that waits again and again."""

    def __call__(self):
        return [price("tea"), price("milk"), price("salt")]


def test_what_is_careless_is_told(futures, caplog, monkeypatch):
    """By the name of the view."""
    monkeypatch.setattr(checks, "_logged", set())
    futures.settle(price, ..., value=1)
    futures.publish(InARow())
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{__name__}.InARow waits again and again")
    caplog.clear()
    futures.publish(in_a_row)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{__name__}.in_a_row waits again and again")


def in_a_row():
    return InARow()()


def test_a_wait_without_an_end_is_an_error(futures):
    """In a server there is always a deadline."""
    futures.deadline = math.inf
    futures.settle("key", after=math.inf)
    with pytest.raises(RuntimeError, match="no deadline"):
        futures.publish(lambda: compat.resultOrSubmit("key", "", str))
