"""The id of a request's trace: where it is taken from, and that it is one throughout."""

from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import page
from collective.wsgifutures import future
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.traces import ids
from collective.wsgifutures.wsgi.settings import Settings

import logging
import pytest
import re

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@future(key="traced")
def trace_seen_inside():
    log.append(ids.current_id())
    return 1


pytestmark = pytest.mark.concurrency


@pytest.mark.parametrize(
    "header", [PARENT, f" {PARENT} ", f"01{PARENT[2:]}", f"01{PARENT[2:]}-later"]
)
def test_the_trace_of_a_request_is_the_one_of_its_traceparent(header):
    """Of later versions what this one knows."""
    found = ids.of({"HTTP_TRACEPARENT": header, "HTTP_TRACESTATE": "a=1"})
    assert found == (TRACE, header.strip()[:55], "a=1")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "rubbish",
        PARENT.upper(),
        f"{PARENT}-more",
        f"{PARENT},{PARENT}",
        f"ff{PARENT[2:]}",
        f"01{PARENT[2:]}more",
        PARENT.replace(TRACE, "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
        PARENT[:-1],
        f"{PARENT}\nX: y",
    ],
)
def test_a_traceparent_that_is_none_is_left_alone_and_the_trace_is_new(header):
    """Nothing of what a client made up gets into a log, and nothing of it is sent on."""
    found = ids.of({"HTTP_TRACEPARENT": header, "HTTP_TRACESTATE": "a=1"})
    assert re.fullmatch("[0-9a-f]{32}", found.id)
    assert (found.id != TRACE, found.parent, found.state) == (True, "", "")


def test_a_tracestate_that_is_too_long_is_not_sent_on():
    """512 characters are what everybody has to take."""
    found = ids.of({"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": "a" * 513})
    assert (found.parent, found.state) == (PARENT, "")


@pytest.mark.parametrize("incoming", [{}, {"HTTP_TRACEPARENT": PARENT}])
def test_all_passes_and_futures_of_a_request_are_in_one_trace(incoming):
    """Its hold knows it, too; the next request has another one."""

    def view(environ):
        log.extend([ids.current_id(), current_pass().hold.trace])
        return trace_seen_inside()

    app = holding(page(view), Settings())
    assert Answer(app, make_environ(**incoming)).body == b"1"
    assert len(log) == 7
    (one,) = set(log) - {"pass"}
    assert one == TRACE if incoming else re.fullmatch("[0-9a-f]{32}", one)
    assert ids.current_id() == ""
    assert Answer(app, make_environ()).body == b"1"
    assert len(set(log) - {"pass"}) == 2


def test_two_requests_on_one_connection_have_nothing_of_each_other():
    """Their thread or greenlet is one."""
    app = holding(page(lambda environ: f"{echo('x')} {ids.current_id()}"), Settings())
    first = Answer(app, make_environ(HTTP_TRACEPARENT=PARENT)).body
    second = Answer(app, make_environ()).body
    assert first.decode() == f"x {TRACE}"
    assert TRACE not in second.decode()


def test_a_sites_own_lines_have_the_trace_where_a_handler_has_the_filter():
    """In a view, in a future, and elsewhere an empty one; what a record has it keeps."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.trace_id)
    handler.addFilter(ids.TraceId())
    own.addHandler(handler)
    try:
        own.warning("outside")
        own.warning("outside", extra={"trace_id": "its own"})
        app = holding(page(lambda environ: says_something()), Settings())
        Answer(app, make_environ(HTTP_TRACEPARENT=PARENT))
    finally:
        own.removeHandler(handler)
    assert lines == ["", "its own", TRACE]


own = logging.getLogger("site.own")


@future(key="says")
def says_something():
    own.warning("inside")
