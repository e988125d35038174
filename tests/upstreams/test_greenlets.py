"""What is only so where threads are greenlets."""

from .outside import hostile
from .outside import raised_by
from .outside import until
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures.kernel.runtime import current
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams import names
from collective.wsgifutures.upstreams.breaker import BreakerState
from collective.wsgifutures.upstreams.cache import Freshness
from collective.wsgifutures.upstreams.request import Request
from gevent.monkey import get_original
from kernel.boxes import Mailbox

import gevent
import os
import pytest
import time

pytestmark = pytest.mark.concurrency

plain_sleep = get_original("time", "sleep")


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
    monkeypatch.setattr(names, "getaddrinfo", lambda *args: plain_sleep(3))
    upstream = weather(at="http://example.com", timeout=(0.2, 5), retries=0)
    began = time.monotonic()
    error = raised_by(UpstreamTimeout, upstream.get, "/")
    assert (error.what, time.monotonic() - began < 1) == ("connect", True)
    assert upstream.service().counts["failures"] == 1


def in_a_thread(function):
    """Return where comes what *function* gives in a thread of the system."""
    box = Mailbox()
    current().thread(target=lambda: box.put(function())).start()
    return box


def test_shared_call_goes_on_when_the_thread_that_asked_first_has_ended(outside, weather):
    """Its loop has ended with it."""
    outside.says(after=0.5)
    upstream = weather(cache=60)
    shared = upstream._known(upstream.settings).shared
    request = Request("GET", f"{outside.url}/", ())

    def ask(seconds):
        try:
            return shared.answer(request, Freshness(60), time.monotonic() + seconds).text
        except UpstreamTimeout as error:
            return error.what

    first = in_a_thread(lambda: ask(0.2))
    assert until(lambda: outside.asked)
    assert (ask(3), first.get(timeout=3)) == ("sunny", "total")
    assert len(outside.asked) == 1


def test_stale_answer_that_a_thread_asked_for_is_renewed(outside, weather):
    """Though the thread ends at once; and later ones are renewed as ever."""
    upstream = weather(cache=0.2, stale=60)
    upstream.get("/")
    for count in (2, 3):
        time.sleep(0.25)
        assert in_a_thread(lambda: upstream.get("/").text).get(timeout=3) == "sunny"
        assert until(lambda count=count: len(outside.asked) == count)


def test_shared_call_of_two_loops_is_cancelled_when_the_last_one_who_waits_has_gone():
    """Whichever loop that is of."""
    bad = hostile["Hostile"]()
    upstream = Upstream("bad", bad.url("")[:-1], timeout=(1, 5), cache=60)
    first = gevent.spawn(upstream.get, "/silent")
    gevent.sleep(0.1)
    held = HeldRequest(lambda: upstream.get("/silent"), deadline=0.6)
    last = in_a_thread(lambda: raised_by(UpstreamTimeout, held.run))
    gevent.sleep(0.1)
    first.kill()
    assert not bad.is_left("silent", 0.2)
    last.get(timeout=3)
    assert bad.is_left("silent", 1)
    bad.stop()


def test_probe_that_is_killed_lets_another_call_find_out(outside, weather):
    """Its client went away: that says nothing of the upstream."""
    outside.says(500)
    upstream = weather(retries=0, failure_calls=1, failure_pause=0.1)
    upstream.get("/")
    gevent.sleep(0.15)
    outside.says(after=0.5)
    probe = gevent.spawn(upstream.get, "/")
    assert until(lambda: len(outside.asked) == 2)
    raised_by(UpstreamBusy, upstream.get, "/")
    probe.kill()
    assert upstream.get("/").ok
    assert upstream.service().breaker.state is BreakerState.CLOSED


def test_call_in_a_thread_leaves_no_connection_behind(outside, weather):
    """It is used again in the thread, and closed with it."""
    upstream = weather()
    upstream.get("/")
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        answers = in_a_thread(lambda: [upstream.get("/").ok for _ in range(3)])
        assert answers.get(timeout=3) == [True] * 3
    assert outside.connections == 11
    assert until(lambda: len(upstream.service()._clients) == 1)
    assert until(lambda: len(os.listdir("/proc/self/fd")) <= files)


def test_call_in_a_real_thread_has_connections_of_its_own(outside, weather):
    """A socket of one loop cannot be waited for in another one."""
    upstream = weather(max_calls=2)
    assert upstream.get("/").ok
    pool = gevent.get_hub().threadpool
    assert [call.get(5) for call in [pool.spawn(upstream.get, "/") for _ in range(4)]]
    assert upstream.get("/").ok
    assert 2 <= outside.connections <= 5
