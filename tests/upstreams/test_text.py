"""Text on the wire, and the environment, are read as everybody reads them."""

from .outside import raised_by
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures.upstreams.answers import Answer
from collective.wsgifutures.upstreams.answers import Headers

import json
import pytest

pytestmark = pytest.mark.concurrency

# where a redirect leads


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/caf\u00c3\u00a9", "/caf%C3%A9"),  # UTF-8, as it comes off the wire
        ("/caf\u00e9", "/caf%E9"),  # latin-1: nobody knows, so it goes back as it came
        ("/\u00e2\u0082\u00ac?q=\u00c3\u00bc", "/%E2%82%AC?q=%C3%BC"),
        ("/a%20b", "/a%20b"),
        ("/a b", "/a%20b"),
        ("/100%", "/100%25"),
        ("/a#part", "/a"),
        ("?q=1", "/?q=1"),
        ("there", "/there"),
        ("/x/../there", "/there"),
    ],
)
def test_redirect_leads_where_a_browser_goes(outside, weather, location, asked):
    """Whatever its address is written in."""
    moved = (302, {"Location": location}, b"")
    outside.answer = lambda one: (200, {}, b"") if len(outside.asked) > 1 else moved
    weather().get("/")
    assert outside.targets[1] == f"GET {asked}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_redirect_of_what_is_not_a_post_takes_its_body_along(outside, weather, status, method):
    """A PUT without its body would empty what it should write."""
    outside.answer = lambda one: (
        (status, {"Location": "/there"}, b"") if one.target == "/" else (200, {}, b"")
    )
    weather().request(method, "/", json={"a": 1})
    assert outside.targets == [f"{method} /", f"{method} /there"]
    assert outside.asked[1].body == b'{"a":1}'
    assert outside.asked[1].headers["content-type"] == "application/json"


def test_large_body_of_a_redirect_is_not_read(outside, weather):
    """It may be as large as it wants: nobody sees it."""
    outside.answer = lambda one: (
        (302, {"Location": "/there"}, b"x" * 9_000_000) if one.target == "/" else (200, {}, b"ok")
    )
    assert weather(max_size=1000).get("/").text == "ok"


# cookies


def login(outside):
    """Set a cookie at /, send to /a, change it there, send to /b."""
    steps = {
        "/": (302, {"Location": "/a", "Set-Cookie": "one=1; Path=/"}, b""),
        "/a": (303, {"Location": "/b", "Set-Cookie": "two=2; Path=/b"}, b""),
        "/b": (200, {}, b""),
    }
    outside.answer = lambda asked: steps[asked.target]


def test_cookie_of_a_redirect_is_sent_where_it_leads(outside, weather):
    """A login that sets one and looks whether it comes back is no ring."""
    login(outside)
    weather().get("/")
    assert [asked.headers.get("cookie") for asked in outside.asked] == [
        None,
        "one=1",
        "two=2; one=1",
    ]


def test_cookie_of_one_call_is_not_sent_with_another_one(outside, weather):
    """Nor with one that is made on the same connection, for somebody else."""
    login(outside)
    upstream = weather()
    upstream.get("/")
    upstream.get("/b")
    assert "cookie" not in outside.asked[-1].headers


def test_cookies_of_the_view_are_sent_along_and_renewed(outside, weather):
    """On the same host; on another one neither those nor what the first one set."""
    login(outside)
    weather().get("/", headers={"Cookie": "one=0; mine=3"})
    cookies = [asked.headers["cookie"] for asked in outside.asked]
    assert [set(one.split("; ")) for one in cookies] == [
        {"one=0", "mine=3"},
        {"one=1", "mine=3"},
        {"one=1", "mine=3", "two=2"},
    ]
    place = f"http://localhost:{outside.host.rpartition(':')[2]}/b"
    moved = (302, {"Location": place, "Set-Cookie": "one=1"}, b"")
    outside.answer = lambda asked: moved if asked.target == "/" else (200, {}, b"")
    weather().get("/", headers={"Cookie": "mine=3"})
    assert "cookie" not in outside.asked[-1].headers


# proxies of the environment

ASKED = "GET http://weather.example.com/now"


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": "{}"},
        {"HTTP_PROXY": "{}", "http_proxy": "{}"},
        {"all_proxy": "{}"},
        {"ALL_PROXY": "{}"},
        {"http_proxy": "{}", "no_proxy": "example.org,other.weather.example.com"},
        {"http_proxy": "{}", "no_proxy": "weather.example.com:8080"},
        {"http_proxy": "{}", "no_proxy": "10.0.0.0/8"},
        {"http_proxy": "{}", "no_proxy": ""},
    ],
    ids=str,
)
def test_proxy_that_the_environment_names_is_used(outside, weather, monkeypatch, variables):
    """For one scheme or for all."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(outside.url))
    assert weather(at="http://weather.example.com").get("/now").ok
    assert outside.targets == [ASKED]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("proxy", ["http_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "excepted", ["{host}", "{host}:{port}", "127.0.0.0/8,{host}", "*", "x, {host} "]
)
def test_host_that_no_proxy_names_is_asked_itself(
    outside, weather, monkeypatch, host, proxy, excepted
):
    """With its port, as a network, or among others."""
    port = outside.host.rpartition(":")[2]
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", excepted.format(host=host, port=port))
    weather(at=f"http://{host}:{port}").get("/now")
    assert outside.targets == ["GET /now"]


def test_redirect_asks_the_environment_for_its_own_host(outside, weather, monkeypatch):
    """The first host had a proxy; the next one has none, or the other way round."""
    monkeypatch.setenv("http_proxy", outside.url)
    monkeypatch.setenv("no_proxy", outside.host)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    outside.answer = lambda one: (
        (302, {"Location": f"{outside.url}/there"}, b"")
        if "http:" in one.target
        else (200, {}, b"")
    )
    assert weather(at="http://weather.example.com").get("/now").ok
    assert outside.targets == [ASKED, "GET /there"]


@pytest.mark.parametrize("path", ["/there", "http://localhost:{port}/there"])
def test_password_of_a_proxy_goes_to_no_host(outside, weather, monkeypatch, path):
    """The hosts need none; the address of the proxy stands in the environment for all of them."""
    port = outside.host.rpartition(":")[2]
    monkeypatch.setenv("http_proxy", "http://user:s3cret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", f"127.0.0.1:{port},localhost:{port}")
    target = path.format(port=port)
    outside.answer = lambda one: (
        (302, {"Location": target}, b"") if one.target == "/now" else (200, {}, b"")
    )
    assert weather(at=f"http://127.0.0.1:{port}").get("/now").ok
    assert [one.target for one in outside.asked] == ["/now", "/there"]
    assert all("proxy-authorization" not in one.headers for one in outside.asked)


def test_password_of_a_proxy_goes_to_the_proxy_after_a_redirect_too(outside, weather, monkeypatch):
    """It is the pool's, not the request's."""
    monkeypatch.setenv("http_proxy", outside.url.replace("//", "//user:s3cret@"))
    monkeypatch.delenv("no_proxy", raising=False)
    outside.answer = lambda one: (
        (302, {"Location": "http://other.example.com/there"}, b"")
        if "/now" in one.target
        else (200, {}, b"")
    )
    assert weather(at="http://weather.example.com").get("/now").ok
    sent = [one.headers.get("proxy-authorization") for one in outside.asked]
    assert sent == ["Basic dXNlcjpzM2NyZXQ="] * 2


# what a body says


@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252", '"latin-1"', "iso-8859-15"])
def test_json_is_read_in_the_charset_that_it_names(charset):
    """Though JSON should be UTF-8."""
    headers = Headers((("Content-Type", f"application/json; charset={charset}"),))
    assert Answer(200, headers, b'{"a": "caf\xe9"}').json() == {"a": "caf\u00e9"}


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
@pytest.mark.parametrize("charset", ["", "; charset=ISO-8859-1", "; charset=none-such"])
def test_json_in_unicode_is_read_whatever_its_charset_says(coding, charset):
    """That is what the standard has, and many a server's default is wrong."""
    headers = Headers((("Content-Type", f"application/json{charset}"),))
    assert Answer(200, headers, json.dumps({"a": "\u20ac"}).encode(coding)).json() == {
        "a": "\u20ac"
    }


@pytest.mark.parametrize(
    "charset", ["", "; charset=utf-8", "; charset=none-such", "; charset=ascii"]
)
def test_json_that_is_in_no_charset_is_a_value_error(charset):
    """Never guessed: marks in the place of letters would be kept as what was said."""
    headers = Headers((("Content-Type", f"application/json{charset}"),))
    raised_by(ValueError, Answer(200, headers, b'{"a": "caf\xe9"}').json)


@pytest.mark.parametrize(
    "charset", ["idna", "punycode", "undefined", "hex", "rot13", "a\0b", "utf_16_le"]
)
def test_text_in_a_charset_that_cannot_be_is_text_nevertheless(charset):
    """It raises nothing: who shows it can do no more about it."""
    headers = Headers((("Content-Type", f"text/plain; charset={charset}"),))
    assert isinstance(Answer(200, headers, b"xn--\xff\xfe.").text, str)


# what a view says


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"params": {"q": "a\ud800"}}, "params"),
        ({"params": [("\udfff", "b")]}, "params"),
        ({"params": "q=\ud800"}, "params"),
        ({"data": "\ud800"}, "data"),
        ({"data": {"a": "\ud800"}}, "data"),
        ({"path": "/\ud800"}, "path"),
        ({"path": "/{a}", "path_params": {"a": "\udc00"}}, "path_params['a']"),
        ({"headers": {"X-A": "\ud800"}}, "headers['X-A']"),
    ],
)
def test_half_of_a_character_is_refused_with_its_argument(weather, options, named):
    """A lone surrogate: what a browser, or a name of a file, may have given."""
    path = options.pop("path", "/")
    error = raised_by(ArgumentRefused, weather().put.submit, path, **options)
    assert error.argument == named


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/100% cotton", "/100%25%20cotton"),
        ("/a%20b c%", "/a%20b%20c%25"),
        ("/%zz%2F", "/%25zz%2F"),
        ("/\u00e4/\u20ac", "/%C3%A4/%E2%82%AC"),
        ("/a#b", "/a%23b"),
        ("/a;b=1,2", "/a;b=1,2"),
        ("/a[1]|^", "/a%5B1%5D%7C%5E"),
        ("/https://example.com/x", "/https://example.com/x"),
    ],
)
def test_path_is_quoted_once(outside, weather, path, sent):
    """What is quoted already stays so; a lone percent sign is none of that."""
    weather().get(path)
    assert outside.targets == [f"GET {sent}"]


@pytest.mark.parametrize("query", ["page=2&token=a%2Fb", "?page=2&token=a%2Fb"])
def test_query_may_be_passed_as_a_service_gave_it(outside, weather, query):
    """The link to its next page, say."""
    weather().get("/x", params=query)
    assert outside.targets == ["GET /x?page=2&token=a%2Fb"]
