"""What is only so where threads are greenlets."""

from .outside import hostile
from .outside import raised_by
from .outside import until
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamTimeout

import gevent
import pytest
import socket
import time

pytestmark = pytest.mark.concurrency


@pytest.mark.parametrize("where", ["in its place", "in line"])
def test_call_that_is_killed_gives_its_place_back(outside, weather, where):
    """Its client went away; its connection is closed too."""
    outside.says(after=0.5)
    upstream = weather(max_calls=1)
    first, second = (gevent.spawn(upstream.get, "/") for _ in range(2))
    assert until(lambda: len(outside.asked) == 1)
    (first if where == "in its place" else second).kill()
    (second if where == "in its place" else first).join(3)
    bulkhead = upstream.service().bulkhead
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)
    assert len(outside.asked) == (2 if where == "in its place" else 1)
    assert upstream.service().counts["failures"] == 0


@pytest.mark.parametrize("mode", ["silent", "stalls", "trickles", "trickles-headers"])
def test_call_that_is_killed_leaves_its_upstream_at_once(mode):
    """Whatever it was waiting for: a connection that is half read is nobody's."""
    bad = hostile["Hostile"]()
    upstream = Upstream("bad", bad.url("")[:-1], timeout=(1, 5))
    call = gevent.spawn(upstream.get, f"/{mode}")
    gevent.sleep(0.1)
    call.kill()
    assert bad.is_left(mode, 1)
    bad.stop()


def test_shared_call_is_cancelled_when_the_last_one_who_waits_is_killed():
    """And not before."""
    bad = hostile["Hostile"]()
    upstream = Upstream("bad", bad.url("")[:-1], timeout=(1, 5), cache=60)
    first, last = (gevent.spawn(upstream.get, "/silent") for _ in range(2))
    gevent.sleep(0.1)
    first.kill()
    assert not bad.is_left("silent", 0.2)
    last.kill()
    assert bad.is_left("silent", 1)
    bad.stop()


def test_name_that_is_not_found_out_in_time_is_timed_out(weather, monkeypatch):
    """A name server that says nothing counts as an upstream that does not connect."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: gevent.sleep(3))
    upstream = weather(at="http://example.com", timeout=(0.2, 5), retries=0)
    began = time.monotonic()
    error = raised_by(UpstreamTimeout, upstream.get, "/")
    assert (error.what, time.monotonic() - began < 1) == ("connect", True)
    assert upstream.service().counts["failures"] == 1


def test_call_in_a_real_thread_has_connections_of_its_own(outside, weather):
    """A socket of one loop cannot be waited for in another one."""
    upstream = weather(max_calls=2)
    assert upstream.get("/").ok
    pool = gevent.get_hub().threadpool
    assert [call.get(5) for call in [pool.spawn(upstream.get, "/") for _ in range(4)]]
    assert upstream.get("/").ok
    assert 2 <= outside.connections <= 5
