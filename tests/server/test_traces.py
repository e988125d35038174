"""Spans and log lines of a real gunicorn, sent by OpenTelemetry's own exporter under gevent."""

from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import ROOT
from processes import Server
from processes import wait_until

import json
import pytest
import runpy
import threading

Outside = runpy.run_path(str(ROOT / "tests" / "upstreams" / "outside.py"))["Outside"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
SECRET = "s3cr3t-w0rd"

#: What a site's log may be: a line of JSON for each record.
LOGGING = """
import json
import logging


class Fields(logging.Formatter):
    def format(self, record):
        told = {"message": record.getMessage(), "name": record.name}
        return json.dumps({**told, **getattr(record, "__dict__", {})}, default=str)


def begin(file):
    handler = logging.FileHandler(file)
    handler.setFormatter(Fields())
    logging.getLogger("collective.wsgifutures").addHandler(handler)
    logging.getLogger("collective.wsgifutures").setLevel(logging.INFO)
"""


class Collector:
    """Receives spans over HTTP, as a collector of OpenTelemetry does."""

    def __init__(self):
        self.received = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                """Not to the output of the tests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self, trace):
        """Return the spans of a trace by their names; those of one name in their order.

        Of this package and of its tests' views: others may make some too.
        """
        found = {}
        everything = [
            span
            for request in list(self.received)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            if scope.scope.name in ("collective.wsgifutures", "holdtests")
            for span in scope.spans
        ]
        for span in sorted(everything, key=lambda span: span.start_time_unix_nano):
            if span.trace_id.hex() == trace:
                found.setdefault(span.name, []).append(span)
        return found

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector():
    collector = Collector()
    yield collector
    collector.stop()


@pytest.fixture(scope="module")
def outside():
    outside = Outside()
    yield outside
    outside.stop()


@pytest.fixture(scope="module")
def site(start_gunicorn, new_instance, collector, outside):
    """A gunicorn with the configuration that the docs have, and a log of JSON."""
    folder = new_instance()
    config = folder / "gunicorn.conf.py"
    config.write_text(
        (ROOT / "examples" / "gunicorn_traces.py").read_text()
        + LOGGING
        + f"\n\ndef post_fork(arbiter, worker):\n    begin({str(folder / 'log.json')!r})\n"
    )
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "WSGIFUTURES_UPSTREAM_HOLDTESTS_BASE_URL": outside.url,
        "WSGIFUTURES_SLOW_REQUEST": "0",
        "no_proxy": "127.0.0.1",
    }
    server = Server(*start_gunicorn(folder=folder, config=config, env=env))
    server.folder = folder
    yield server
    server.process.stop()


def attributes(span):
    return {one.key: one.value for one in span.attributes}


def test_spans_of_a_held_request_arrive_at_a_collector(site, collector, outside, text):
    """All of them in the trace that came in, whatever ran the futures; nothing secret in any."""
    headers = {"traceparent": PARENT, "Cookie": f"a={SECRET}", "X-Secret": SECRET}
    answer = site.get("@@traced", headers=headers, text=text, token=SECRET)
    assert answer.text == f"greenlet thread task {TRACE} 200"
    # The worker and the helper of its futures send their spans each by itself.
    wait_until(lambda: {"GET", "own thread", "own task"} <= collector.spans(TRACE).keys())
    found = collector.spans(TRACE)
    assert {name: len(spans) for name, spans in found.items()} == {
        **{"GET": 1, "pass": 3, "own view": 3, "GET holdtests": 1},
        **{f"in a {kind}": 1 for kind in ("greenlet", "thread", "task", "process")},
        **{f"own {kind}": 1 for kind in ("greenlet", "thread", "task")},
    }
    for kind in ("greenlet", "thread", "task"):
        (inner,), (outer,) = found[f"own {kind}"], found[f"in a {kind}"]
        assert inner.parent_span_id == outer.span_id
    (root,) = found["GET"]
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    for name in ("pass", "GET holdtests", "in a process"):
        assert {span.parent_span_id for span in found[name]} == {root.span_id}
    told = attributes(root)
    assert told["url.path"].string_value == "/Plone/@@traced"
    assert told["wsgifutures.passes"].int_value == 3
    views = {attributes(one)["code.function.name"].string_value for one in found["pass"]}
    assert views == {"holdtests.traces.Traced"}
    assert SECRET not in "".join(map(str, collector.received))
    (asked,) = [one for one in outside.asked if text in one.target]
    (call,) = found["GET holdtests"]
    assert asked.headers["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"


def test_log_of_a_held_request_has_its_trace_and_nothing_secret(site, text):
    """In the form that a site's own formatter gives it."""
    trace = TRACE.replace("4bf9", "0001")
    headers = {"traceparent": PARENT.replace(TRACE, trace), "Cookie": f"a={SECRET}"}
    site.get("@@traced", headers=headers, text=text, token=SECRET)
    log = site.folder / "log.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = [line for line in lines if line.get("trace_id") == trace]
    assert (line["name"], line["path"]) == (
        "collective.wsgifutures.wsgi.journal",
        "/Plone/@@traced",
    )
    assert (line["status"], line["passes"], line["ended"]) == (200, 3, "answered")
    names = {call["name"] for call in line["futures"]}
    kinds = ("greenlet", "thread", "task", "process")
    assert names == {"holdtests.get", *(f"in a {kind}" for kind in kinds)}
    assert SECRET not in log.read_text() + site.process.output


def test_many_requests_at_once_lose_no_span(site, collector):
    """The exporter's own thread is a greenlet like the others."""
    traces = [f"{n + 1:032x}" for n in range(30)]
    parents = [PARENT.replace(TRACE, trace) for trace in traces]
    calls = [
        lambda site, parent=p: site.get("@@traced", headers={"traceparent": parent}, text="x")
        for p in parents
    ]
    assert {answer.status_code for answer in site.together(calls)} == {200}
    wait_until(lambda: all("GET" in collector.spans(trace) for trace in traces))
    for trace in traces:
        assert sum(map(len, collector.spans(trace).values())) == 15


def test_spans_that_are_not_sent_yet_are_sent_when_the_worker_stops(site, collector, text):
    """Nothing of the last requests is lost at a reload or stop."""
    trace = TRACE.replace("4bf9", "0002")
    site.get("@@traced", headers={"traceparent": PARENT.replace(TRACE, trace)}, text=text)
    site.process.stop()
    assert "GET" in collector.spans(trace)
