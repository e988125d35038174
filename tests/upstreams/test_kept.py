"""Connections that are kept: what the way did to them meanwhile is not the service's failure."""

from .outside import ok
from .outside import raised_by
from .outside import requests_on
from .outside import side_by_side
from .outside import until
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamTimeout

import pytest
import socket
import struct
import time

pytestmark = pytest.mark.concurrency

STRICT = {"retries": 0, "retry_share": 0, "failure_calls": 1}


def closes(connection):
    """End it as a server does that has waited for long enough."""


def resets(connection):
    """End it as a gateway does that has forgotten it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(half):
    return lambda connection: connection.sendall(half)


def drops_after(answers, how=closes, seen=None):
    """Answer so many requests on a connection, and none of the next one."""

    def handle(connection):
        for number, path in enumerate(requests_on(connection)):
            if seen is not None:
                seen.append(path)
            if number == answers:
                how(connection)
                return
            connection.sendall(ok(path.encode()))

    return handle


def kept_by(upstream):
    """Return the connections that one process keeps."""
    (client,) = upstream.service()._clients.values()
    adapter = client._session.get_adapter(upstream.settings.base_url)
    pool = adapter.poolmanager.connection_from_url(upstream.settings.base_url)
    return [one for one in pool.pool.queue if one is not None]


# what is used again


@pytest.mark.parametrize(("pause", "connections"), [(0.0, 1), (0.4, 2)])
def test_connection_that_was_idle_for_long_is_not_used_again(raw, weather, pause, connections):
    """The way may have dropped it, and nobody said so."""
    service = raw(drops_after(9))
    upstream = weather(at=service.url, keep_alive=0.3)
    for path in ("/1", "/2"):
        assert upstream.get(path).text == path
        time.sleep(pause)
    assert service.connections == connections


def test_connection_is_never_used_again_where_none_is_kept(raw, weather):
    """The setting may be 0."""
    service = raw(drops_after(9))
    upstream = weather(at=service.url, keep_alive=0)
    assert [upstream.get(path).text for path in ("/1", "/2", "/3")] == ["/1", "/2", "/3"]
    assert service.connections == 3


def test_connection_is_kept_for_less_than_the_usual_minute(weather):
    """By default."""
    assert weather().settings.keep_alive < 60


def test_system_looks_after_connections(raw, weather):
    """It finds out which of them have no other end any more, and keeps the others known."""
    upstream = weather(at=raw(drops_after(9)).url)
    upstream.get("/")
    (connection,) = kept_by(upstream)
    assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# what is dropped


@pytest.mark.parametrize("how", [closes, resets])
@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_call_on_a_connection_that_was_dropped_is_made_anew(raw, weather, how, method):
    """Outside of retries, their budget and the breaker: nobody has failed."""
    service = raw(drops_after(1, how))
    upstream = weather(at=service.url, **STRICT)
    for _ in range(4):
        assert getattr(upstream, method)("/a").ok
    assert service.connections == 4
    counts = upstream.service().counts
    assert (counts["calls"], counts["retries"], counts["failures"]) == (4, 0, 0)


def test_call_is_made_anew_once_though_all_connections_were_dropped(raw, weather):
    """The service was restarted: the second attempt takes a new one, not the next dead one."""
    service = raw(lambda connection: (time.sleep(0.1), drops_after(1)(connection)))
    upstream = weather(at=service.url, **STRICT)
    assert all(one.ok for one in side_by_side(lambda: upstream.get("/"), 6))
    assert service.connections == 6
    assert upstream.get("/").ok
    assert service.connections == 7


@pytest.mark.parametrize("how", [closes, resets])
def test_post_on_a_connection_that_was_dropped_is_not_made_anew(raw, weather, how):
    """Nobody knows whether it was done; and nobody is blamed."""
    seen = []
    upstream = weather(at=raw(drops_after(1, how, seen)).url, **STRICT)
    assert upstream.post("/1").ok
    error = raised_by(UpstreamFailed, upstream.post, "/2")
    assert error.dropped
    assert upstream.service().counts["failures"] == 0
    assert upstream.post("/3").ok
    assert seen == ["/1", "/2", "/3"]


def test_post_with_a_key_is_made_anew_with_the_same(raw, weather):
    """It may be repeated."""
    seen = []
    upstream = weather(at=raw(drops_after(1, closes, seen)).url, idempotency_key=True, **STRICT)
    assert [upstream.post(path).text for path in ("/1", "/2")] == ["/1", "/2"]
    assert seen == ["/1", "/2", "/2"]


def test_large_body_on_a_connection_that_was_dropped_is_sent_anew(raw, weather):
    """Though it ended while it was being sent."""

    def handle(connection):
        first = connection.recv(65536)
        if b"PUT" in first:
            time.sleep(0.05)
            left = 3_000_000 - len(first.partition(b"\r\n\r\n")[2])
            while left > 0 and (part := connection.recv(65536)):
                left -= len(part)
        connection.sendall(ok(b"taken"))
        connection.recv(1000)
        resets(connection)

    upstream = weather(at=raw(handle).url, **STRICT)
    assert upstream.get("/").text == "taken"
    assert upstream.put("/", data=b"x" * 3_000_000).text == "taken"


def test_hop_of_a_redirect_on_a_dropped_connection_is_made_anew_by_itself(raw, weather):
    """What was answered before is not asked for again."""
    seen = []

    def handle(connection):
        for number, path in enumerate(requests_on(connection)):
            seen.append(path)
            if path == "/there" and number:
                return
            connection.sendall(
                ok(b"there")
                if path == "/there"
                else b"HTTP/1.1 302 x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
            )

    assert weather(at=raw(handle).url, **STRICT).get("/").text == "there"
    assert seen == ["/", "/there", "/there"]


HALVES = [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]


@pytest.mark.parametrize("half", HALVES, ids=range(len(HALVES)))
def test_call_of_which_an_answer_had_begun_is_not_made_anew(raw, weather, half):
    """That is the service's failure."""
    seen = []
    upstream = weather(at=raw(drops_after(1, says(half), seen)).url, **STRICT)
    assert upstream.get("/1").ok
    assert not raised_by(UpstreamFailed, upstream.get, "/2").dropped
    assert seen == ["/1", "/2"]
    raised_by(UpstreamBusy, upstream.get, "/3")


def test_call_on_a_new_connection_that_is_dropped_is_not_made_anew(raw, weather):
    """It was used for nothing else, so the service does that."""
    service = raw(drops_after(0))
    upstream = weather(at=service.url, **STRICT)
    raised_by(UpstreamFailed, upstream.get, "/")
    assert until(lambda: service.connections == 1)
    assert upstream.service().counts["failures"] == 1


def test_kept_connection_that_takes_nothing_any_more_is_timed_out(raw, weather):
    """It may be the service that stands still: the call is not made anew."""

    def handle(connection):
        connection.recv(65536)
        connection.sendall(ok(b"once"))
        time.sleep(3)

    service = raw(handle)
    upstream = weather(at=service.url, timeout=(1, 0.4), **STRICT)
    assert upstream.get("/").text == "once"
    raised_by(UpstreamTimeout, upstream.put, "/", data=b"x" * 8_000_000)
    assert service.connections == 1
    assert upstream.service().counts["failures"] == 1


def test_call_that_used_no_connection_was_not_dropped(weather, monkeypatch):
    """A proxy whose address is a mistake, say."""
    monkeypatch.setenv("http_proxy", "http://")
    upstream = weather(at="http://weather.example.com", **STRICT)
    assert not raised_by(UpstreamFailed, upstream.get, "/").dropped
