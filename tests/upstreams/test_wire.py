"""Bytes as no well-kept service sends them: none of them gets into another call's answer."""

from .outside import ok
from .outside import raised_by
from .outside import requests_on
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures import UpstreamTooLarge

import pytest
import socket
import time
import tracemalloc
import zlib

pytestmark = pytest.mark.concurrency

LARGE = 8_000_000  # more than what two sockets keep


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Wait", b"103 Early Hints", b"199 x"])
def test_answer_after_interim_ones_is_that_of_its_own_call(raw, weather, interim):
    """The connection is used again, and nothing of one call is left there for the next."""

    def handle(connection):
        for path in requests_on(connection):
            for _ in range(2):
                connection.sendall(b"HTTP/1.1 %s\r\nLink: </a>\r\n\r\n" % interim)
                time.sleep(0.05)
            connection.sendall(ok(path.encode()))

    service = raw(handle)
    upstream = weather(at=service.url)
    assert [upstream.get(path).text for path in ("/1", "/2", "/3")] == ["/1", "/2", "/3"]
    assert service.connections == 1


def test_change_of_protocol_is_refused(raw, weather):
    """Nobody asked for one, and what follows is no HTTP."""
    service = raw(lambda connection: (connection.recv(9999), connection.sendall(SWITCH)))
    error = raised_by(UpstreamFailed, weather(at=service.url, retries=0).get, "/")
    assert "BadStatusLine" in error.reason


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"

#: What has no body, whatever its headers say.
WITHOUT = {
    "/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "/204": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n",
    "/large": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
}


@pytest.mark.parametrize("path", WITHOUT)
def test_answer_without_a_body_is_not_waited_for(raw, weather, path):
    """Nor taken for too large; the connection is used again."""

    def handle(connection):
        for asked in requests_on(connection):
            connection.sendall(WITHOUT.get(asked) or ok(b"next"))

    service = raw(handle)
    upstream = weather(at=service.url, retries=0)
    answer = upstream.request("GET" if path[1:].isdecimal() else "HEAD", path)
    assert (answer.body, upstream.get("/").text, service.connections) == (b"", "next", 1)


def test_cookie_of_an_answer_is_not_sent_with_the_next_call(outside, weather):
    """That may be of another user; only where a redirect leads it is sent, in the same call."""
    outside.answer = lambda asked: (
        302 if asked.target == "/" else 200,
        {"Set-Cookie": "session=s3cret", "Location": "/there"},
        b"",
    )
    upstream = weather()
    for _ in range(2):
        assert upstream.get("/").headers["set-cookie"] == "session=s3cret"
    assert outside.targets == ["GET /", "GET /there"] * 2
    cookies = [asked.headers.get("cookie") for asked in outside.asked]
    assert cookies == [None, "session=s3cret"] * 2


@pytest.mark.parametrize("times", [1, 2, 3])
def test_bomb_of_gzip_is_refused_before_it_is_unpacked(outside, weather, times):
    """A hundred thousand times as much: it takes no memory."""
    body = b"x" * 50_000_000
    for _ in range(times):
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        body = packer.compress(body) + packer.flush()
    outside.says(headers={"Content-Encoding": ", ".join(["gzip"] * times)}, body=body)
    tracemalloc.start()
    raised_by(UpstreamTooLarge, weather(max_size=1_000_000).get, "/")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


# what is sent


def take(connection, seconds):
    """Take a body in parts and slowly, and answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    left = LARGE
    while left > 0 and (part := connection.recv(65536)):
        left -= len(part)
        time.sleep(seconds)
    connection.sendall(ok(b"taken"))


def test_large_body_may_take_longer_than_a_connection(raw, weather):
    """As long as some of it is taken all the time; and its answer is waited for."""
    upstream = weather(at=raw(lambda connection: take(connection, 0.005)).url, timeout=(0.2, 1))
    assert upstream.post("/", data=b"x" * LARGE).text == "taken"


def test_body_that_nobody_takes_is_timed_out(raw, weather):
    """After the time in which nothing happened, which counts against the upstream."""
    service = raw(lambda connection: time.sleep(3))
    upstream = weather(at=service.url, timeout=(0.2, 0.5), retries=0, failure_calls=1)
    began = time.monotonic()
    error = raised_by(UpstreamTimeout, upstream.post, "/", data=b"x" * LARGE)
    assert (error.what, error.timeout) == ("read", 0.5)
    assert time.monotonic() - began < 1.5
    raised_by(UpstreamBusy, upstream.get, "/")


def test_body_that_is_taken_slowly_ends_with_the_calls_time(raw, weather):
    """However much of it is still to be sent."""
    upstream = weather(at=raw(lambda connection: take(connection, 0.1)).url, total=0.8, retries=0)
    began = time.monotonic()
    error = raised_by(UpstreamTimeout, upstream.post, "/", data=b"x" * LARGE)
    assert (error.what, error.timeout) == ("total", 0.8)
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("proxy", [False, True], ids=["TLS", "a proxy"])
def test_connection_on_which_nothing_is_said_is_timed_out(raw, weather, monkeypatch, proxy):
    """TLS and a proxy's tunnel are part of connecting; a dead one opens the breaker."""
    service = raw(lambda connection: time.sleep(3))
    if proxy:
        monkeypatch.setenv("https_proxy", service.url)
    at = "https://example.com" if proxy else service.url.replace("http:", "https:")
    upstream = weather(at=at, timeout=(0.3, 10), total=9, retries=0, failure_calls=2)
    began = time.monotonic()
    errors = [raised_by(UpstreamTimeout, upstream.get, "/") for _ in range(2)]
    assert [(error.what, error.timeout) for error in errors] == [("connect", 0.3)] * 2
    assert time.monotonic() - began < 1.5
    raised_by(UpstreamBusy, upstream.get, "/")
