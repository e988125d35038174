"""A WSGI application in a hold, without a server."""

from collective.wsgifutures import future
from collective.wsgifutures.testing import UnexpectedCall
from wsgiref.util import setup_testing_defaults

import io
import math
import pytest

pytestmark = pytest.mark.concurrency

pytest_plugins = ["collective.wsgifutures.testing.fixtures"]


@future(key="shop.price", timeout=10)
def price(item):
    raise RuntimeError("a test must not call the shop")


def application(environ, start_response):
    text = f"{environ['wsgi.input'].read().decode()}: {price('tea')}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def ask(held):
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b"tea")}
    setup_testing_defaults(environ)
    told = []
    body = held(environ, lambda status, headers, exc_info=None: told.append(status))
    return told, b"".join(body).decode()


def test_an_application_is_held(futures):
    """Each pass reads the body from its start."""
    futures.settle(price, "tea", value=250, after=2)
    assert ask(futures.hold(application)) == (["200 OK"], "tea: 250")
    assert (futures.passes, futures.waits, futures.waited) == (2, [["shop.price"]], 2)


def test_an_application_that_waits_for_too_long_is_504(futures):
    """As a server answers."""
    futures.settle(price, "tea", after=math.inf)
    status, text = ask(futures.hold(application))
    assert (status, text[:9]) == (["504 Gateway Timeout"], "A service")


def test_limits_are_those_that_the_test_says_when_it_asks(futures):
    """Also where the application was wrapped before."""
    held = futures.hold(application)
    futures.deadline = 4
    futures.settle(price, ..., after=math.inf)
    assert ask(held)[0] == ["504 Gateway Timeout"]
    assert futures.waited == 4


def test_an_unexpected_call_gets_through_to_the_test(futures):
    """No error page is made of it."""
    with pytest.raises(UnexpectedCall):
        ask(futures.hold(application))
    futures.unexpected.clear()
