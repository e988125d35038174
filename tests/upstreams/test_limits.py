"""Breaker, bulkhead and retries around real calls."""

from .outside import raised_by
from .outside import side_by_side
from .outside import until
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams import retries
from collective.wsgifutures.upstreams.answers import Answer
from collective.wsgifutures.upstreams.answers import Headers
from collective.wsgifutures.upstreams.bulkhead import Bulkhead
from collective.wsgifutures.upstreams.bulkhead import NoPlace
from collective.wsgifutures.upstreams.retries import Budget
from collective.wsgifutures.upstreams.retries import retry_after
from email.utils import formatdate

import contextlib
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """A retry waits for up to a hundredth of a second here."""
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.01)


# the bulkhead


def test_calls_at_once_are_no_more_than_allowed(outside, weather):
    """The others wait in line, and are made."""
    outside.says(after=0.1)
    upstream = weather(max_calls=3, queue_time=2)
    answers = side_by_side(lambda: upstream.get("/").status, 9)
    assert (answers, outside.connections) == ([200] * 9, 3)


def test_call_when_the_line_is_full_is_refused_at_once(outside, weather):
    """And says when to ask again."""
    outside.says(after=0.5)
    upstream = weather(max_calls=1, max_queue=1)
    results = side_by_side(lambda: upstream.get("/"), 5)
    busy = [one for one in results if isinstance(one, UpstreamBusy)]
    assert len(busy) == 3
    assert len(outside.asked) == 2
    assert busy[0].headers == {"Retry-After": "1"}
    assert "max_calls" in busy[0].reason


def test_call_when_its_turn_does_not_come_is_refused(outside, weather):
    """After the time in line; it was never made."""
    outside.says(after=0.5)
    upstream = weather(max_calls=1, queue_time=0.1)
    results = side_by_side(lambda: upstream.get("/"), 2)
    (busy,) = [one for one in results if isinstance(one, UpstreamBusy)]
    assert "none ended within 0.1 s" in busy.reason
    assert len(outside.asked) == 1


def test_turn_is_waited_for_up_to_the_deadline_of_the_hold(outside, weather):
    """The view still has its last pass, and knows why."""
    outside.says(after=1)
    upstream = weather(max_calls=1, queue_time=5, timeout=(1, 3))
    first = threading.Thread(target=upstream.get, args=["/"])
    first.start()
    assert until(lambda: outside.asked)
    began = time.monotonic()
    error = raised_by(UpstreamBusy, HeldRequest(lambda: upstream.get("/2"), deadline=0.4).run)
    assert "none ended within 0.3 s" in error.reason
    assert time.monotonic() - began < 0.8
    first.join()
    assert outside.targets == ["GET /"]


def test_places_are_all_free_when_calls_failed(outside, weather):
    """Whatever became of them."""
    outside.says(after=0.5)
    upstream = weather(max_calls=4, timeout=(1, 0.1), retries=0, failure_calls=100)
    assert {type(e) for e in side_by_side(lambda: upstream.get("/"), 8)} == {UpstreamTimeout}
    bulkhead = upstream.service().bulkhead
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)


def test_place_when_there_is_no_line_is_refused():
    """Nobody waits, for however long they would."""
    bulkhead = Bulkhead(1, 0)
    with bulkhead.place(5):
        error = raised_by(NoPlace, _enter, bulkhead, 5)
    assert (error.waited, bulkhead.taken) == (0.0, 0)


def test_place_that_is_given_to_who_just_left_goes_to_the_next():
    """No place is lost between the two."""
    bulkhead = Bulkhead(1, 5)
    for _ in range(200):
        with bulkhead.place(1):
            late = threading.Thread(target=lambda: _try(bulkhead, 0.001))
            late.start()
            time.sleep(0.001)
        late.join()
        assert (bulkhead.taken, bulkhead.waiting) == (0, 0)


def _try(bulkhead, patience):
    with contextlib.suppress(NoPlace):
        _enter(bulkhead, patience)


def _enter(bulkhead, patience):
    with bulkhead.place(patience):
        pass


# the breaker


def test_dead_upstream_is_left_alone(outside, weather):
    """A call costs nothing then, takes no pass, and says when to ask again."""
    outside.says(503)
    upstream = weather(retries=0, failure_calls=4, failure_pause=60)
    for _ in range(4):
        assert upstream.get("/").status == 503
    request = HeldRequest(lambda: raised_by(UpstreamBusy, upstream.get, "/").retry_after)
    began = time.perf_counter()
    patience = request.run()
    assert time.perf_counter() - began < 0.01
    assert (request.passes, len(outside.asked)) == (1, 4)
    assert 59 < patience <= 60


def test_upstream_that_is_back_is_asked_again(outside, weather):
    """One call finds out."""
    outside.says(500)
    upstream = weather(retries=0, failure_calls=2, failure_pause=0.2)
    for _ in range(2):
        upstream.get("/")
    with pytest.raises(UpstreamBusy):
        upstream.get("/")
    outside.says()
    time.sleep(0.21)
    assert upstream.get("/").ok
    assert upstream.get("/").ok


@pytest.mark.parametrize("status", [200, 302, 404, 429])
def test_answer_that_is_no_failure_of_the_upstream_does_not_count(outside, weather, status):
    """It is there and says no."""
    outside.says(status)
    upstream = weather(retries=0, failure_calls=2)
    for _ in range(6):
        assert upstream.get("/").status == status


def test_call_that_waits_in_line_is_not_made_when_the_upstream_dies(outside, weather):
    """A provider that stalls is not asked by the whole line, one after the other."""
    outside.says(after=2)
    upstream = weather(
        timeout=(1, 0.2), max_calls=4, queue_time=2, retries=0, failure_calls=4, failure_pause=60
    )
    results = [type(one) for one in side_by_side(lambda: upstream.get("/"), 20)]
    assert sorted(map(str, set(results))) == sorted(map(str, {UpstreamTimeout, UpstreamBusy}))
    assert len(outside.asked) <= 8


def test_call_that_had_no_time_does_not_count_against_the_upstream(outside, weather):
    """It was the request that was late."""
    outside.says(after=0.3)
    upstream = weather(timeout=(1, 1), retries=0, failure_calls=1)
    for deadline in (0.05, 0.2):
        request = HeldRequest(lambda: upstream.get("/"), deadline=deadline)
        with pytest.raises(UpstreamTimeout):
            request.run()
    assert upstream.get("/").ok
    assert upstream.service().counts["failures"] == 0


def test_call_that_the_deadline_cuts_counts_where_it_had_time(outside, weather):
    """Else nobody would ever find out that the upstream stalls."""
    outside.says(after=2)
    upstream = weather(timeout=(1, 1), retries=0, failure_calls=1)
    with pytest.raises(UpstreamTimeout):
        HeldRequest(lambda: upstream.get("/"), deadline=0.8).run()
    with pytest.raises(UpstreamBusy):
        upstream.get("/")


# the switch


def test_upstream_that_is_off_is_not_asked(outside, weather):
    """At once, in the same pass."""
    upstream = weather(off=True)
    request = HeldRequest(lambda: raised_by(UpstreamOff, upstream.get, "/").name)
    assert (request.run(), request.passes, outside.asked) == ("weather", 1, [])


# retries


@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_call_that_may_be_repeated_is(outside, weather, method, status):
    """Until it is answered; a view sees one call."""
    outside.says_in_turn(status, status, 200)
    request = HeldRequest(lambda: getattr(weather_(), method)("/").status)
    upstream = weather()
    weather_ = lambda: upstream  # noqa: E731
    assert (request.run(), request.passes, len(outside.asked)) == (200, 2, 3)


@pytest.mark.parametrize("method", ["post", "patch"])
def test_call_that_may_not_be_repeated_is_not(outside, weather, method):
    """Nobody knows whether it was done."""
    outside.says_in_turn(503, 200)
    assert getattr(weather(), method)("/").status == 503
    assert len(outside.asked) == 1


def test_call_that_fails_each_time_gives_the_last_answer(outside, weather):
    """After as many retries as are allowed."""
    outside.says(503)
    assert weather(retries=2).get("/").status == 503
    assert len(outside.asked) == 3


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_answer_that_another_call_would_not_change_is_given_at_once(outside, weather, status):
    """The upstream did not say that it might."""
    outside.says_in_turn(status, 200)
    assert weather().get("/").status == status


def test_connection_that_breaks_is_tried_again(outside, weather):
    """A call that got no answer at all."""
    answers = [(200, {"Content-Length": "no"}, b""), (200, {}, b"sunny")]
    broken = []

    def answer(asked):
        if not broken:
            broken.append(asked)
            raise ConnectionError
        return answers[1]

    outside.answer = answer
    assert weather().get("/").text == "sunny"
    assert len(outside.asked) == 2


def test_retry_waits_for_as_long_as_the_upstream_says(outside, weather):
    """Retry-After, in seconds."""
    outside.says_in_turn(503, 200, headers={"Retry-After": "1"})
    began = time.monotonic()
    assert weather(total=3).get("/").status == 200
    assert 1 <= time.monotonic() - began < 2


def test_retry_that_would_come_too_late_is_not_waited_for(outside, weather):
    """The answer that is there is given at once."""
    outside.says_in_turn(503, 200, headers={"Retry-After": "60"})
    began = time.monotonic()
    assert weather(total=3).get("/").status == 503
    assert time.monotonic() - began < 1


def test_retry_is_inside_the_deadline_of_the_hold(outside, weather):
    """Not inside the upstream's own time only."""
    outside.says_in_turn(503, 200, headers={"Retry-After": "2"})
    upstream = weather(total=20)
    request = HeldRequest(lambda: upstream.get("/").status, deadline=1.0)
    began = time.monotonic()
    assert (request.run(), len(outside.asked)) == (503, 1)
    assert time.monotonic() - began < 1


def test_retry_of_a_call_that_nobody_waits_for_is_not_made(outside, weather):
    """Its client went away while it was being answered."""
    upstream = weather()
    request = HeldRequest(lambda: upstream.get("/").status)
    assert request.publish() is HELD

    def answer(asked):
        request.hold.close()
        return 503, {}, b""

    outside.answer = answer
    request.executor.run_all()
    assert len(outside.asked) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (lambda now: formatdate(now + 3600, usegmt=True), 3600),
        (lambda now: formatdate(now - 3600, usegmt=True), 0),
        (lambda now: time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(now + 3600)), 3600),
        (lambda now: time.asctime(time.gmtime(now + 3600)), 3600),
        (lambda now: formatdate(now + 3600), 3600),  # -0000: no time zone is named
        ("Sun, 06 Nov 1994 08:49:37", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("soon", 0),
        ("-1", 0),
        ("9" * 400, 999_999_999),
        (f"Fri, 31 Dec {'9' * 20} 23:59:59 GMT", 0),
        (f"Tue, 01 Jan 2030 {'9' * 20}:00:00 GMT", 0),
        ("", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(text, seconds):
    """In the three forms that HTTP has; whatever else it is counts as nothing."""
    value = text(time.time()) if callable(text) else text
    answer = Answer(503, Headers((("Retry-After", value),)), b"")
    assert abs(retry_after(answer) - seconds) < 300


def test_retry_after_is_not_in_the_time_of_the_machine(monkeypatch):
    """A date without a zone is GMT."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        text = time.asctime(time.gmtime(time.time() + 3600))
        answer = Answer(503, Headers((("Retry-After", text),)), b"")
        assert abs(retry_after(answer) - 3600) < 300
    finally:
        monkeypatch.undo()
        time.tzset()


# the budget


def test_retries_are_a_share_of_the_calls(outside, weather):
    """A storm of errors is no storm of retries."""
    outside.says(503)
    upstream = weather(retries=2, retry_share=0.1, failure_calls=10_000)
    for _ in range(100):
        upstream.get("/")
    assert 100 < len(outside.asked) <= 112
    assert upstream.service().counts["retries"] == len(outside.asked) - 100


def test_budget_of_no_share_has_no_retry(outside, weather):
    """Not even to begin with."""
    outside.says(503)
    weather(retry_share=0).get("/")
    assert len(outside.asked) == 1


def test_budget_saves_up_no_more_than_its_limit():
    """A quiet day does not pay for a storm."""
    budget = Budget(1.0)
    for _ in range(1000):
        budget.earn()
    assert [budget.spend() for _ in range(12)] == [True] * 10 + [False] * 2


# idempotency keys


def test_post_with_a_key_of_the_upstream_is_repeated_with_the_same(outside, weather):
    """One for each request, whatever the number of passes and retries."""
    outside.says_in_turn(503, 503, 200)
    upstream = weather(idempotency_key=True)

    def view():
        upstream.get.submit("/", params={"n": 1}).result()
        return upstream.post("/", json={"a": 1}).status

    outside_get = outside.answer
    outside.answer = lambda asked: (200, {}, b"") if asked.method == "GET" else outside_get(asked)
    request = HeldRequest(view)
    assert (request.run(), request.passes) == (200, 3)
    keys = [one.headers["idempotency-key"] for one in outside.asked if one.method == "POST"]
    assert (len(keys), len(set(keys))) == (3, 1)
    assert len(keys[0]) == 32


def test_key_is_another_one_for_another_call_and_for_another_request(outside, weather):
    """What differs in anything is done twice on purpose."""
    upstream = weather(idempotency_key=True)
    for _ in range(2):
        HeldRequest(lambda: [upstream.post("/", json=n).status for n in range(2)]).run()
    keys = [one.headers["idempotency-key"] for one in outside.asked]
    assert (len(keys), len(set(keys))) == (4, 4)


def test_key_of_a_request_is_the_same_in_each_pass_after_a_conflict(outside, weather):
    """A pass that is published again asks for the same."""
    upstream = weather(idempotency_key=True)
    request = HeldRequest(lambda: upstream.post("/", data=b"x").status)
    keys = []
    for _ in range(2):
        request.publish()
        (call,) = request.hold.calls.values()
        keys.append(dict(call._request.headers)["Idempotency-Key"])
        request.hold.calls.clear()
        request.hold.state = type(request.hold.state).READY
    assert keys[0] == keys[1]


def test_key_in_place_is_a_new_one_for_each_call_and_the_same_in_its_retries(outside, weather):
    """There is no request that it could be derived from."""
    outside.says_in_turn(503, 200)
    upstream = weather()
    for _ in range(2):
        upstream.post("/", idempotency_key=True)
    keys = [one.headers["idempotency-key"] for one in outside.asked]
    assert keys[0] == keys[1]
    assert (len(keys), len(set(keys))) == (3, 2)


def test_key_of_ones_own_is_sent_as_it_is(outside, weather):
    """As a header too; and a call may do without the upstream's."""
    outside.says_in_turn(503, 200)
    upstream = weather(idempotency_key=True)
    assert upstream.post("/", idempotency_key="order-7").ok
    assert upstream.post("/", headers={"idempotency-key": "order-8"}).ok
    upstream.post("/", idempotency_key=False)
    keys = [one.headers.get("idempotency-key") for one in outside.asked]
    assert keys == ["order-7", "order-7", "order-8", None]


def test_refused_connection_counts_and_opens_the_breaker(weather):
    """Nobody is there."""
    upstream = weather(at="http://127.0.0.1:9", retries=0, failure_calls=2)
    for _ in range(2):
        assert isinstance(raised_by(UpstreamFailed, upstream.get), ConnectionError)
    with pytest.raises(UpstreamBusy):
        upstream.get("/")
