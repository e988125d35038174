"""Spans of a request, its passes and futures, with OpenTelemetry's own SDK."""

from . import spanned
from .applications import Answer
from .applications import echo
from .applications import holding
from .applications import log
from .applications import make_environ
from .applications import never
from .applications import page
from .applications import SECONDS
from .test_job_visit import Job
from .test_job_visit import worker_of
from collective.wsgifutures import compat
from collective.wsgifutures import ExecutorBusy
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures.kernel.executors import KINDS
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.passes import Publisher
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.traces import ids
from collective.wsgifutures.traces import spans
from collective.wsgifutures.wsgi.settings import Settings
from opentelemetry import trace
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import SpanKind

import io
import pytest

pytestmark = pytest.mark.concurrency

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OTHER = f"00-{'ab' * 16}-{'cd' * 8}-01"

ABOUT = spans.JobSpan("pkg.tidy", "texts", "aa-1", 2, PARENT)

KINDS = KINDS if under_gevent() else list(KINDS)[1:]


@pytest.fixture
def sdk(monkeypatch):
    """Set up what records spans, for one test; return what it has recorded."""
    providers = []

    def set_up(**options):
        exporter = InMemorySpanExporter()
        provider = TracerProvider(**options)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        providers.append(provider)
        return exporter

    yield set_up
    for provider in providers:
        provider.shutdown()


@pytest.fixture
def recorded(sdk):
    """The same, of all spans."""
    return sdk()


def get(view, status="200 OK", environ=None, around=lambda app: app, **settings):
    app = around(holding(page(view, status), Settings(**settings)))
    return Answer(app, make_environ(**(environ or {})))


def drawn(exporter):
    """Return the names of the recorded spans as a tree, each by when it began."""
    found = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time)
    known = {span.context.span_id for span in found}

    def below(parent):
        children = [s for s in found if (s.parent and s.parent.span_id) == parent]
        return [(s.name, below(s.context.span_id)) for s in children]

    roots = {s.parent and s.parent.span_id for s in found} - known
    assert len(roots) <= 1, "they are of more than one trace"
    return below(*roots) if roots else []


def one(exporter, name):
    (span,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return span


# the spans of a request


def test_a_held_request_is_a_span_with_one_for_each_pass_and_each_future(recorded):
    """The server's own, where nobody else has made one."""
    assert get(lambda environ: echo(echo("x") + "y")).body == b"xy"
    inner = [(name, []) for name in ("pass", "echo", "pass", "echo", "pass")]
    assert drawn(recorded) == [("GET", inner)]
    root = one(recorded, "GET")
    assert (root.kind, root.parent, root.status.is_ok) == (SpanKind.SERVER, None, True)
    waited = root.attributes["wsgifutures.waited"]
    assert SECONDS > waited > 0
    assert root.attributes == {
        **{"http.request.method": "GET", "url.path": "/", "url.scheme": "http"},
        **{"http.response.status_code": 200, "wsgifutures.passes": 3},
        **{"wsgifutures.ended": "answered", "wsgifutures.waited": waited},
    }
    scope = root.instrumentation_scope
    assert (scope.name, bool(scope.version)) == ("collective.wsgifutures", True)


def test_a_request_that_is_not_held_has_one_pass(recorded):
    """What a view makes itself is in it."""

    def view(environ):
        with trace.get_tracer("site").start_as_current_span("own"):
            return "text"

    get(view)
    assert drawn(recorded) == [("GET", [("pass", [("own", [])])])]
    assert "wsgifutures.ended" not in one(recorded, "GET").attributes


def test_a_job_is_a_span_like_a_held_request(recorded):
    """With its passes and futures, under the name of its task."""
    job = Job(worker_of(lambda environ: echo("x")), about=ABOUT)
    assert job.end() == "x"
    assert drawn(recorded) == [("pkg.tidy", [("pass", []), ("echo", []), ("pass", [])])]
    span = one(recorded, "pkg.tidy")
    assert dict(span.attributes) == {
        **{"wsgifutures.task": "pkg.tidy", "wsgifutures.queue": "texts"},
        **{"wsgifutures.job": "aa-1", "wsgifutures.attempt": 2, "wsgifutures.passes": 2},
        **{"wsgifutures.waited": span.attributes["wsgifutures.waited"]},
        "wsgifutures.ended": "answered",
    }
    assert span.kind is SpanKind.CONSUMER
    assert job.visit.trace == f"{span.context.trace_id:032x}"


def test_a_job_links_to_the_request_that_submitted_it_and_is_no_part_of_it(recorded):
    """That request has its answer; and it may have submitted thousands."""
    Job(worker_of(lambda environ: "text"), about=ABOUT, HTTP_TRACEPARENT=OTHER).end()
    span = one(recorded, "pkg.tidy")
    assert span.parent is None
    (link,) = span.links
    assert f"{link.context.trace_id:032x}" == TRACE
    assert f"{link.context.span_id:016x}" == PARENT.split("-")[2]
    assert f"{span.context.trace_id:032x}" not in (TRACE, OTHER.split("-")[1])


@pytest.mark.parametrize("submitted_in", ["", "no traceparent"])
def test_a_job_that_no_trace_submitted_has_no_link(recorded, submitted_in):
    """A script's, say."""
    about = ABOUT._replace(submitted_in=submitted_in)
    Job(worker_of(lambda environ: "text"), about=about).end()
    assert one(recorded, "pkg.tidy").links == ()


def test_a_job_that_failed_is_an_error_by_its_class(recorded):
    """Its page may have answered 200; its text may have an argument."""
    job = Job(worker_of(lambda environ: "text"), about=ABOUT, error=LookupError("s3cret"))
    job.end()
    span = one(recorded, "pkg.tidy")
    assert (span.status.is_ok, span.attributes["error.type"]) == (False, "LookupError")
    assert "http.response.status_code" not in span.attributes
    assert "s3cret" not in span.to_json()


def test_a_job_without_an_sdk_has_a_trace_of_its_own():
    """For its lines in the log."""
    first, second = (Job(worker_of(lambda environ: "text"), about=ABOUT) for _ in range(2))
    assert (first.end(), second.end()) == ("text", "text")
    assert len(first.visit.trace) == len(second.visit.trace) == 32
    assert len({first.visit.trace, second.visit.trace, TRACE}) == 3


class Named(Publisher):
    """Knows what it publishes."""

    def view_name(self):
        return "pkg.views.Front"


def test_a_pass_tells_its_number_and_its_view(recorded):
    """As far as the publisher knows that."""

    def view(environ):
        current_pass().publisher = Named()
        return echo("x")

    get(view)
    passes = [span for span in recorded.get_finished_spans() if span.name == "pass"]
    view = {"code.function.name": "pkg.views.Front"}
    assert [span.attributes for span in passes] == [{"wsgifutures.pass": n, **view} for n in (1, 2)]
    assert {span.kind for span in passes} == {SpanKind.INTERNAL}


def test_an_incoming_traceparent_is_continued(recorded):
    """Its trace, and below who asks."""
    get(lambda environ: echo("x"), environ={"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": "a=1"})
    root = one(recorded, "GET")
    assert trace.format_trace_id(root.context.trace_id) == TRACE
    assert trace.format_span_id(root.parent.span_id) == "00f067aa0ba902b7"
    assert root.context.trace_state.to_header() == "a=1"
    assert {span.context.trace_id for span in recorded.get_finished_spans()} == {int(TRACE, 16)}


def test_the_id_in_the_log_is_that_of_the_spans(recorded):
    """Whoever made it."""
    seen = get(lambda environ: f"{echo('')}{ids.current_id()}").body.decode()
    assert int(seen, 16) == one(recorded, "GET").context.trace_id


def test_behind_a_middleware_of_opentelemetry_the_request_is_a_part_of_its_span(recorded):
    """There is one span of the server's, and it is not ours."""
    get(
        lambda environ: echo("x"),
        environ={"HTTP_TRACEPARENT": PARENT},
        around=lambda app: OpenTelemetryMiddleware(app),
    )
    inner = [("pass", []), ("echo", []), ("pass", [])]
    assert drawn(recorded) == [("GET /", [("hold", inner)])]
    hold = one(recorded, "hold")
    assert hold.kind is SpanKind.INTERNAL
    assert hold.attributes["http.response.status_code"] == 200
    assert "url.path" not in hold.attributes


def test_a_middleware_of_opentelemetry_inside_has_a_span_in_each_last_pass(recorded):
    """Of passes that suspend it never ends its own."""
    app = holding(OpenTelemetryMiddleware(page(lambda environ: echo("x"))), Settings())
    assert Answer(app, make_environ()).body == b"x"
    (root,) = drawn(recorded)
    assert [name for name, _ in root[1]] == ["pass", "echo", "pass"]
    assert root[1][2][1] == [("GET /", [])]


def test_two_requests_of_one_thread_have_two_traces(recorded):
    """Nothing of the first is left."""
    app = holding(page(lambda environ: echo("x")), Settings())
    for _ in range(2):
        Answer(app, make_environ())
        assert trace.get_current_span() is trace.INVALID_SPAN
    roots = [span for span in recorded.get_finished_spans() if span.name == "GET"]
    assert len({span.context.trace_id for span in roots}) == 2


# futures


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def asked_of(kind, function, **options):
    executor = None if kind == "asyncio" else kind
    return future(key="asked", executor=executor, **options)(function)


def test_a_span_that_a_future_makes_is_in_the_span_of_the_future(recorded, kind):
    """Whatever runs it; a process is sent the ids."""
    function = spanned.make_a_span_in_a_task if kind == "asyncio" else spanned.make_a_span
    asked = asked_of(kind, function)
    seen = []
    get(lambda environ: seen.append(asked()))
    context = one(recorded, "asked").context
    assert seen == [(context.trace_id, context.span_id)]


def test_a_future_in_a_process_fails_as_it_does_without_spans(recorded):
    """Its own exception, and no trace of who carried it there but a frame."""
    asked = asked_of("processes", spanned.fail_in_a_process)

    def view(environ):
        try:
            asked(7)
        except KeyError as error:
            return error.args

    assert get(view).body == b"(7,)"
    assert one(recorded, "asked").attributes["error.type"] == "KeyError"


def test_the_span_of_a_future_ends_when_its_call_does(recorded):
    """Not when the request is published again, and others are waited for."""
    short, long = (future(key=key)(spanned.sleep_in_a_process) for key in ("short", "long"))
    get(lambda environ: gather(short.submit(0.01), long.submit(0.3)))
    seconds = {
        span.name: (span.end_time - span.start_time) / 1e9 for span in recorded.get_finished_spans()
    }
    assert seconds["short"] < 0.2 < 0.3 <= seconds["long"] < seconds["GET"]


def test_the_span_of_a_future_tells_an_error_by_the_name_of_its_class(recorded):
    """Not by its text, nor where it was raised."""

    @future(key="fails")
    def fails():
        raise ValueError("s3cr3t")

    def view(environ):
        try:
            fails()
        except ValueError:
            return "well"

    get(view)
    span = one(recorded, "fails")
    assert (span.attributes, span.events) == ({"error.type": "ValueError"}, ())
    assert (span.status.is_ok, span.status.description) == (False, None)
    assert one(recorded, "GET").status.is_ok


@future(key="late", timeout=0.05)
def late():
    never.wait(SECONDS)


@future(key="later")
def later():
    never.wait(SECONDS)


@pytest.mark.parametrize(
    ("asked", "error"), [(late, "FutureTimeout"), (later, "stopped")], ids=["late", "later"]
)
def test_the_span_of_a_call_that_is_stopped_tells_why(recorded, asked, error):
    """Its own timeout; or the request needs it no more."""
    get(lambda environ: asked(), deadline=0.2)
    assert one(recorded, asked.name).attributes == {"error.type": error}
    root = one(recorded, "GET")
    assert root.attributes["http.response.status_code"] == 504
    assert (root.attributes["error.type"], root.status.is_ok) == ("504", False)
    assert root.attributes["wsgifutures.ended"] == ("expired" if asked is later else "answered")


def test_a_future_that_no_executor_takes_has_a_span_that_failed(recorded):
    """The line is full, say."""
    app = holding(page(lambda environ: gather(*map(crowd.submit, range(4)))), Settings())
    app.worker.executor_of = lambda name: _Full()
    assert Answer(app, make_environ()).status == "503 Service Unavailable"
    tried = [span for span in recorded.get_finished_spans() if span.name == "crowd"]
    assert [span.attributes["error.type"] for span in tried] == ["ExecutorBusy"] * 4


@future(key="crowd")
def crowd(n):
    return n


class _Full:
    """An executor that takes nothing."""

    name = "full"

    def start(self, call, done):
        raise ExecutorBusy(call.name, "threads", 1, 1)


def test_a_key_of_the_ancestor_is_no_name_of_a_span(recorded):
    """It may be made of arguments."""
    get(lambda environ: compat.resultOrSubmit("https://x/?token=s3cr3t", "-", work, "s3cr3t"))
    names = {span.name for span in recorded.get_finished_spans()}
    assert names == {"GET", "pass", f"{__name__}.work"}


def work(text):
    return text


# what is never told, and what it costs where nobody records


def test_nothing_that_is_secret_is_in_any_span(recorded):
    """Query string, headers, cookies, body, arguments, results, texts of errors."""

    def view(environ):
        if "s3cr3t" in echo("s3cr3t") + repr(asked("s3cr3t")):
            raise FutureTimeout("s3cr3t", 1.0) from ValueError("s3cr3t")

    asked = future(key="asked")(spanned.make_a_span)
    environ = {
        "QUERY_STRING": "token=s3cr3t",
        "HTTP_AUTHORIZATION": "Basic s3cr3t",
        "HTTP_COOKIE": "__ac=s3cr3t",
        "HTTP_REFERER": "https://x/?s3cr3t",
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": "6",
        "wsgi.input": io.BytesIO(b"s3cr3t"),
    }
    get(view, environ=environ)
    found = recorded.get_finished_spans()
    assert len(found) == 6
    assert "s3cr3t" not in "".join(span.to_json() for span in found)


def test_a_method_that_is_made_up_is_no_name_of_a_span(recorded):
    """Or everybody could make as many names as they like."""
    get(lambda environ: "text", environ={"REQUEST_METHOD": "S3CR3T"})
    assert one(recorded, "HTTP").attributes["http.request.method"] == "_OTHER"


def test_an_error_that_leaves_the_application_is_told_by_its_class(recorded):
    """In its pass, and in the whole."""

    def view(environ):
        raise ZeroDivisionError("s3cr3t")

    with pytest.raises(ZeroDivisionError):
        get(view)
    for name in ("pass", "GET"):
        assert one(recorded, name).attributes["error.type"] == "ZeroDivisionError"
    assert one(recorded, "GET").attributes["http.response.status_code"] == 500


@pytest.mark.parametrize("flags", ["00", "01"])
def test_what_is_not_sampled_has_no_spans_and_keeps_its_trace(sdk, flags):
    """As who asks has decided, or the site; nothing is made for passes and futures."""
    exporter = sdk(sampler=ParentBased(ALWAYS_OFF) if flags == "00" else ALWAYS_OFF)
    made = []

    def view(environ):
        made.append(spans.of_pass(1, str))
        return f"{echo('')}{ids.current_id()}"

    answer = get(view, environ={"HTTP_TRACEPARENT": f"{PARENT[:-2]}{flags}"})
    assert (answer.body.decode(), exporter.get_finished_spans()) == (TRACE, ())
    assert set(made) == {spans.NONE}


def test_where_nobody_records_nothing_is_made():
    """The API alone is installed."""
    assert spans.tracer() is None
    assert spans.of_request(make_environ()) is spans.NONE
    assert spans.of_pass(1, str) is spans.NONE
    assert spans.of_call("weather", "GET", "https://example.com") is spans.NONE


def test_without_opentelemetry_all_is_as_with_it(monkeypatch):
    """It is optional: the trace of a request is the one that came in, or a new one."""
    monkeypatch.setattr(spans, "api", lambda: None)
    log.clear()
    view = lambda environ: f"{echo('x')} {ids.current_id()}"  # noqa: E731
    assert get(view, environ={"HTTP_TRACEPARENT": PARENT}).body.decode() == f"x {TRACE}"
    assert ids.headers() == {}
