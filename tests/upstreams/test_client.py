"""Calls over real sockets: what is sent, what comes back, and what never gets through."""

from .outside import hostile
from .outside import raised_by
from .outside import side_by_side
from collective.wsgifutures import Answer
from collective.wsgifutures import future
from collective.wsgifutures import FutureCancelled
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamRefused
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures import UpstreamTooLarge
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest

import gzip
import pytest
import socket
import time

pytestmark = pytest.mark.concurrency

# what is sent


def test_get_sends_path_parameters_and_headers(outside, weather):
    """Those of the declaration and those of the call, which wins."""
    upstream = weather(at=f"{outside.url}/api", headers={"X-Key": "a", "X-Other": "b"})
    upstream.get(
        "/v1/now", params={"city": "Oulu", "n": [1, 2], "no": None}, headers={"x-key": "c"}
    )
    asked = outside.asked[0]
    assert outside.targets == ["GET /api/v1/now?city=Oulu&n=1&n=2"]
    assert (asked.headers["x-key"], asked.headers["x-other"]) == ("c", "b")
    assert asked.headers["user-agent"] == "collective.wsgifutures"
    assert asked.headers["host"] == outside.host


@pytest.mark.parametrize(
    ("given", "kind", "sent"),
    [
        ({"json": {"a": [1, None, "ä"]}}, "application/json", b'{"a":[1,null,"\\u00e4"]}'),
        ({"data": {"a": "1 2"}}, "application/x-www-form-urlencoded", b"a=1+2"),
        ({"data": b"\0\1"}, None, b"\0\1"),
        ({"data": "ä"}, "text/plain; charset=utf-8", "ä".encode()),
        ({}, None, b""),
    ],
)
def test_post_sends_a_body_and_says_what_it_is(outside, weather, given, kind, sent):
    """JSON, a form, bytes, text, or nothing."""
    weather().post("/", **given)
    assert outside.asked[0].body == sent
    assert outside.asked[0].headers.get("content-type") == kind


@pytest.mark.parametrize("method", ["get", "head", "delete", "post", "put", "patch"])
def test_each_method_is_a_future(outside, weather, method):
    """It suspends the pass, and its answer is there in the next one."""
    upstream = weather()
    request = HeldRequest(lambda: getattr(upstream, method)("/a").status)
    assert (request.run(), request.passes) == (200, 2)
    assert outside.targets == [f"{method.upper()} /a"]


def test_request_takes_any_method(outside, weather):
    """As a word, in any case."""
    assert weather().request("delete", "/a").ok
    assert outside.targets == ["DELETE /a"]


def test_path_with_strange_characters_is_quoted(outside, weather):
    """No line break gets into the connection."""
    weather().get("/evil.example.com/a b\r\nX: y", params="q=ä b")
    assert outside.targets == ["GET /evil.example.com/a%20b%0D%0AX:%20y?q=%C3%A4%20b"]


# as futures


def test_gathered_calls_take_two_passes_and_run_once_each(outside, weather):
    """One wait for all of them."""
    upstream = weather()

    def view():
        calls = [upstream.get.submit("/", params={"n": n}) for n in range(3)]
        return [answer.status for answer in gather(*calls)]

    request = HeldRequest(view)
    assert (request.run(), request.passes) == ([200, 200, 200], 2)
    assert sorted(outside.targets) == ["GET /?n=0", "GET /?n=1", "GET /?n=2"]


def test_held_arguments_are_answers(outside, weather):
    """As with any future."""
    upstream = weather()

    class View:
        @held(weather=lambda self: upstream.get.submit("/now"))
        def render(self, weather):
            return weather.text

    assert HeldRequest(lambda: View().render()).run() == "sunny"


def test_answer_is_the_very_same_object_in_each_pass(weather):
    """It cannot change, so nothing is copied."""
    upstream = weather()
    seen = []

    def view():
        seen.append(upstream.get.submit("/").result())
        upstream.get.submit("/other").result()
        return "done"

    request = HeldRequest(view)
    assert (request.run(), request.passes) == ("done", 3)
    assert seen[0] is seen[1]


def test_call_inside_another_future_is_made_in_place(outside, weather):
    """And gives plain data that the future may return."""
    upstream = weather()

    @future(key="summary")
    def summary():
        return upstream.get("/")

    request = HeldRequest(lambda: summary().text)
    assert (request.run(), request.passes) == ("sunny", 2)
    assert len(outside.asked) == 1


def test_two_upstreams_of_one_name_are_two_calls(outside, weather):
    """What is asked for tells them apart, not what they are called."""
    one, other = weather(headers={"X-Which": "1"}), weather(headers={"X-Which": "2"})
    HeldRequest(lambda: gather(one.get.submit("/"), other.get.submit("/"))).run()
    assert sorted(asked.headers["x-which"] for asked in outside.asked) == ["1", "2"]


def test_cancelled_call_is_never_made(outside, weather):
    """It starts after the pass."""
    upstream = weather()

    def view():
        call = upstream.get.submit("/")
        call.cancel()
        with pytest.raises(FutureCancelled):
            call.result()
        return "without"

    assert HeldRequest(view).run() == "without"
    assert outside.asked == []


# connections


def test_connection_is_used_again(outside, weather):
    """One for calls that come one after the other."""
    upstream = weather()
    for _ in range(5):
        upstream.get("/")
    assert (len(outside.asked), outside.connections) == (5, 1)


def test_connection_that_was_closed_meanwhile_is_not_used(outside, weather):
    """Found out before anything is sent: a POST would not be made again."""
    upstream = weather(retries=0)
    outside.says(headers={"Connection": "close"})
    for _ in range(3):
        assert upstream.post("/").ok
        time.sleep(0.05)
    assert outside.connections == 3


def test_many_calls_at_once_are_made_side_by_side(outside, weather):
    """Each on a connection of its own."""
    upstream = weather()
    outside.says(after=0.3)
    began = time.monotonic()
    assert [one.status for one in side_by_side(lambda: upstream.get("/"), 20)] == [200] * 20
    assert time.monotonic() - began < 2
    assert outside.connections == 20


# what comes back


def test_answer_is_unpacked(outside, weather):
    """Only what was asked for is packed; who packs nevertheless is understood."""
    outside.says(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"sun" * 1000))
    assert weather().get("/").body == b"sun" * 1000


def test_answer_of_any_status_is_an_answer(outside, weather):
    """Errors are the view's to judge."""
    outside.says(404, body=b"none")
    answer = weather().get("/")
    assert (answer.status, answer.ok, answer.text) == (404, False, "none")
    assert isinstance(answer, Answer)


@pytest.mark.parametrize("how", ["by its length", "unpacked", "as it comes"])
def test_answer_that_is_too_large_is_refused(outside, weather, how):
    """Before it is read where it says so; unpacked it counts too."""
    body = b"x" * 300_000
    if how == "unpacked":
        outside.says(headers={"Content-Encoding": "gzip"}, body=gzip.compress(body * 100))
    else:
        outside.says(body=body)
    upstream = weather(max_size=200_000)
    error = raised_by(UpstreamTooLarge, upstream.get, "/")
    assert (error.max_size, error.host) == (200_000, outside.host)
    outside.says()
    assert upstream.get("/").text == "sunny"  # on a connection of its own


# redirects


def to(place, status=302):
    return lambda asked: (
        (status, {"Location": place}, b"") if asked.target == "/" else (200, {}, b"there")
    )


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_redirect_is_followed_as_http_has_it(outside, weather, status, method, then):
    """With the body where the method stays."""
    outside.answer = to("/there", status)
    body = {"data": b"x"} if method in ("POST", "PUT") else {}
    weather().request(method, "/", **body)
    assert outside.targets == [f"{method} /", f"{then} /there"]
    assert outside.asked[1].body == (b"x" if then in ("POST", "PUT") else b"")


def test_redirects_have_an_end(outside, weather):
    """A ring is refused."""
    outside.says(302, {"Location": "/"}, b"")
    error = raised_by(UpstreamRefused, weather(max_redirects=2, retries=0).get, "/")
    assert error.reason == "more than 2 redirects"
    assert len(outside.asked) == 3


def test_redirect_to_another_host_takes_no_secret_along(outside, weather):
    """Whatever the header is called; and no body goes there."""
    outside.answer = to(f"http://localhost:{outside.host.rpartition(':')[2]}/there")
    upstream = weather(headers={"X-Api-Key": "s3cret", "Accept": "text/plain"})
    upstream.get("/", headers={"Authorization": "s3cret", "Cookie": "s3cret"})
    assert outside.targets == ["GET /", "GET /there"]
    assert "s3cret" not in str(outside.asked[1])
    assert outside.asked[1].headers["accept"] == "text/plain"
    outside.answer = to(f"http://localhost:{outside.host.rpartition(':')[2]}/there", 307)
    with pytest.raises(UpstreamRefused):
        upstream.post("/", data=b"s3cret")


@pytest.mark.parametrize("place", ["file:///etc/passwd", "http://[s3cret", "a:b"])
def test_redirect_to_something_else_than_a_host_is_refused(outside, weather, place):
    """Whatever it is, and without telling it."""
    outside.answer = to(place)
    error = raised_by(UpstreamRefused, weather(retries=0).get, "/")
    assert error.reason == "a redirect to something less safe"
    assert len(outside.asked) == 1


# proxies


def test_proxy_of_the_environment_is_used(outside, weather, monkeypatch):
    """With its password; and not for who is on the list."""
    monkeypatch.setenv("http_proxy", f"user:p%61ss@{outside.host}")
    upstream = weather(at="http://weather.example.com/api")
    assert upstream.get("/now").text == "sunny"
    assert outside.targets == ["GET http://weather.example.com/api/now"]
    assert outside.asked[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weather().get("/")
    assert outside.targets[1:] == ["GET /"]


def test_proxy_of_another_kind_is_refused(weather, monkeypatch):
    """Without its address, which may have a password."""
    monkeypatch.setenv("http_proxy", "socks5://user:s3cret@127.0.0.1:9")
    error = raised_by(UpstreamRefused, weather(at="http://weather.example.com", retries=0).get)
    assert error.reason == "its proxy is not an HTTP proxy"
    assert "s3cret" not in repr(error)


# what does not get through


@pytest.fixture(scope="module")
def bad():
    service = hostile["Hostile"]()
    yield service
    service.stop()


WELL = ("/well",)
TIMELESS = ("stalls", "silent", "trickles", "trickles-headers", "endless", "endless-continue")
MODES = {
    **{mode: UpstreamFailed for mode in hostile["_BROKEN"] if mode not in WELL},
    **dict.fromkeys(("/resets", "/endless-headers"), UpstreamFailed),
    "/garbage-gzip": UpstreamRefused,
    "/endless-at-once": UpstreamTooLarge,
    **{f"/{mode}": UpstreamTimeout for mode in TIMELESS},
}


@pytest.mark.parametrize(("mode", "error"), MODES.items(), ids=MODES)
@pytest.mark.parametrize("how", ["held", "in place"])
def test_hostile_upstream_is_an_error_in_time(bad, mode, error, how):
    """In place too, where nobody could stop the call from outside."""
    upstream = Upstream(
        "bad", bad.url("")[:-1], timeout=(1, 0.3), total=0.6, retries=0, max_size=10_000_000
    )
    call = upstream.get if how == "in place" else HeldRequest(lambda: upstream.get(mode)).run
    began = time.monotonic()
    with pytest.raises(error) as raised:
        call(mode) if how == "in place" else call()
    assert time.monotonic() - began < 1.5
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


def test_connection_with_the_rest_of_an_answer_is_closed(bad):
    """The next call would read what is not its own."""
    upstream = Upstream("bad", bad.url("")[:-1], max_size=1000)
    bad.left.clear()
    with pytest.raises(UpstreamTooLarge):
        upstream.get("/trickles")
    assert bad.is_left("trickles", 1)


def test_host_that_is_not_there_is_refused(weather):
    """The words are those of the system."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    upstream = weather(at=f"http://127.0.0.1:{port}", retries=0)
    error = raised_by(UpstreamFailed, upstream.get)
    assert error.reason == "Connection refused"


def test_host_that_does_not_accept_is_timed_out(weather):
    """After the limit for connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fill = [socket.socket() for _ in range(3)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(address)
        upstream = weather(at=f"http://127.0.0.1:{address[1]}", timeout=(0.2, 9), retries=0)
        began = time.monotonic()
        error = raised_by(UpstreamTimeout, upstream.get, "/")
        assert (error.what, error.timeout) == ("connect", 0.2)
        assert time.monotonic() - began < 1
        for one in fill:
            one.close()


def test_deadline_of_the_hold_is_the_calls_too(outside, weather):
    """Its own error is there before the deadline is, so the view still has its last pass."""
    outside.says(after=2)
    upstream = weather(timeout=(1, 5), total=5)
    request = HeldRequest(lambda: upstream.get("/"), deadline=0.5)
    assert request.publish() is HELD
    began = time.monotonic()
    request.executor.run_all()
    assert 0.3 < time.monotonic() - began < 1
    request.advance(0)
    with pytest.raises(UpstreamTimeout):
        request.publish()


def test_certificates_that_cannot_be_read_are_an_error_of_the_upstream(weather, tmp_path):
    """The view that catches UpstreamError renders; nobody blames the service."""
    for file, reason in (("none.pem", "No such file"), ("", "ca_file or a proxy")):
        upstream = weather(ca_file=str(tmp_path / file), retries=0, failure_calls=1)
        for _ in range(2):
            assert reason in raised_by(UpstreamRefused, upstream.get, "/").reason
