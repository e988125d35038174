"""A request whose client goes or whose worker stops is freed wherever it stands."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import page
from .applications import SECONDS
from collective.wsgifutures import future
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import keep_pass
from collective.wsgifutures.wsgi.settings import Settings

import gevent
import logging
import pytest
import socket

pytestmark = pytest.mark.concurrency


@future(key="sleep")
def sleep():
    log.append("sleeps")
    try:
        gevent.sleep(SECONDS)
    finally:
        log.append("ended")


@pytest.fixture
def connection():
    """A client and the server's end of its connection."""
    client, server = socket.socketpair()
    yield client, server
    client.close()
    server.close()


class Asked:
    """A request that is under way."""

    def __init__(self, app, **environ):
        self.app = app
        environ = make_environ(**environ)
        self._greenlet = gevent.spawn(lambda: Answer(app, environ))
        gevent.sleep(0.05)

    def status(self):
        """Wait for the answer and return its status."""
        return self._greenlet.get(timeout=SECONDS / 2).status


def test_client_that_goes_while_held_ends_its_call_and_is_published_no_more(connection):
    """What it kept is free at once."""
    client, server = connection
    app = holding(page(lambda environ: sleep()), Settings())
    asked = Asked(app, **{"gunicorn.socket": server})
    assert (log, app.worker.held.count) == (["pass", "sleeps"], 1)
    client.close()
    assert asked.status() == "499 Client Closed Request"
    gevent.sleep(0)
    assert (log, app.worker.held.count) == (["pass", "sleeps", "ended"], 0)


def test_client_that_goes_while_a_pass_waits_inside_lets_it_go_on_to_its_end(connection):
    """It has done what cannot be undone; its call is ended, and its slot is free."""

    def view(environ):
        keep_pass()
        with pytest.raises(HoldExpired):
            sleep()
        log.append("goes on")
        return "text"

    client, server = connection
    app = holding(page(view), Settings())
    asked = Asked(app, **{"gunicorn.socket": server})
    assert (log, app.worker.gate.taken) == (["pass", "sleeps"], 1)
    client.close()
    assert asked.status() == "499 Client Closed Request"
    with gevent.Timeout(SECONDS / 2):
        while app.worker.gate.taken:
            gevent.sleep(0.01)
    assert sorted(log) == ["ended", "goes on", "pass", "sleeps"]


def test_stop_reaches_a_request_that_is_held(connection):
    """503, and its call is ended."""
    app = holding(page(lambda environ: sleep()), Settings())
    asked = Asked(app)
    app.worker.interrupts.stop()
    assert asked.status() == "503 Service Unavailable"
    gevent.sleep(0)
    assert log == ["pass", "sleeps", "ended"]


def test_stop_reaches_an_upload():
    """503; nothing is published."""

    class Slow:
        def read(self, size):
            gevent.sleep(SECONDS)

    app = holding(page(lambda environ: "text"), Settings())
    asked = Asked(app, **{"CONTENT_LENGTH": "9", "wsgi.input": Slow()})
    app.worker.interrupts.stop()
    assert (asked.status(), log) == ("503 Service Unavailable", [])


def test_call_that_still_runs_when_its_request_is_answered_is_ended():
    """Nobody will ask for its result."""

    def view(environ):
        sleep.submit()
        return echo("x")

    app = holding(page(view, "302 Found"), Settings())
    assert Asked(app).status() == "302 Found"
    gevent.sleep(0)
    assert log == ["pass", "sleeps", "call x", "pass", "ended"]


def test_client_that_goes_while_held_is_told_in_the_log_with_what_it_waited_for(connection, caplog):
    """That is what it did not want to wait for."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    client, server = connection
    app = holding(page(lambda environ: sleep()), Settings(slow_request=0.0))
    asked = Asked(app, **{"gunicorn.socket": server})
    gevent.sleep(0.06)  # its call may have begun only now
    client.close()
    asked.status()
    (one,) = caplog.records
    assert (one.ended, one.status, one.levelno) == ("gone", 499, logging.INFO)
    (call,) = one.futures
    assert (call["name"], call["seconds"] >= 0.05) == ("sleep", True)


def test_stop_of_the_worker_is_told_in_the_log_of_each_held_response(caplog):
    """It is no fault of the one who asked."""
    app = holding(page(lambda environ: sleep()), Settings(slow_request=0.0))
    asked = Asked(app)
    app.worker.interrupts.stop()
    asked.status()
    (one,) = caplog.records
    assert (one.ended, one.status, one.levelno) == ("stopped", 503, logging.WARNING)
    assert [call["name"] for call in one.futures] == ["sleep"]
