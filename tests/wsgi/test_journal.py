"""The line at the end of a response that was held: when, what it says, and what it never does."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import make_environ
from .applications import never
from .applications import page
from .applications import SECONDS
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures.wsgi.journal import MOST
from collective.wsgifutures.wsgi.settings import Settings

import io
import json
import logging
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
JOURNAL = "collective.wsgifutures.wsgi.journal"

#: All that a record has by itself.
PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


@future(key="pkg.sleep")
def sleep(seconds):
    time.sleep(seconds)


@future(key="pkg.late", timeout=0.05)
def late():
    never.wait(SECONDS)


@future(key="pkg.later")
def later(secret=""):
    never.wait(SECONDS)


@future(key="pkg.busy")
def busy():
    raise UpstreamBusy("llm", "llm.example.com", 7.0, "too many of its calls failed")


@pytest.fixture
def told(caplog):
    """Ask behind the middleware; return the lines at the ends of held responses."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")

    def ask(view, status="200 OK", environ=None, **settings):
        app = holding(page(view, status), Settings(**{"slow_request": 0.0, **settings}))
        Answer(app, make_environ(**{"HTTP_TRACEPARENT": PARENT, **(environ or {})}))
        return lines(caplog)

    return ask


def lines(caplog):
    return [record for record in caplog.records if record.name == JOURNAL]


def fields(record):
    return {name: value for name, value in vars(record).items() if name not in PLAIN}


def test_a_held_response_is_told_with_what_it_waited_for(told):
    """In one line for people, and in fields for machines; they are JSON."""
    (one,) = told(lambda environ: gather(sleep.submit(0.02), sleep.submit(0.05)))
    found = json.loads(json.dumps(fields(one)))
    seconds, waited = found.pop("seconds"), found.pop("waited")
    names, took = zip(*[(f["name"], f["seconds"]) for f in found.pop("futures")], strict=True)
    assert found == {
        **{"trace_id": TRACE, "method": "GET", "path": "/", "status": 200, "ended": "answered"},
        **{"passes": 2, "more_futures": 0},
    }
    assert names == ("pkg.sleep", "pkg.sleep")
    assert seconds >= waited >= took[0] >= took[1] >= 0.02
    assert took[0] >= 0.05
    assert one.levelno == logging.INFO
    start, end = one.getMessage().split(" after ")
    assert start == "GET /: 200, answered"
    assert end.startswith(f"{seconds:.2f} s and 2 passes. It waited for {waited:.2f} s, pkg.sleep")
    assert end.endswith(f"Trace {TRACE}")


def test_a_response_that_is_not_held_is_not_told(told):
    """However low the threshold is."""
    assert told(lambda environ: "text") == []


def test_a_response_that_is_held_for_less_than_the_setting_is_not_told(told):
    """Ten seconds, where nobody says otherwise."""
    assert told(lambda environ: echo("x"), slow_request=SECONDS) == []
    assert Settings().slow_request == 10.0


def test_a_response_that_is_held_for_longer_is_told_whatever_took_the_time(told):
    """From the first byte in: a visitor waits for passes too."""

    def view(environ):
        echo("x")
        time.sleep(0.1)

    (one,) = told(view, slow_request=0.1)
    assert one.waited < 0.1 <= one.seconds


def test_no_query_string_header_argument_or_body_is_ever_told(told, caplog):
    """In no line of the package about the request."""
    environ = {
        "QUERY_STRING": "token=s3cr3t",
        "HTTP_AUTHORIZATION": "Basic s3cr3t",
        "HTTP_COOKIE": "__ac=s3cr3t",
        "HTTP_TRACESTATE": "a=s3cr3t",
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": "6",
        "wsgi.input": io.BytesIO(b"s3cr3t"),
    }
    (one,) = told(lambda environ: later("s3cr3t"), environ=environ, deadline=0.05)
    assert "s3cr3t" not in repr(fields(one)) + caplog.text


@pytest.mark.parametrize(
    ("view", "ended", "status", "name"),
    [
        (lambda environ: later(), "expired", 504, "pkg.later"),
        (lambda environ: later.submit().result(default="-"), "expired", 200, "pkg.later"),
        (lambda environ: late(), "answered", 504, "pkg.late"),
        (lambda environ: busy(), "answered", 503, "pkg.busy"),
    ],
)
def test_a_response_that_was_late_is_told_as_a_warning(told, view, ended, status, name):
    """A future's own timeout is an answer; the hold's deadline is none."""
    (one,) = told(view, deadline=0.2)
    assert (one.ended, one.status, one.levelno) == (ended, status, logging.WARNING)
    assert [call["name"] for call in one.futures] == [name]


def test_a_page_that_says_that_it_failed_is_told_as_a_warning(told):
    """An error page of the site, say."""
    (one,) = told(lambda environ: echo("x"), "500 Internal Server Error")
    assert (one.ended, one.status, one.levelno) == ("answered", 500, logging.WARNING)


def test_an_error_of_the_application_is_told_as_500(told, caplog):
    """It goes on to the server, which answers that."""

    def view(environ):
        echo("x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told(view)
    (one,) = lines(caplog)
    assert (one.ended, one.status, one.levelno) == ("failed", 500, logging.WARNING)


def test_each_line_about_a_request_has_the_id_of_its_trace(told, caplog):
    """The error that nobody caught, and the end."""
    told(lambda environ: late())
    assert {record.trace_id for record in caplog.records} == {TRACE}
    assert len(caplog.records) == 2


def test_a_path_cannot_write_a_line_of_its_own(told, caplog):
    """What a client sends percent-encoded arrives as it is."""
    path = "/a\n2026-01-01 ERROR all is lost\x1b[2J\u0085"
    (one,) = told(lambda environ: late(), environ={"PATH_INFO": path})
    assert one.path == "/a\ufffd2026-01-01 ERROR all is lost\ufffd[2J\ufffd"
    assert [m.count("\n") for m in caplog.messages] == [0, 0]


def test_a_path_is_told_as_people_write_it(told):
    """WSGI has bytes as latin-1; a long one is cut."""
    (one,) = told(
        lambda environ: echo("x"), environ={"PATH_INFO": "/ä/".encode().decode("latin-1")}
    )
    assert one.path == "/ä/"
    *_, one = told(lambda environ: echo("y"), environ={"PATH_INFO": "/" * 999})
    assert len(one.path) == 200


def test_of_many_futures_those_that_took_longest_are_told(told):
    """A line has its limits; how many more there are is told."""

    def view(environ):
        gather(sleep.submit(0.2), *(sleep.submit(n / 10_000) for n in range(MOST + 4)))

    (one,) = told(view)
    assert (len(one.futures), one.more_futures) == (MOST, 5)
    assert one.futures[0]["seconds"] >= 0.2


def test_a_response_that_is_refused_a_place_is_told_as_such(caplog):
    """Its calls were not made, so none is named."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    app = holding(page(lambda environ: later()), Settings(slow_request=0.0, max_held=1))
    first = threading.Thread(target=lambda: Answer(app, make_environ()), daemon=True)
    first.start()
    while not app.worker.held.count:
        time.sleep(0.001)
    Answer(app, make_environ(HTTP_TRACEPARENT=PARENT))
    (one,) = lines(caplog)
    assert (one.ended, one.status, one.passes, one.futures) == ("refused", 503, 1, [])
    assert one.levelno == logging.WARNING
    never.set()
    first.join(SECONDS)
    assert lines(caplog)[1].ended == "answered"


def test_a_response_that_an_operator_cancels_is_told_as_such(caplog):
    """With what it had waited for."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    app = holding(page(lambda environ: later()), Settings(slow_request=0.0))
    asked = threading.Thread(target=lambda: Answer(app, make_environ()), daemon=True)
    asked.start()
    while not app.worker.held.count:
        time.sleep(0.001)
    app.worker.held.cancel(1)
    asked.join(SECONDS)
    (one,) = lines(caplog)
    assert (one.ended, one.status, one.levelno) == ("cancelled", 503, logging.WARNING)
    assert [call["name"] for call in one.futures] == ["pkg.later"]
