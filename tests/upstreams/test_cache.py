"""Answers that several requests get: kept ones, and those of one call."""

from .outside import raised_by
from .outside import side_by_side
from .outside import until
from collective.wsgifutures import SettingRefused
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures.kernel.calls import Returned
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams import cache as caches
from collective.wsgifutures.upstreams.answers import Answer
from collective.wsgifutures.upstreams.answers import Headers
from collective.wsgifutures.upstreams.cache import Cache
from collective.wsgifutures.upstreams.cache import Freshness
from collective.wsgifutures.upstreams.cache import Kept
from collective.wsgifutures.upstreams.flights import Flights
from collective.wsgifutures.upstreams.request import Request
from dogpile.cache.api import CantDeserializeException

import contextvars
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    """Each test begins with nothing kept."""
    monkeypatch.delenv(caches.VARIABLE, raising=False)
    caches._caches.clear()


@pytest.fixture
def age(monkeypatch):
    """Let time pass for what is kept."""
    clock = time.time
    moved = []

    def later(seconds):
        moved.append(seconds)
        monkeypatch.setattr(caches.time, "time", lambda: clock() + sum(moved))

    return later


def asked_in_turn(outside):
    """Let each answer be another one: its number."""
    outside.answer = lambda asked: (200, {}, str(len(outside.asked)).encode())


# a fresh answer


def test_fresh_answer_costs_no_call_and_no_further_pass(outside, weather):
    """It is there when it is asked for."""
    upstream = weather(cache=60)
    requests = [HeldRequest(lambda: upstream.get("/").text) for _ in range(3)]
    assert [request.run() for request in requests] == ["sunny"] * 3
    assert [request.passes for request in requests] == [2, 1, 1]
    assert len(outside.asked) == 1


def test_answer_is_kept_where_somebody_says_so_only(outside, weather):
    """Of the upstream or of the call, which wins."""
    upstream = weather()
    for options in ({}, {}, {"cache": 60}, {"cache": 60}):
        upstream.get("/", **options)
    assert len(outside.asked) == 3
    upstream = weather(cache=60)
    for _ in range(2):
        upstream.get("/", cache=0)
    assert len(outside.asked) == 5


def test_answer_to_a_post_is_kept_where_the_call_says_so(outside, weather):
    """An upstream's own setting is for what only reads."""
    upstream = weather(cache=60)
    for _ in range(2):
        upstream.post("/", json={"query": "a"})
    assert len(outside.asked) == 2
    for query in ("a", "a", "b"):
        upstream.post("/search", json={"query": query}, cache=60)
    assert len(outside.asked) == 4


def test_answer_that_is_too_old_is_asked_for_again(outside, weather, age):
    """After the seconds that were said."""
    upstream = weather(cache=60)
    asked_in_turn(outside)
    assert upstream.get("/").text == "1"
    age(59)
    assert upstream.get("/").text == "1"
    age(2)
    assert upstream.get("/").text == "2"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"params": {"a": 1}}, {"params": {"a": 2}}),
        ({"headers": {"Authorization": "a"}}, {"headers": {"Authorization": "b"}}),
        ({"headers": {"Cookie": "a"}}, {"headers": {"Cookie": "b"}}),
        ({"headers": {"Accept": "a"}}, {"headers": {"Accept": "b"}}),
        ({"headers": {"X-Whatever": "a"}}, {"headers": {}}),
        ({"headers": {"A": "b, C: d"}}, {"headers": {"A": "b", "C": "d"}}),
    ],
)
def test_answer_is_for_the_same_call_only(outside, weather, one, other):
    """All that may shape it tells calls apart."""
    upstream = weather(cache=60)
    asked_in_turn(outside)
    answers = [upstream.get("/", **options).text for options in (one, other, one, other)]
    assert answers == ["1", "2", "1", "2"]


def test_key_tells_method_address_headers_and_body_and_none_of_them():
    """It is a hash, under a secret that another process does not have."""
    request = Request("GET", "https://a/b?key=s3cret", (("Cookie", "s3cret"),), b"s3cret")
    others = [
        Request("HEAD", *list(request.__dict__.values())[1:]),
        Request("GET", "https://a/b?key=other", request.headers, request.body),
        Request("GET", request.url, (("Cookie", "other"),), request.body),
        Request("GET", request.url, request.headers, b"other"),
        Request("GET", request.url, request.headers, None),
    ]
    cache = Cache("", b"1")
    keys = {cache.key(one) for one in (request, *others)}
    assert len(keys) == 6
    assert not any("s3cret" in key for key in keys)
    assert cache.key(request) != Cache("", b"2").key(request)
    assert cache.key(request) == Cache("", b"1").key(
        Request("GET", request.url, (("cookie", "s3cret"),), request.body)
    )


# what is not for everybody


@pytest.mark.parametrize(
    "control",
    [
        *("no-store", "Private", "no-cache", "max-age=60, private"),
        *("private; max-age=60", "max-age=60 private", 'private="x-user, x-role"', '"private"'),
        *("no-cache=set-cookie", "public,,no-store", "\tno-store"),
    ],
)
def test_answer_that_says_so_is_not_kept(outside, weather, control):
    """In whatever case, among whatever else."""
    outside.says(headers={"Cache-Control": control})
    upstream = weather(cache=60)
    for _ in range(2):
        upstream.get("/")
    assert len(outside.asked) == 2


@pytest.mark.parametrize("status", [206, 301, 400, 404, 500, 503])
def test_answer_that_is_no_success_is_not_kept(outside, weather, status):
    """The next one may be one; and a part is not the whole."""
    outside.says_in_turn(status, 200)
    upstream = weather(cache=60, retries=0)
    assert [upstream.get("/").status for _ in range(3)] == [status, 200, 200]


def test_answer_that_differs_by_more_than_the_call_is_not_kept(outside, weather):
    """Vary: *."""
    outside.says(headers={"Vary": "*"})
    upstream = weather(cache=60)
    for _ in range(2):
        upstream.get("/")
    assert len(outside.asked) == 2


@pytest.mark.parametrize("says", [{"Cache-Control": "private"}, {"Vary": "Cookie, *"}])
def test_answer_to_which_a_redirect_led_that_says_so_is_not_kept(outside, weather, says):
    """It may have led there for one client only."""
    outside.answer = lambda asked: (
        (302, {"Location": "/there", **says}, b"") if asked.target == "/" else (200, {}, b"mine")
    )
    upstream = weather(cache=60)
    assert [upstream.get("/").text for _ in range(2)] == ["mine"] * 2
    assert outside.targets == ["GET /", "GET /there"] * 2
    outside.asked.clear()
    assert len(side_by_side(lambda: upstream.get("/"), 3)) == 3
    assert len(outside.asked) == 6


def test_answer_to_which_a_redirect_led_is_kept_else(outside, weather):
    """As any other."""
    outside.answer = lambda asked: (
        (302, {"Location": "/there"}, b"") if asked.target == "/" else (200, {}, b"ours")
    )
    upstream = weather(cache=60)
    assert [upstream.get("/").text for _ in range(2)] == ["ours"] * 2
    assert outside.targets == ["GET /", "GET /there"]


def test_cookie_that_is_set_is_for_nobody_else(outside, weather):
    """A shared answer has none."""
    outside.says(headers={"Set-Cookie": "session=s3cret", "X-Other": "1"})
    upstream = weather(cache=60)
    for _ in range(2):
        answer = upstream.get("/")
        assert (answer.headers.get("set-cookie"), answer.headers["x-other"]) == (None, "1")


# one call for all


def test_same_call_at_the_same_time_is_made_once(outside, weather):
    """All get the very same answer, which nothing can change."""
    outside.says(after=0.2)
    upstream = weather(cache=60)
    answers = side_by_side(lambda: upstream.get("/"), 20)
    assert (len(outside.asked), len(set(map(id, answers)))) == (1, 1)


def test_same_call_at_the_same_time_is_made_by_each_where_the_answer_is_private(outside, weather):
    """Who asked first has the one of the shared call."""
    outside.says(headers={"Cache-Control": "private"}, after=0.2)
    upstream = weather(cache=60)
    answers = side_by_side(lambda: upstream.get("/"), 5)
    assert (len(outside.asked), len(set(map(id, answers)))) == (5, 5)


def test_call_is_not_made_when_its_answer_came_in_between(outside, weather):
    """Another one ended after this one had looked."""
    upstream = weather(cache=60)
    answer = upstream.get("/")
    known = upstream._known(upstream.settings)
    request = Request("GET", f"{outside.url}/", tuple(_sent(outside)))
    until = time.monotonic() + 5
    assert known.shared.answer(request, Freshness(60), until) is answer
    assert len(outside.asked) == 1


def _sent(outside):
    return [header for header in outside.asked[0].headers.items() if header[0] != "host"]


def test_failure_of_a_shared_call_is_everybodys(outside, weather):
    """Each has a copy of its own."""
    outside.says(after=3)
    upstream = weather(cache=60, retries=0, timeout=(1, 1))
    errors = side_by_side(lambda: upstream.get("/"), 5)
    assert {type(one) for one in errors} == {UpstreamTimeout}
    assert (len(outside.asked), len(set(map(id, errors)))) == (1, 5)


class Shared:
    """A call that is made when the test says so."""

    def __init__(self):
        self.flights = Flights()
        self.made = 0
        self.ends = threading.Event()
        self.context = []

    def make(self, given_up):
        self.made += 1
        self.context.append(mark.get())
        self.ends.wait(5)
        return Returned("a", self.made)

    def join(self, patience=5):
        joined = self.flights.join("key", "a", self.make, time.monotonic() + patience)
        return joined and (joined[0].get(), joined[1])


mark = contextvars.ContextVar("mark", default=None)


def test_shared_call_goes_on_when_who_asked_first_is_out_of_time():
    """It belongs to the upstream."""
    shared = Shared()
    results = []
    first = threading.Thread(target=lambda: results.append(shared.join(0.1)))
    first.start()
    assert until(lambda: shared.made)
    other = threading.Thread(target=lambda: results.append(shared.join()))
    other.start()
    first.join()
    assert results == [None]
    shared.ends.set()
    other.join()
    assert results == [None, (1, False)]


def test_shared_call_is_forgotten_when_the_last_one_has_gone():
    """Who comes then begins anew."""
    shared = Shared()
    assert shared.join(0.05) is None
    shared.ends.set()
    assert shared.join() == (2, True)


def test_renewal_goes_on_when_who_came_to_wait_for_it_has_gone():
    """Nobody had to wait for it in the first place."""
    shared = Shared()
    shared.flights.renew("key", "a", shared.make)
    assert shared.join(0.05) is None
    threading.Timer(0.1, shared.ends.set).start()
    assert shared.join() == (1, False)


def test_shared_call_that_nobody_waits_for_is_not_made_again(outside, weather):
    """A thread cannot be stopped; it makes no retry for nobody."""
    outside.says(503, after=0.3)
    upstream = weather(cache=60, retries=2)
    request = HeldRequest(lambda: upstream.get("/"), deadline=0.2)
    raised_by(UpstreamTimeout, request.run)
    time.sleep(0.8)
    assert len(outside.asked) == 1


def test_shared_call_has_nothing_of_the_request_that_was_first():
    """Its context least of all: that may keep the whole of a pass."""
    shared = Shared()
    shared.ends.set()
    mark.set("of a request")
    assert shared.join() == (1, True)
    assert shared.context == [None]


def test_shared_call_that_cannot_be_started_leaves_nothing_behind(monkeypatch):
    """The next one tries again."""
    shared = Shared()
    shared.ends.set()
    start = shared.flights._executors.get
    monkeypatch.setattr(shared.flights._executors, "get", lambda name: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        shared.join()
    shared.flights.renew("key", "a", shared.make)
    monkeypatch.setattr(shared.flights._executors, "get", start)
    assert shared.join() == (1, True)


def test_each_that_waits_has_a_deadline_of_its_own(outside, weather):
    """And whoever can wait longer gets the answer."""
    outside.says(after=0.6)
    upstream = weather(cache=60)
    results = {}

    def ask(deadline):
        request = HeldRequest(lambda: upstream.get("/").text, deadline=deadline)
        request.publish()
        request.executor.run_all()
        request.advance(0)
        try:
            results[deadline] = request.publish()
        except UpstreamTimeout as error:
            results[deadline] = error.what

    threads = [threading.Thread(target=ask, args=[deadline]) for deadline in (0.3, 5)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert results == {0.3: "total", 5: "sunny"}
    assert len(outside.asked) == 1


# stale answers


def test_stale_answer_is_given_at_once_and_renewed_for_the_next_one(outside, weather, age):
    """Nobody waits for it."""
    upstream = weather(cache=60, stale=300)
    asked_in_turn(outside)
    assert upstream.get("/").text == "1"
    age(61)
    request = HeldRequest(lambda: upstream.get("/").text)
    assert (request.run(), request.passes) == ("1", 1)
    assert until(lambda: upstream.get("/").text == "2")
    assert len(outside.asked) == 2


def test_stale_answer_is_not_renewed_by_a_pass_that_ends_with_an_error(outside, weather, age):
    """Promise 3: what is not answered well starts nothing."""
    upstream = weather(cache=60, stale=300)
    upstream.get("/")
    age(61)

    def view():
        raise LookupError(upstream.get("/").text)

    with pytest.raises(LookupError, match="sunny"):
        HeldRequest(view).run()
    time.sleep(0.2)
    assert len(outside.asked) == 1
    assert HeldRequest(lambda: upstream.get("/").text).run() == "sunny"
    assert until(lambda: len(outside.asked) == 2)


def test_stale_answer_is_renewed_by_one_call(outside, weather, age):
    """However many ask for it meanwhile."""
    upstream = weather(cache=60, stale=300)
    upstream.get("/")
    age(61)
    outside.says(after=0.2)
    assert [one.text for one in side_by_side(lambda: upstream.get("/"), 20)] == ["sunny"] * 20
    assert until(lambda: len(outside.asked) == 2)
    time.sleep(0.3)
    assert len(outside.asked) == 2


def test_answer_that_is_older_than_stale_is_waited_for(outside, weather, age):
    """It is as if there were none."""
    upstream = weather(cache=60, stale=300)
    asked_in_turn(outside)
    upstream.get("/")
    age(361)
    assert upstream.get("/").text == "2"


@pytest.mark.parametrize("how", ["an error", "a status"])
def test_stale_answer_is_given_where_the_upstream_fails(outside, weather, age, how):
    """Up to the age that was said, and only then the failure is the view's."""
    upstream = weather(cache=60, stale_if_error=3600, retries=0, timeout=(1, 0.1))
    upstream.get("/")
    age(61)
    outside.says(503 if how == "a status" else 200, after=0 if how == "a status" else 0.3)
    assert upstream.get("/").text == "sunny"
    assert len(outside.asked) == 2
    age(3600)
    if how == "a status":
        assert upstream.get("/").status == 503
    else:
        with pytest.raises(UpstreamTimeout):
            upstream.get("/")


def test_stale_answer_is_given_at_once_where_the_upstream_is_not_asked(outside, weather, age):
    """No call, no pass."""
    upstream = weather(cache=60, stale_if_error=3600, retries=0, failure_calls=1, failure_pause=60)
    upstream.get("/")
    age(61)
    outside.says(500)
    assert upstream.get("/").text == "sunny"
    request = HeldRequest(lambda: upstream.get("/").text)
    assert (request.run(), request.passes, len(outside.asked)) == ("sunny", 1, 2)
    assert isinstance(raised_by(UpstreamBusy, upstream.get, "/other"), UpstreamBusy)


def test_kept_answer_of_an_upstream_that_is_off_is_not_given(weather):
    """Who switches it off does not want it."""
    weather(cache=60).get("/")
    assert raised_by(UpstreamOff, weather(cache=60, off=True).get, "/").name == "weather"


# where it is kept


def test_memory_is_bounded(monkeypatch):
    """What was not used for longest is dropped; what is larger than all is not kept."""
    monkeypatch.setattr(caches, "IN_MEMORY", 10_000)
    cache = Cache("", b"")
    for n in range(5):
        cache.set(str(n), Answer(200, Headers(), b"x" * 2000))
        cache.get("0")
    assert [n for n in range(5) if cache.get(str(n))] == [0, 3, 4]
    cache.set("large", Answer(200, Headers(), b"x" * 20_000))
    assert cache.get("large") is None


ANSWER = Answer(200, Headers((("A", "ä"), ("A", "b"))), b"\0\xff", "weather", "a:1")


def test_answer_is_the_same_again_out_of_redis():
    """As bytes, without pickle."""
    kept = Kept(ANSWER, 12.5)
    assert caches._unpack(caches._pack(kept)) == kept


@pytest.mark.parametrize(
    "data", [b"", b"\0\0", b"\xff\xff\xff\xffabc", b"\0\0\0\2[]x", b"cos\nsystem"]
)
def test_what_is_no_answer_counts_as_nothing(data):
    """Somebody else may write there."""
    with pytest.raises(CantDeserializeException):
        caches._unpack(data)


def test_cache_that_does_not_answer_is_done_without(outside, weather, monkeypatch, caplog):
    """One warning, without its address."""

    class Broken:
        def get(self, *args, **kwargs):
            raise OSError("redis://:s3cret@host")

        set = get

    monkeypatch.setattr(caches.cache(), "_region", Broken())
    upstream = weather(cache=60)
    assert [upstream.get("/").text for _ in range(3)] == ["sunny"] * 3
    assert len(outside.asked) == 3
    own = [one.getMessage() for one in caplog.records if one.name == caches.__name__]
    assert own == ["The cache does not answer (OSError). Upstreams are called without it."]


@pytest.mark.parametrize("url", ["file:///s3cret", "memcached://", "s3cret"])
def test_cache_of_another_kind_is_refused(monkeypatch, url):
    """Its name, what it is, what it takes; the address may have a password."""
    monkeypatch.setenv(caches.VARIABLE, url)
    error = raised_by(SettingRefused, Upstream, "weather", "https://example.com")
    assert error.name == "WSGIFUTURES_CACHE"
    assert "s3cret" not in str(error)


def test_threads_that_come_first_at_the_same_time_share_one_cache(monkeypatch):
    """Each cache has a secret of its own for its keys: two would keep everything twice."""
    caches._caches.clear()
    made = []
    slow = caches._new_cache

    def new_cache():
        time.sleep(0.05)
        made.append(slow())
        return made[-1]

    monkeypatch.setattr(caches, "_new_cache", new_cache)
    found = side_by_side(caches.cache, 5)
    assert len(set(map(id, found))) == 1
    assert made
