"""``Server-Timing``: what it says, to whom, and that no shared cache keeps it."""

from .applications import Answer
from .applications import holding
from .applications import make_environ
from collective.wsgifutures import compat
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.timing import server_timing
from collective.wsgifutures.wsgi.timing import tell

import pytest
import re


@future(key="shop.price")
def price(of):
    return f"{of}: 3"


def get(view, cache_control=None, tells=True):
    """Return what the client gets whose passes may tell their times, or may not."""

    def app(environ, start_response):
        text = view()
        current_pass().hold.tells_times = tells
        headers = [("Content-Type", "text/plain")]
        if cache_control is not None:
            headers.append(("Cache-Control", cache_control))
        start_response("200 OK", headers)
        return [str(text).encode()]

    return Answer(holding(app, Settings()), make_environ())


def test_a_held_response_tells_its_passes_its_waiting_and_each_future():
    """In the form that developer tools draw; without arguments."""
    answer = get(lambda: gather(price.submit("secret"), price.submit("other")))
    times = re.sub(r"dur=\d+\.\d", "dur=#", answer.headers["Server-Timing"])
    one = 'shop.price;dur=#;desc="shop.price"'
    assert times == (f'passes;desc="2 passes", waiting;dur=#;desc="waiting, in all", {one}, {one}')


@pytest.mark.parametrize("tells", [True, False])
def test_a_response_that_was_not_held_tells_nothing(tells):
    """There is nothing to tell, and its headers are its own."""
    answer = get(lambda: "page", "public, max-age=60", tells)
    assert answer.headers == {"Content-Type": "text/plain", "Cache-Control": "public, max-age=60"}


def test_a_held_response_whose_last_pass_may_not_tell_has_no_such_header():
    """And may be cached as it says."""
    answer = get(lambda: price("x"), "public, max-age=60", tells=False)
    assert answer.headers == {"Content-Type": "text/plain", "Cache-Control": "public, max-age=60"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "private"),
        ("public, max-age=60, s-maxage=600", "private, max-age=60"),
        ("no-store", "private, no-store"),
        ("Private, S-MaxAge = 5, must-revalidate", "private, must-revalidate"),
    ],
)
def test_a_response_that_tells_is_kept_by_no_shared_cache(before, after):
    """What plone.caching wrote for everybody is for one now."""
    answer = get(lambda: price("x"), before)
    assert answer.headers["Cache-Control"] == after


def test_two_headers_of_one_name_become_one():
    """A cache that reads the first alone must not find public."""
    hold = Hold(0.0)
    hold.passes, hold.tells_times = 2, True
    headers = [("Cache-Control", "public"), ("cache-control", "max-age=5")]
    tell(headers, hold)
    assert dict(headers)["Cache-Control"] == "private, max-age=5"
    assert len(headers) == 2


def test_names_are_tokens_and_descriptions_are_quoted_whatever_they_contain():
    """Nothing that ends the header, or begins another."""
    hold = Hold(0.0)
    hold.times = [('a"b\\c\r\nSet-Cookie: x=y;é', 0.0123), ("x" * 500, 1.0), ("", 1.0)]
    _, _, odd, long, empty = re.split(r", (?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", server_timing(hold))
    assert odd == 'a_b_c__Set-Cookie__x_y__;dur=12.3;desc="a_b_c__Set-Cookie: x=y;_"'
    assert long == f'{"x" * 80};dur=1000.0;desc="{"x" * 80}"'
    assert empty == '_;dur=1000.0;desc=""'


def test_more_futures_than_anybody_reads_are_counted():
    """A header has its limits in every server on its way."""
    hold = Hold(0.0)
    hold.times = [("a" * 80, 55.0)] * 1000
    value = server_timing(hold)
    assert (value.count("dur="), value.count("more;")) == (21, 1)
    assert value.endswith(', more;desc="and 980 more"')
    assert len(value) < 4096


def test_a_key_of_the_ancestor_is_not_told_as_it_may_contain_arguments():
    """Its function's name is."""
    answer = get(lambda: compat.resultOrSubmit("https://x/?token=1", "-", work, "secret"))
    told = answer.headers["Server-Timing"]
    assert f"{__name__}.work;dur=" in told
    assert "token" not in told


def work(text):
    return text
