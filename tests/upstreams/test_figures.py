"""What became of the calls to an upstream, as it is told."""

from .outside import Overrides
from collective.wsgifutures import UpstreamError
from collective.wsgifutures.kernel.sites import sites
from collective.wsgifutures.upstreams.figures import all_figures

import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


def figures(*names, upstream="weather"):
    """Return what is told of *upstream*, which has one host."""
    (found,) = [one for one in all_figures() if one["name"] == upstream]
    return [found[name] for name in names]


def test_calls_errors_and_retries_are_counted(weather, outside):
    """A call that is made again is one call."""
    upstream = weather(retries=1)
    outside.says_in_turn(503, 200)
    upstream.get("/a")
    outside.says_in_turn(500)
    upstream.get("/b")
    assert figures("calls", "errors", "retries", "busy") == [2, 2, 1, 0]


def test_time_of_each_attempt_is_told_in_buckets_and_percentiles(weather, outside):
    """Of the attempts that came to an end."""
    upstream = weather()
    outside.says(after=0.03)
    upstream.get("/slow")
    outside.says()
    for number in range(3):
        upstream.get(f"/{number}")
    p50, p99, seconds, buckets = figures("p50", "p99", "seconds", "buckets")
    assert p50 < 0.03 <= p99 <= seconds
    assert (buckets["+Inf"], buckets["60"]) == (4, 4)
    assert buckets["0.025"] == 3


def test_kept_answers_are_hits_and_others_misses(weather):
    """Where nothing is kept neither is counted."""
    upstream = weather()
    for _ in range(3):
        upstream.get("/figures", cache=60)
    upstream.get("/other")
    assert figures("cache_hits", "cache_misses", "calls") == [2, 1, 2]


def test_calls_that_are_made_and_that_wait_are_told(weather, outside):
    """And given back when they have ended."""
    upstream = weather(max_calls=1, max_queue=1)
    go = threading.Event()
    outside.answer = lambda asked: (go.wait(5) and 200, {}, b"")
    threads = [threading.Thread(target=upstream.get, args=(f"/{n}",)) for n in range(2)]
    for one in threads:
        one.start()
    until = time.monotonic() + 5
    while figures("in_flight", "queued") != [1, 1] and time.monotonic() < until:
        time.sleep(0.001)
    assert figures("in_flight", "queued") == [1, 1]
    with pytest.raises(UpstreamError):
        upstream.get("/third")
    assert figures("busy") == [1]
    go.set()
    for one in threads:
        one.join()
    assert figures("in_flight", "queued") == [0, 0]


def test_breaker_that_opens_is_told_with_when_it_is_asked_again(weather, outside):
    """And what it refuses is told as busy."""
    upstream = weather(failure_calls=2, failure_pause=30, retries=0)
    outside.says(500)
    upstream.get("/a")
    assert figures("breaker", "retry_in") == ["closed", None]
    upstream.get("/b")
    with pytest.raises(UpstreamError):
        upstream.get("/c")
    state, seconds, busy = figures("breaker", "retry_in", "busy")
    assert (state, busy) == ("open", 1)
    assert 20 < seconds <= 30


def test_what_sites_change_is_told_as_one_where_it_is_the_same_host(weather, outside):
    """Another host has figures of its own."""
    upstream = weather()
    upstream.get("/own")
    changes = [{"total": 2.0}, {"base_url": outside.url.replace("127.0.0.1", "localhost")}]
    for change in changes:
        sites[:] = [Overrides(lambda name, change=change: change)]
        upstream.get("/site")
    told = {one["host"]: one["calls"] for one in all_figures() if one["name"] == "weather"}
    assert told == {outside.host: 2, outside.host.replace("127.0.0.1", "localhost"): 1}
