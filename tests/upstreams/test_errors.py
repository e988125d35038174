"""Errors say what, where and what to do; and nothing that may be a secret."""

from .outside import raised_by
from collective.wsgifutures import future
from collective.wsgifutures import FuturesError
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamError
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures import UpstreamRefused
from collective.wsgifutures import UpstreamStatus
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures import UpstreamTooLarge
from collective.wsgifutures.kernel.calls import copy_exception
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams import cache as caches
from collective.wsgifutures.upstreams.upstream import upstreams
from urllib.parse import quote

import base64
import gc
import logging
import pickle
import pytest
import traceback

WHERE = ("weather", "example.com")
ERRORS = {
    UpstreamTimeout: (*WHERE, 3.0, "read"),
    UpstreamFailed: (*WHERE, "Connection refused", False),
    UpstreamRefused: (*WHERE, "its proxy is not an HTTP proxy"),
    UpstreamTooLarge: (*WHERE, 1000),
    UpstreamStatus: (*WHERE, 404),
    UpstreamBusy: (*WHERE, 4.2, "too many of its calls failed"),
    UpstreamOff: WHERE,
}

each = pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)


@each
def test_error_says_which_upstream_and_what_to_do(kind):
    """Its name, its host, and where to change something."""
    error = kind(*ERRORS[kind])
    assert "weather (example.com)" in str(error)
    assert "catch" in str(error) or "max_size" in str(error)
    assert isinstance(error, UpstreamError)
    assert isinstance(error, FuturesError)


@each
@pytest.mark.parametrize("copy", [copy_exception, lambda error: pickle.loads(pickle.dumps(error))])
def test_error_survives_copying(kind, copy):
    """Each pass gets one of its own; one of a process comes from far."""
    error = kind(*ERRORS[kind])
    copied = copy(error)
    assert (type(copied), copied.args) == (kind, ERRORS[kind])
    assert (copied.__dict__, str(copied)) == (error.__dict__, str(error))


@each
def test_error_says_when_to_ask_again(kind):
    """In whole seconds, never zero."""
    error = kind(*ERRORS[kind])
    if kind is UpstreamTimeout:
        assert error.headers == {}  # 504, as a future that is out of time
    else:
        assert error.headers == {"Retry-After": "60" if kind is UpstreamOff else "5"}


def test_busy_for_less_than_a_second_is_a_second():
    """Retry-After: 0 would be asked again at once, by all."""
    assert UpstreamBusy(*WHERE, 0.01, "").headers == {"Retry-After": "1"}


def test_errors_are_those_of_python_too():
    """For code that catches these."""
    assert issubclass(UpstreamTimeout, TimeoutError)
    assert issubclass(UpstreamFailed, ConnectionError)
    assert not issubclass(UpstreamRefused, OSError)  # the service may be well


# secrets

SECRET = "s3cr3t-w0rd"

#: The places of a call where people put them.
PLACES = {
    "path": lambda upstream: upstream.get(f"/{SECRET}/x"),
    "a value in the path": lambda upstream: upstream.get("/{key}", path_params={"key": SECRET}),
    "params": lambda upstream: upstream.get("/x", params={"key": SECRET}),
    "a header": lambda upstream: upstream.get("/x", headers={"Authorization": SECRET}),
    "a cookie": lambda upstream: upstream.get("/x", headers={"Cookie": f"a={SECRET}"}),
    "json": lambda upstream: upstream.put("/x", json={"password": SECRET}),
    "a form": lambda upstream: upstream.put("/x", data={"password": SECRET}),
    "the key": lambda upstream: upstream.post("/x", idempotency_key=SECRET),
}


def make_it_fail(outside, how):
    def answer(asked):
        if how == "breaks":
            raise ConnectionError
        return 503 if how == "status" else 302, {"Location": f"http://[{SECRET}"}, b""

    outside.answer = answer


@pytest.mark.parametrize("how", ["breaks", "status", "a redirect to nowhere"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("held", [True, False], ids=["held", "in place"])
def test_secret_is_in_no_log_error_key_or_repr(outside, weather, caplog, place, how, held):
    """With all logs at their most talkative, urllib3's and dogpile's too."""
    caplog.set_level(logging.DEBUG)
    make_it_fail(outside, how)
    upstream = weather(headers={"X-Key": SECRET}, cache=60, stale_if_error=1, timeout=(1, 0.3))
    call = PLACES[place]
    told = []

    def view():
        answer = call(upstream)
        told.append(repr(answer))
        return answer.raise_for_status()

    request = HeldRequest(view)
    try:
        request.run() if held else view()
    except UpstreamError as error:
        told += traceback.TracebackException.from_exception(error).format()
        told += [repr(error), str(error), repr(error.__dict__), repr(error.args)]
    else:
        pytest.fail("it has to fail")
    assert outside.asked
    told += [repr(call) for call in request.hold.calls.values()]
    told += [repr(call._request) for call in request.hold.calls.values()]
    told += [repr(upstream), repr(upstream.get), repr(upstream.service().counts)]
    told += [repr(upstream.settings), caplog.text, *map(repr, caplog.records)]
    assert_nothing_is_told(told)


def test_secret_of_a_kept_answer_is_in_no_key(outside, weather, monkeypatch):
    """Whatever the cache is, its keys may be looked at."""
    caches._caches.clear()
    weather(cache=60).get("/", params={"key": SECRET}, headers={"Cookie": SECRET})
    region = caches.cache()._region
    keys = [region.key_mangler(key) for key in _keys(region)]
    assert len(keys) == 1
    assert_nothing_is_told(keys)


def _keys(region):
    return list(region.backend._cache._mapping)


def assert_nothing_is_told(told):
    text = "\n".join(told)
    for form in (SECRET, quote(SECRET), base64.b64encode(SECRET.encode()).decode()):
        assert form not in text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"headers": {"X-Key": f"{SECRET}\r\nX: y"}}, "headers['X-Key']"),
        ({"headers": {"X-Key": f"{SECRET}\u20ac"}}, "headers['X-Key']"),
        ({"headers": {f"{SECRET}:": "x"}}, "headers"),
        ({"headers": {"Content-Length": SECRET}}, "headers['Content-Length']"),
        ({"base_url": f"https://user:{SECRET}@example.com"}, "base_url"),
        ({"base_url": f"https://example.com/hooks?key={SECRET}"}, "base_url"),
        ({"base_url": f"hooks.example.com/{SECRET}"}, "base_url"),
    ],
)
def test_declaration_that_cannot_be_sent_is_refused_without_its_value(options, named):
    """It says which one it is."""
    error = raised_by(ValueError, Upstream, "weather", **{"base_url": "https://a", **options})
    assert named in str(error)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Key": f"{SECRET}\r\nX: y"}},
        {"headers": {"X-Key": f"{SECRET}\u20ac"}},
        {"headers": {"Host": SECRET}},
        {"headers": {"X-Key": [SECRET]}},
        {"json": {"a": {SECRET}}},
        {"json": float("nan")},
        {"json": 1, "data": SECRET},
        {"cache": SECRET},
        {"cache": -1},
        {"path": SECRET},
        {"params": {"a": open}},
    ],
    ids=lambda options: ",".join(options),
)
def test_argument_that_cannot_be_sent_is_refused_without_its_value(weather, options):
    """Where it is submitted, with the name of the argument."""
    error = raised_by(TypeError, weather().put.submit, options.pop("path", "/"), **options)
    assert type(error).__name__ == "ArgumentRefused"
    assert error.name == "weather.put"
    assert SECRET not in str(error)
    assert error.argument.partition("[")[0] in {*options, "path"}


def test_argument_that_there_is_none_of_is_a_type_error(weather):
    """With the name of the future."""
    error = raised_by(TypeError, weather().get.submit, "/", jsno=1)
    assert "weather.get" in str(error)


def test_upstreams_are_known_by_name_for_as_long_as_they_are_there():
    """For whoever shows them."""
    one = Upstream("seen-once", "https://example.com")
    assert upstreams["seen-once"] is one
    del one
    gc.collect()
    assert "seen-once" not in upstreams


def test_two_upstreams_of_one_name_are_told(caplog):
    """Both obey the same variables; the same one declared again, as a reload does, is fine."""
    one = Upstream("twice", "https://example.com")
    same = Upstream("twice", "https://example.com")
    assert not caplog.records
    other = Upstream("twice", "https://example.org")
    assert "Two upstreams are called twice." in caplog.text
    assert upstreams["twice"] is other
    assert one.settings == same.settings


def test_error_of_an_upstream_inside_a_future_is_the_views(outside, weather):
    """As any exception of a future."""
    outside.says(404)
    upstream = weather()

    @future(key="inside")
    def inside():
        return upstream.get("/").raise_for_status().text

    error = raised_by(UpstreamStatus, HeldRequest(inside).run)
    assert (error.status, error.name) == (404, "weather")
