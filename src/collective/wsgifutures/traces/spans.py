"""Spans of OpenTelemetry: one for each request or job, in it one for each pass and each future.

OpenTelemetry's API is optional. If it is installed, nothing is done before the SDK, which
records spans, is set up. A request that is not sampled has one span, which is not recorded, and
no spans inside. Spans have times, names and numbers: no query string, header, argument, or text
of an error.

The span of a request is not made by ``opentelemetry-instrumentation-wsgi``. Its spans have the
query string, the user agent, and the text of an error. Measured with its 0.66b1: a request takes
0.1 ms more CPU; ``wsgi.file_wrapper`` is hidden from the server, and a body that was never read is
not closed.
"""

from .paths import render_path
from collections.abc import Callable
from collections.abc import Mapping
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

import contextvars
import functools

#: The name of the tracer, for OpenTelemetry.
NAME = "collective.wsgifutures"

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)

#: The lowest statuses that are an error: in the span of a request, and in that of a call.
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


@functools.cache
def api() -> Any:
    """Return the parts of OpenTelemetry's API that are used, None if it is not installed."""
    try:
        from opentelemetry import context  # never at the top: it makes a lock
        from opentelemetry import trace
        from opentelemetry.trace.propagation import tracecontext
    except ImportError:
        return None
    w3c = tracecontext.TraceContextTextMapPropagator()
    # The name is not public, but all of OpenTelemetry's own instrumentations use it.
    key = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
    return SimpleNamespace(trace=trace, context=context, w3c=w3c, suppress_http=key)


@functools.lru_cache(maxsize=4)
def _tracer_of(provider: Any) -> Any:
    return provider.get_tracer(NAME, version(NAME))


def tracer() -> Any:
    """Return what makes spans, None if no SDK is set up to record them."""
    if api() is None:
        return None
    provider = api().trace.get_tracer_provider()
    return None if isinstance(provider, api().trace.ProxyTracerProvider) else _tracer_of(provider)


def headers() -> dict[str, str]:
    """Return the headers that continue the trace of the current span elsewhere."""
    carrier: dict[str, str] = {}
    if api() is not None:
        api().w3c.inject(carrier)
    return carrier


def attach(sent: Mapping[str, str]) -> None:
    """Let this context be a part of the trace that *sent* headers tell of."""
    if api() is not None and sent:
        api().context.attach(api().w3c.extract(sent))


def carry_into(context: contextvars.Context) -> None:
    """Let code that runs in *context* belong to the current span, and take nothing else along."""
    if api() is None:
        return
    trace = api().trace
    span = trace.NonRecordingSpan(trace.get_current_span().get_span_context())
    inner = trace.set_span_in_context(span, api().context.Context())
    context.run(api().context.attach, api().context.set_value(api().suppress_http, True, inner))


class Span:
    """A context in which a span is the current one. This class has no span, and does nothing."""

    __slots__ = ()

    recorded = False

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """End the span; an error is noted by the name of its class."""

    def tell(self, **attributes: str | int | float) -> None:
        """Add attributes of this package."""

    def answered(self, status: int) -> None:
        """Add the status of the answer."""

    def failed(self, error: BaseException) -> None:
        """Note an error that is not raised, by the name of its class."""


NONE = Span()


class _Span(Span):
    __slots__ = ("_context", "_end", "_errors", "_span", "_token", "recorded")

    def __init__(self, span: Any, errors: int = _SERVER_ERROR, context: Any = None) -> None:
        self._span = span
        self._errors = errors
        self._context = api().trace.set_span_in_context(span, context)
        self.recorded = span.is_recording()

    def __enter__(self) -> Span:
        self._token = api().context.attach(self._context)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, Exception):  # Suspended is not an error
            fail(self._span, kind.__qualname__)
        self._span.end()
        api().context.detach(self._token)

    def tell(self, **attributes: str | int | float) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(f"wsgifutures.{name}", value)

    def answered(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= self._errors:
            fail(self._span, str(status))

    def failed(self, error: BaseException) -> None:
        fail(self._span, type(error).__qualname__)


class _PassSpan(_Span):
    __slots__ = ("_view",)

    def __init__(self, span: Any, view: Callable[[], str]) -> None:
        super().__init__(span)
        self._view = view

    def __exit__(self, *raised: Any) -> None:
        self._span.set_attribute("code.function.name", self._view())
        super().__exit__(*raised)


def fail(span: Any, kind: str) -> None:
    """Mark *span* as failed; *kind* is the class of an error, or a status."""
    span.set_attribute("error.type", kind)
    span.set_status(api().trace.StatusCode.ERROR)


def of_request(environ: Mapping[str, Any]) -> Span:
    """Return the span of a request.

    Inside of another span, as of OpenTelemetry's middleware, it is a part of that span. Else it
    is the server's span, and continues the request's ``traceparent``.
    """
    maker = tracer()
    if maker is None:
        return NONE
    trace = api().trace
    if trace.get_current_span() is not trace.INVALID_SPAN:
        return _Span(maker.start_span("hold"))
    method = _method(environ["REQUEST_METHOD"])
    attributes = {
        "http.request.method": method,
        "url.path": render_path(environ.get("PATH_INFO", "")),
        "url.scheme": environ.get("wsgi.url_scheme", "http"),
    }
    names = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
    sent = {name: environ[key] for name, key in names.items() if key in environ}
    context = api().w3c.extract(sent)
    span = maker.start_span(
        "HTTP" if method == "_OTHER" else method, context, trace.SpanKind.SERVER, attributes
    )
    return _Span(span)


class JobSpan(NamedTuple):
    """What the span of an attempt at a job says: no argument, and no user."""

    task: str  #: the name of the task
    queue: str
    job: str  #: the id of the job
    attempt: int  #: its number, from 1
    submitted_in: str = ""  #: the ``traceparent`` of the request that submitted the job


def of_job(about: JobSpan) -> Span:
    """Return the span of an attempt at a job, which begins a trace.

    It links to the span of the request that submitted the job: that one has ended, and one
    request may submit thousands of jobs, which run for days.
    """
    maker = tracer()
    if maker is None:
        return NONE
    trace = api().trace
    attributes = {
        "wsgifutures.task": about.task,
        "wsgifutures.queue": about.queue,
        "wsgifutures.job": about.job,
        "wsgifutures.attempt": about.attempt,
    }
    submitter = api().w3c.extract({"traceparent": about.submitted_in}, api().context.Context())
    span = trace.get_current_span(submitter).get_span_context()
    links = [trace.Link(span)] if span.is_valid else None
    root = api().context.Context()
    return _Span(
        maker.start_span(about.task, root, trace.SpanKind.CONSUMER, attributes, links), context=root
    )


def of_pass(number: int, view: Callable[[], str]) -> Span:
    """Return the span of a pass, inside of its request's.

    Args:
        number: The number of the pass.
        view: Returns the name of the view, at the end of the pass.
    """
    if not is_recorded():
        return NONE
    span = tracer().start_span("pass", attributes={"wsgifutures.pass": number})
    return _PassSpan(span, view)


def of_call(upstream: str, method: str, base_url: str) -> Span:
    """Return the span of a call to an upstream.

    OpenTelemetry's own instrumentation of urllib3 is kept from making a second span, which
    would have the query string.
    """
    maker = tracer()
    if maker is None:
        return NONE
    trace = api().trace
    around = trace.get_current_span().get_span_context()
    if around.is_valid and not around.trace_flags.sampled:
        return NONE
    method = _method(method)
    address = urlsplit(base_url)
    attributes = {
        "http.request.method": method,
        "server.address": address.hostname,
        "server.port": address.port or (443 if address.scheme == "https" else 80),
        "wsgifutures.upstream": upstream,
    }
    span = maker.start_span(f"{method} {upstream}", None, trace.SpanKind.CLIENT, attributes)
    return _Span(span, _CLIENT_ERROR, api().context.set_value(api().suppress_http, True))


def retried(times: int) -> None:
    """Note in the span of a call how often the call was made again."""
    if is_recorded():
        api().trace.get_current_span().set_attribute("http.request.resend_count", times)


def is_recorded() -> bool:
    """Tell whether the current span is recorded, and so are the spans inside of it."""
    return api() is not None and bool(api().trace.get_current_span().is_recording())


def _method(method: str) -> str:
    """Return *method* if HTTP knows it; else the name for all others."""
    return method if method in _METHODS else "_OTHER"
