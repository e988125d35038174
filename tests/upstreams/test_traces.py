"""Calls to upstreams are parts of the trace of who asks, and no key is made of that."""

from collective.wsgifutures import future
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.traces import ids
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from opentelemetry import trace
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from wsgiref.util import setup_testing_defaults

import io
import pytest
import threading

pytestmark = pytest.mark.concurrency

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
INCOMING = {"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": "a=1"}


@pytest.fixture
def recorded(monkeypatch):
    """Set up what records spans, for one test; return what it has recorded."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def served(view):
    """Return a function that asks for *view* behind the hold, with headers of its own."""

    def app(environ, start_response):
        text = str(view())
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]

    republish = Middleware(Worker(app, Settings()))

    def ask(**headers):
        environ = {"wsgi.input": io.BytesIO(), **headers}
        setup_testing_defaults(environ)
        return b"".join(republish(environ, lambda *start: None)).decode()

    return ask


def of_calls(exporter):
    """Return the spans of calls, in the order of their ends."""
    return [span for span in exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]


def sent(outside):
    """Return the traceparent of each request that arrived, None where it had none."""
    return [one.headers.get("traceparent") for one in outside.asked]


def parent_of(span):
    context = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_call_without_spans_has_the_traceparent_that_came_in(outside, weather):
    """Nobody adds to the trace here, so it goes on as it came."""
    upstream = weather()
    assert served(lambda: upstream.get("/").text)(**INCOMING) == "sunny"
    assert sent(outside) == [PARENT]
    assert outside.asked[0].headers["tracestate"] == "a=1"


def test_call_without_spans_and_without_a_trace_that_came_in_has_none(outside, weather):
    """A new one would tell the upstream that it need not record."""
    upstream = weather()
    assert served(lambda: upstream.get("/").text)() == "sunny"
    assert upstream.get("/other").text == "sunny"  # in place, of no request
    assert sent(outside) == [None, None]


def test_call_is_a_span_of_a_client_and_sends_that_on(outside, weather, recorded):
    """What it tells is what OpenTelemetry calls it, without address, query and headers."""
    upstream = weather(headers={"Authorization": "s3cr3t"})
    outside.says(404)
    served(lambda: upstream.post("/s3cr3t", params={"q": "s3cr3t"}, json="s3cr3t"))(**INCOMING)
    (call,) = of_calls(recorded)
    host, port = outside.host.split(":")
    assert call.name == "POST weather"
    assert call.attributes == {
        **{"http.request.method": "POST", "http.response.status_code": 404, "error.type": "404"},
        **{"server.address": host, "server.port": int(port), "wsgifutures.upstream": "weather"},
    }
    assert (call.status.is_ok, call.events) == (False, ())
    assert sent(outside) == [parent_of(call)]
    assert trace.format_trace_id(call.context.trace_id) == TRACE
    (root,) = [s for s in recorded.get_finished_spans() if s.kind is SpanKind.SERVER]
    assert call.parent.span_id == root.context.span_id
    assert "s3cr3t" not in "".join(span.to_json() for span in recorded.get_finished_spans())


def test_call_that_is_made_again_is_one_span_that_tells_how_often(outside, weather, recorded):
    """Each attempt sends it."""
    outside.says_in_turn(503, 503, 200)
    upstream = weather(retries=2)
    served(lambda: upstream.get("/"))()
    (call,) = of_calls(recorded)
    assert call.attributes["http.request.resend_count"] == 2
    assert call.attributes["http.response.status_code"] == 200
    assert sent(outside) == [parent_of(call)] * 3


def test_call_without_an_answer_tells_the_class_of_its_error(weather, recorded):
    """And no text of it."""
    upstream = weather(at="http://127.0.0.1:1", retries=0)
    served(lambda: upstream.get("/").text if 0 else upstream.get.submit("/").exception())()
    (call,) = of_calls(recorded)
    assert call.attributes["error.type"] == "UpstreamFailed"
    assert (call.status.description, call.events) == (None, ())


def test_call_inside_of_a_future_is_in_the_span_of_that(outside, weather, recorded):
    """There it runs in place: in a greenlet where there are any, else in a thread."""
    upstream = weather()
    kind = "greenlets" if under_gevent() else "threads"
    inside = future(key=kind, executor=kind)(lambda: _get(upstream.name))
    served(inside)(**INCOMING)
    spans = {span.context.span_id: span for span in recorded.get_finished_spans()}
    (call,) = of_calls(recorded)
    assert spans[call.parent.span_id].name == kind
    assert sent(outside) == [parent_of(call)]


@pytest.mark.parametrize("kind", ["threads", "asyncio", "processes"])
def test_what_a_future_sends_from_another_process_is_a_part_of_its_span(recorded, kind):
    """Under gevent threads and asyncio are there; upstreams ask for these headers."""
    function = headers_there_async if kind == "asyncio" else headers_there
    seen = []
    served(lambda: seen.append(future(key=kind, executor=kind)(function)()))(**INCOMING)
    (span,) = [span for span in recorded.get_finished_spans() if span.name == kind]
    assert seen == [({"traceparent": parent_of(span)}, TRACE)]


def headers_there():
    from collective.wsgifutures.traces import ids

    return {k: v for k, v in ids.headers().items() if k == "traceparent"}, ids.current_id()


async def headers_there_async():
    return headers_there()


def _get(name):
    from collective.wsgifutures.upstreams.upstream import upstreams

    return upstreams[name].get("/").text


def test_call_of_a_script_is_a_span_by_itself(weather, recorded):
    """There is nothing around it."""
    weather().get("/")
    (call,) = of_calls(recorded)
    assert call.parent is None


def test_call_that_is_not_sampled_sends_that_it_is_not(outside, weather, monkeypatch):
    """The upstream then decides the same."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(sampler=ALWAYS_OFF))
    upstream = weather()
    served(lambda: upstream.get("/"))(**INCOMING)
    (header,) = sent(outside)
    assert (header[:36], header[-2:]) == (f"00-{TRACE}-", "00")


def test_traceparent_that_the_view_gives_is_sent_as_it_is(outside, weather, recorded):
    """Whoever sets it by hand knows why."""
    upstream = weather()
    served(lambda: upstream.get("/", headers={"Traceparent": "mine"}))(**INCOMING)
    assert sent(outside) == ["mine"]


def test_traceparent_is_not_sent_to_where_a_redirect_leads(outside, raw, weather, recorded):
    """Another host is told nothing that it need not know."""
    seen = []

    def answer(sock):
        seen.append(sock.recv(65536))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    other = raw(answer)
    outside.says(302, {"Location": f"http://{other.host}/"})
    upstream = weather()
    assert served(lambda: upstream.get("/").text)(**INCOMING) == "ok"
    assert sent(outside) != [None]
    assert b"traceparent" not in seen[0].lower()


@pytest.mark.parametrize("spans", [True, False], ids=["spans", "no spans"])
def test_kept_answer_is_for_all_traces(outside, weather, request, spans):
    """What says whose trace it is shapes nothing of the answer, and is in no key."""
    if spans:
        request.getfixturevalue("recorded")
    upstream = weather(cache=60)
    ask = served(lambda: upstream.get("/").text)
    for n in range(3):
        assert ask(HTTP_TRACEPARENT=PARENT.replace(TRACE, f"{n + 1:032x}")) == "sunny"
    assert len(outside.asked) == 1


@pytest.mark.parametrize("spans", [True, False], ids=["spans", "no spans"])
def test_shared_call_is_in_the_trace_of_who_asked_first(outside, weather, request, spans):
    """Two ask at the same time: one call, which sends one of their traces."""
    recorded = request.getfixturevalue("recorded") if spans else None
    outside.says(after=0.3)
    upstream = weather(cache=60)
    ask = served(lambda: upstream.get("/").text)
    parents = [PARENT.replace(TRACE, f"{n + 1:032x}") for n in range(2)]
    threads = [threading.Thread(target=ask, kwargs={"HTTP_TRACEPARENT": p}) for p in parents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (header,) = sent(outside)
    if recorded is not None:
        assert header in [parent_of(call) for call in of_calls(recorded)]
        assert len(of_calls(recorded)) == 2
    else:
        assert header in parents


def test_instrumentation_of_urllib3_makes_no_second_span(outside, weather, recorded):
    """Its own would have the query string."""
    URLLib3Instrumentor().instrument()
    try:
        upstream, kept = weather(), weather(name="kept", cache=60)
        served(lambda: (upstream.get("/", params="a=s3cr3t"), kept.get("/", params="b=s3cr3t")))()
    finally:
        URLLib3Instrumentor().uninstrument()
    assert [call.name for call in of_calls(recorded)] == ["GET weather", "GET kept"]
    assert sent(outside) == [parent_of(call) for call in of_calls(recorded)]
    assert "s3cr3t" not in "".join(span.to_json() for span in recorded.get_finished_spans())


def test_call_that_is_refused_at_once_has_no_span(weather, recorded):
    """It is none: nothing is asked, and no time goes by."""
    upstream = weather(failure_calls=1, failure_rate=0.1, at="http://127.0.0.1:1", retries=0)
    for _ in range(2):
        served(lambda: upstream.get.submit("/").exception())()
    assert isinstance(upstream.service().refusal(), UpstreamBusy)
    assert len(of_calls(recorded)) == 1


def test_nothing_of_a_request_but_its_trace_is_in_what_is_shared(recorded):
    """The span itself has attributes, and who made it."""
    with trace.get_tracer("site").start_as_current_span("around") as around:
        alone = ids.alone()
    inner = alone.run(trace.get_current_span)
    assert inner.get_span_context() == around.get_span_context()
    assert inner is not around
