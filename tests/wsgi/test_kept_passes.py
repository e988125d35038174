"""A pass that does what cannot be undone waits in its slot, and is the only one."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import page
from .applications import SECONDS
from collective.wsgifutures import future
from collective.wsgifutures import keep_pass
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.wsgi.settings import Settings

import pytest
import threading

pytestmark = pytest.mark.concurrency


def act():
    keep_pass()
    log.append("acts")


def test_a_request_that_acts_and_then_asks_is_published_once():
    """With what it asked for."""

    def view(environ):
        act()
        return echo("x")

    app = holding(page(view), Settings(debug=True))
    answer = Answer(app, make_environ())
    assert (answer.status, answer.body) == ("200 OK", b"x")
    assert answer.headers["X-Hold-Passes"] == "1"
    assert log == ["pass", "acts", "call x"]


def test_a_request_that_asks_and_then_acts_acts_in_its_last_pass():
    """It is held as ever."""

    def view(environ):
        text = echo("x")
        act()
        return text

    answer = Answer(holding(page(view), Settings()), make_environ())
    assert (answer.body, log) == (b"x", ["pass", "call x", "pass", "acts"])


def test_others_are_published_while_a_pass_waits_inside():
    """It keeps one slot, not all."""
    waits, go_on = threading.Event(), threading.Event()

    @future(key="waits")
    def wait():
        waits.set()
        return go_on.wait(SECONDS)

    def view(environ):
        if environ["PATH_INFO"] == "/acts":
            act()
            return wait()
        return echo("x")

    app = holding(page(view), Settings(slots=2))
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(Answer(app, make_environ(PATH_INFO="/acts")))
    )
    thread.start()
    assert waits.wait(SECONDS)
    assert Answer(app, make_environ(PATH_INFO="/asks")).body == b"x"
    assert answers == []
    go_on.set()
    thread.join()
    assert answers[0].body == b"True"


def test_a_call_of_a_pass_that_waits_inside_sees_no_pass():
    """Whatever runs it."""
    look = future(key="look")(current_pass)

    def view(environ):
        act()
        return look()

    assert Answer(holding(page(view), Settings()), make_environ()).body == b"None"
