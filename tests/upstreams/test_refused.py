"""What is refused here is no failure of the service: it is neither counted nor made again."""

from .outside import raised_by
from collective.wsgifutures import UpstreamError
from collective.wsgifutures import UpstreamRefused

import gzip
import pytest

pytestmark = pytest.mark.concurrency

PACKED = gzip.compress(b"sunny" * 100)


def moved(where):
    return (302, {"Location": where}, b"")


#: What the service says, and what is told.
ANSWERS = {
    "a ring": (moved("/"), "more than 3 redirects"),
    "to a file": (moved("file:///etc/passwd"), "a redirect to something less safe"),
    "to no port": (moved("http://127.0.0.1:0/"), "a redirect to something less safe"),
    "to no host": (moved("https:///a"), "a redirect to something less safe"),
    "to a mistake": (moved("http://[::1/"), "a redirect to something less safe"),
    "br": ((200, {"Content-Encoding": "br"}, b"x"), "neither gzip nor deflate"),
    "zstd, gzip": ((200, {"Content-Encoding": "zstd, gzip"}, PACKED), "neither gzip nor deflate"),
    "no gzip": ((200, {"Content-Encoding": "gzip"}, b"sunny"), "does not unpack"),
    "half a gzip": ((200, {"Content-Encoding": "gzip"}, PACKED[:-9]), "ends too early"),
    "no checksum": ((200, {"Content-Encoding": "gzip"}, PACKED[:-8]), "ends too early"),
    "another checksum": (
        (200, {"Content-Encoding": "gzip"}, PACKED[:-8] + b"\1" * 8),
        "does not unpack",
    ),
    "half a deflate": ((200, {"Content-Encoding": "deflate"}, b"x\x9c\x0b"), "ends too early"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_answer_that_is_refused_says_nothing_of_the_service(outside, weather, what):
    """Twelve of them at once, and it is asked for something else all the same."""
    answer, reason = ANSWERS[what]
    outside.answer = lambda asked: (200, {}, b"fine") if asked.target == "/fine" else answer
    upstream = weather(failure_calls=2, cache=60)
    for number in range(12):
        error = raised_by(UpstreamRefused, upstream.get, f"/{number}")
        assert reason in error.reason
    assert len(outside.asked) == (48 if what == "a ring" else 12)
    assert upstream.get("/fine").text == "fine"
    counts = upstream.service().counts
    assert (counts["failures"], counts["retries"]) == (0, 0)


def test_body_is_taken_to_no_other_host_and_nobody_is_blamed(outside, weather):
    """Nor is it sent again to the first one."""
    outside.says(307, {"Location": f"http://localhost:{outside.host.rpartition(':')[2]}/"})
    upstream = weather(failure_calls=1)
    for _ in range(3):
        raised_by(UpstreamRefused, upstream.put, "/", data=b"x")
    assert len(outside.asked) == 3


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "ftp", "quic"])
def test_proxy_that_is_not_an_http_proxy_is_refused(weather, monkeypatch, scheme):
    """The service has nothing to do with it."""
    monkeypatch.setenv("http_proxy", f"{scheme}://127.0.0.1:9")
    upstream = weather(at="http://weather.example.com", failure_calls=1)
    for _ in range(3):
        error = raised_by(UpstreamRefused, upstream.get, "/")
        assert error.host == "weather.example.com"


def test_service_is_blamed_for_its_own_failures_only(outside, weather):
    """Half of the calls fail, and a hundred are refused: the share is that of what it answered."""
    outside.answer = lambda asked: moved("file:///x") if asked.target == "/r" else (500, {}, b"")
    upstream = weather(retries=0, failure_calls=3)
    errors = [raised_by(UpstreamError, upstream.get, "/r") for _ in range(5)]
    assert {type(one) for one in errors} == {UpstreamRefused}
    assert upstream.get("/").status == 500
    assert upstream.service().counts["failures"] == 1
