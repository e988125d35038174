"""Answers that are read as they come: in time, within the limits, and closed at their end."""

from .outside import requests_on
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import FuturesError
from collective.wsgifutures import StreamEvent
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamRefused
from collective.wsgifutures import UpstreamStatus
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures import UpstreamTooLarge
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import Pass
from collective.wsgifutures.kernel.passes import publish
from collective.wsgifutures.upstreams.streaming import _read_events
from collective.wsgifutures.upstreams.streaming import _split

import contextvars
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TO_ITS_END = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def saying(head, *parts, pause=0.0, whole=True):
    """Return what sends *head* and each of *parts*, with pauses between."""

    def handle(connection):
        for _ in requests_on(connection):
            connection.sendall(head)
            for part in parts:
                connection.sendall(chunk(part) if head is CHUNKED else part)
                time.sleep(pause)
            if head is CHUNKED and whole:
                connection.sendall(b"0\r\n\r\n")
            if head is TO_ITS_END or not whole:
                return

    return handle


def read(upstream, how="bytes", **options):
    with upstream.stream("GET", "/", **options) as answer:
        return list(getattr(answer, how)())


@pytest.mark.parametrize("head", [CHUNKED, TO_ITS_END, WITH_LENGTH])
def test_bytes_come_as_they_are_sent(raw, weather, head):
    """Not when a part of some size is full."""
    upstream = weather(at=raw(saying(head, b"one", b"two", pause=0.5)).url)
    came = []
    with upstream.stream("GET", "/") as answer:
        began = time.monotonic()
        for part in answer.bytes():
            came.append((part, time.monotonic() - began > 0.25))
    assert came == [(b"one", False), (b"two", True)]
    assert upstream.service().bulkhead.taken == 0


def test_connection_of_an_answer_that_was_read_is_used_again(raw, weather):
    """As with any other call."""
    service = raw(saying(CHUNKED, b"one"))
    upstream = weather(at=service.url)
    assert [read(upstream) for _ in range(3)] == [[b"one"]] * 3
    assert service.connections == 1


def test_answer_that_is_left_closes_its_connection(raw, weather):
    """Nobody wants the rest."""
    left = threading.Event()

    def handle(connection):
        connection.recv(9999)
        connection.sendall(CHUNKED + chunk(b"one"))
        try:
            while connection.recv(9999):
                pass
        except OSError:
            pass
        left.set()

    upstream = weather(at=raw(handle).url)
    with upstream.stream("GET", "/") as answer:
        parts = answer.bytes()
        assert next(parts) == b"one"
        assert not left.is_set()
    assert left.wait(2)
    assert upstream.service().bulkhead.taken == 0


def test_what_is_asked_is_sent_with_the_headers_of_the_upstream(outside, weather):
    """And the answer is not packed."""
    upstream = weather(headers={"Authorization": "s3cret"})
    with upstream.stream(
        "post", "/v1/{id}", path_params={"id": "a/b"}, json={"q": 1}, params={"n": 2}
    ) as answer:
        assert (answer.status, b"".join(answer.bytes())) == (200, b"sunny")
    (asked,) = outside.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/v1/a%2Fb?n=2", b'{"q":1}')
    assert asked.headers["authorization"] == "s3cret"
    assert asked.headers["accept-encoding"] == "identity"


def test_answer_that_is_packed_all_the_same_is_refused(outside, weather):
    """It cannot be read as it comes."""
    outside.says(headers={"Content-Encoding": "gzip"})
    with pytest.raises(UpstreamRefused, match="packed"):
        read(weather())


def test_status_of_an_error_can_be_asked_for(outside, weather):
    """Before the body is read."""
    outside.says(status=404)
    with weather().stream("GET", "/") as answer, pytest.raises(UpstreamStatus):
        answer.raise_for_status()


@pytest.mark.parametrize("head", [CHUNKED, WITH_LENGTH])
def test_answer_that_breaks_off_is_a_failure_of_the_service(raw, weather, head):
    """What has come was given; then there is an error, without the address."""
    upstream = weather(at=raw(saying(head, b"one", whole=False)).url)
    got = []
    asked = upstream.stream("GET", "/", params={"key": "s3cret"})
    with asked as answer, pytest.raises(UpstreamFailed) as caught:
        got.extend(answer.bytes())
    assert got == [b"one"]
    assert "s3cret" not in repr(caught.value.__context__) + str(caught.value)
    assert upstream.service().counts["failures"] == 1


def test_silence_in_an_answer_ends_it(raw, weather):
    """At the upstream's limit for that."""
    upstream = weather(at=raw(saying(CHUNKED, b"one", pause=3)).url, timeout=0.3)
    with pytest.raises(UpstreamTimeout) as caught:
        read(upstream)
    assert (caught.value.what, caught.value.timeout) == ("read", 0.3)


@pytest.mark.parametrize("options", [{"total": 0.5}, {}])
def test_answer_that_goes_on_ends_at_its_limit(raw, weather, options):
    """That of the call, or the upstream's."""
    service = raw(saying(CHUNKED, *[b"one"] * 50, pause=0.1))
    upstream = weather(at=service.url, **({} if options else {"total": 0.5}))
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout) as caught:
        read(upstream, **options)
    assert (caught.value.what, time.monotonic() - began < 1.5) == ("total", True)


def test_answer_that_is_too_large_ends(raw, weather):
    """At the limit for whole answers."""
    upstream = weather(at=raw(saying(CHUNKED, *[b"x" * 600] * 5)).url, max_size=1000)
    with pytest.raises(UpstreamTooLarge):
        read(upstream)


def test_answer_keeps_a_place_until_its_end(raw, weather):
    """The next call is refused meanwhile."""
    upstream = weather(at=raw(saying(CHUNKED, b"one")).url, max_calls=1, max_queue=0)
    with upstream.stream("GET", "/"), pytest.raises(UpstreamBusy):
        read(upstream)
    assert read(upstream) == [b"one"]


def test_service_that_fails_is_not_asked_any_more(outside, weather):
    """The breaker counts streams as other calls."""
    outside.says(status=500)
    upstream = weather(failure_calls=2)
    for _ in range(2):
        read(upstream)
    with pytest.raises(UpstreamBusy):
        read(upstream)
    assert len(outside.asked) == 2


def test_answers_that_break_off_open_the_breaker(raw, weather):
    """Though they began well."""
    upstream = weather(at=raw(saying(CHUNKED, b"one", whole=False)).url, failure_calls=3)
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            read(upstream)
    with pytest.raises(UpstreamBusy):
        read(upstream)


def test_stream_in_a_pass_is_refused(weather):
    """It would wait with the slot."""
    this = Pass(Hold(0.0), 0.0)
    with pytest.raises(FuturesError, match="function with @stream"):
        publish(
            this,
            lambda: bool(weather().stream("GET", "/")),
            lambda: 0.0,
            contextvars.copy_context(),
        )


def test_argument_that_cannot_be_sent_is_refused(weather):
    """With its name."""
    with pytest.raises(ArgumentRefused, match=r"weather\.stream cannot take path"):
        weather().stream("GET", "/../x")


def test_events_of_a_service_are_read(raw, weather):
    """As a language model sends them."""
    parts = [b'data: {"w":', b'"a"}\n\nid: 7\nevent: e', b"nd\ndata: [DONE]\n\n"]
    upstream = weather(at=raw(saying(CHUNKED, *parts)).url)
    assert read(upstream, "events") == [
        StreamEvent('{"w":"a"}'),
        StreamEvent("[DONE]", event="end", id="7"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_lines_are_split_where_ever_they_are_cut(size):
    """Also within a character or the end of a line."""
    text = "\ufeffä\r\nb\rc\n\nd".encode()
    parts = [text[n : n + size] for n in range(0, len(text), size)]
    assert list(_split(parts)) == ["ä", "b", "c", "", "d"]


def test_events_are_read_as_the_standard_says():
    """Comments, spaces, several lines of data, an event without an end."""
    lines = [": x", "data:a", "data:  b", "retry: 1500", "", "event: e", "", "data", "", "data: z"]
    assert list(_read_events(lines)) == [StreamEvent("a\n b", retry=1.5), StreamEvent("")]
