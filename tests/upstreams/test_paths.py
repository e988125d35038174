"""A visitor's value in an address: it stays below base_url, and is no query and no fragment."""

from .outside import raised_by
from collective.wsgifutures import ArgumentRefused

import contextlib
import pytest
import time

pytestmark = pytest.mark.concurrency

#: What some server, proxy or browser reads as a way up, or to another host.
OUT = [
    *("..", ".", "../admin", "a/../../admin", "a/..", "./admin"),
    *("..\\admin", "\\..\\admin", "a\\..\\..\\admin", "\\\\evil.example.com"),
    *(
        "%2e%2e/admin",
        "%2E./admin",
        ".%2e/admin",
        "%2e",
        "..%2fadmin",
        "..%5cadmin",
        "%2e%2e%5cadmin",
    ),
    *("%252e%252e/admin", "..%252fadmin", "%25252e%25252e%25252fadmin", "%%32%65./admin"),
    *("..;/admin", "..;a=b/admin", "%2e%2e;/admin", ".;/admin"),
    *("..\0/admin", "..%00/admin", " ../admin", ".\t./admin", "..\n/admin", ".%09./admin"),
    *(
        "..%c0%af/admin",
        "..%C0%AFadmin",
        "%c0%ae%c0%ae/admin",
        "%e0%80%ae%e0%80%ae/admin",
        "..%c1%9cadmin",
    ),
    *("\uff0e\uff0e/admin", "\u2025/admin", "..\uff0fadmin", "..\uff3cadmin", ".\u200b./admin"),
    *("/evil.example.com", "%2fevil.example.com", "%5cevil.example.com", "\\evil.example.com"),
]


@pytest.mark.parametrize("value", OUT, ids=ascii)
@pytest.mark.parametrize("how", ["in the path", "in its place"])
def test_value_that_leads_out_of_base_url_is_refused(outside, weather, value, how):
    """Where it is submitted, in whatever spelling; what leads nowhere is sent nowhere."""
    upstream = weather(at=f"{outside.url}/api")
    if how == "in the path":
        error = raised_by(ArgumentRefused, upstream.get.submit, f"/{value}")
        assert "path_params=" in str(error)
    else:
        name = {"path_params": {"name": value}}
        raised_by(ArgumentRefused, upstream.get.submit, "/{name}", **name)
    assert outside.asked == []


#: What only looks like that, and how it is sent as a whole segment.
HARMLESS = {
    "...": "...",
    "..a": "..a",
    "a..b": "a..b",
    "v1.2.": "v1.2.",
    ".well-known": ".well-known",
    "a/b": "a%2Fb",
    "a\\b": "a%5Cb",
    "a?b=c&d": "a%3Fb%3Dc%26d",
    "a#b": "a%23b",
    "100%": "100%25",
    "a%2Fb": "a%252Fb",
    "a;b": "a%3Bb",
    "{other}": "%7Bother%7D",
    "https://example.com": "https%3A%2F%2Fexample.com",
    "M\u00fcller & S\u00f6hne": "M%C3%BCller%20%26%20S%C3%B6hne",
    7: "7",
}


@pytest.mark.parametrize(("value", "sent"), HARMLESS.items(), ids=ascii)
def test_value_in_its_place_is_one_segment_and_nothing_else(outside, weather, value, sent):
    """No query, no fragment, no second place of the template."""
    weather(at=f"{outside.url}/api").get("/users/{name}/now", path_params={"name": value})
    assert outside.targets == [f"GET /api/users/{sent}/now"]


def test_places_may_be_several_and_parts_of_a_segment(outside, weather):
    """One name may stand twice."""
    upstream = weather()
    upstream.get("/{a}-{b}/{a}.json", path_params={"a": "x/y", "b": 2}, params={"a": 1})
    assert outside.targets == ["GET /x%2Fy-2/x%2Fy.json?a=1"]


def test_values_are_looked_at_together(weather):
    """Two dots may come from two of them."""
    upstream = weather()
    for values in ({"a": ".", "b": "."}, {"a": ".%2", "b": "e"}, {"a": "..", "b": ";"}):
        raised_by(ArgumentRefused, upstream.get.submit, "/{a}{b}/c", path_params=values)


@pytest.mark.parametrize("value", ["", " ", None, True, 1.5, b"a", ["a"], {"a": 1}], ids=repr)
def test_value_that_is_no_segment_is_refused(weather, value):
    """An empty one makes a DELETE of one thing that of all."""
    error = raised_by(
        ArgumentRefused, weather().delete.submit, "/users/{name}", path_params={"name": value}
    )
    assert error.argument.startswith("path_params")


@pytest.mark.parametrize(
    "values", [{}, {"nmae": "a"}, {"name": "a", "more": "b"}, ["name"]], ids=repr
)
def test_values_that_do_not_fit_their_path_are_refused(weather, values):
    """With the names that are wrong, and no value."""
    error = raised_by(ArgumentRefused, weather().get.submit, "/users/{name}", path_params=values)
    assert error.argument == "path_params"


@pytest.mark.parametrize("path", ["/a?b=c", "/a?", "?a=b", "/users/x?admin=1&role=y"])
def test_question_mark_in_a_path_is_refused_with_the_remedy(weather, path):
    """Nobody can tell whether the developer wrote it or a visitor."""
    error = raised_by(ArgumentRefused, weather().get.submit, path)
    assert error.argument == "path"
    assert "params=" in str(error)
    assert "path_params=" in str(error)


@pytest.mark.parametrize(
    "path", ["a", "http://evil.example.com/", "@evil.example.com", ":80/", ".evil"]
)
def test_path_that_would_go_on_with_the_host_is_refused(weather, path):
    """It begins with a slash, or is empty."""
    raised_by(ArgumentRefused, weather().get.submit, path)


@pytest.mark.parametrize(
    "value", ["%" * 60_000, "%25" * 20_000, "/" * 60_000, "." * 60_000, "\\." * 30_000]
)
def test_long_value_is_looked_at_quickly(weather, value):
    """A visitor may send 60,000 of anything."""
    upstream = weather(at="http://127.0.0.1:9", retries=0)
    began = time.perf_counter()
    with contextlib.suppress(ArgumentRefused):
        upstream.get.submit("/{a}", path_params={"a": value})
    assert time.perf_counter() - began < 1


def test_braces_of_a_path_without_values_are_what_they_are(outside, weather):
    """Nothing is filled in."""
    weather().get("/{name}")
    assert outside.targets == ["GET /%7Bname%7D"]


def test_template_is_a_call_of_its_own_for_each_value(outside, weather):
    """Kept answers too."""
    upstream = weather(cache=60)
    for name in ("a", "b", "a"):
        upstream.get("/{name}", path_params={"name": name})
    assert outside.targets == ["GET /a", "GET /b"]
