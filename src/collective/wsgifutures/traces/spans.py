"""Spans of OpenTelemetry: one for each request, in it one for each pass and each future.

Its API is optional. Where it is there nothing is done before somebody has set up what
records spans, the SDK. A request that is not sampled has one span, which is not recorded,
and none inside. What is told is times, names and numbers: no query string, header,
argument, or text of an error.

The span of a request is ours and not ``opentelemetry-instrumentation-wsgi``'s, which has the query
string, the user agent, and the text of an error. Measured with its 0.66b1: 0.1 ms more CPU for a
request; it hides ``wsgi.file_wrapper`` from the server, and closes no body that was never read.
"""

from .paths import render_path
from collections.abc import Callable
from collections.abc import Mapping
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import contextvars
import functools

#: What makes the spans, for OpenTelemetry.
NAME = "collective.wsgifutures"

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)

#: A status from here on is an error of who answers, or of who asks.
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


@functools.cache
def api() -> Any:
    """Return what is needed of OpenTelemetry's API, None where it is not installed."""
    try:
        from opentelemetry import context  # never at the top: it makes a lock
        from opentelemetry import trace
        from opentelemetry.trace.propagation import tracecontext
    except ImportError:
        return None
    w3c = tracecontext.TraceContextTextMapPropagator()
    # Its name is not public, and is used by all of OpenTelemetry's own instrumentations.
    told = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
    return SimpleNamespace(trace=trace, context=context, w3c=w3c, told=told)


@functools.lru_cache(maxsize=4)
def _tracer_of(provider: Any) -> Any:
    return provider.get_tracer(NAME, version(NAME))


def tracer() -> Any:
    """Return what makes spans; None where nobody has set up what records them."""
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
    """Let what runs in *context* belong to the current span, and nothing else of here."""
    if api() is None:
        return
    trace = api().trace
    span = trace.NonRecordingSpan(trace.get_current_span().get_span_context())
    inner = trace.set_span_in_context(span, api().context.Context())
    context.run(api().context.attach, api().context.set_value(api().told, True, inner))


class Span:
    """A context in which a span is the current one. This one does nothing: it is none."""

    __slots__ = ()

    recorded = False

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """End it; what is raised is told by the name of its class."""

    def tell(self, **attributes: str | int | float) -> None:
        """Add attributes of this package's own."""

    def answered(self, status: int) -> None:
        """Tell the status of the answer."""


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
        if isinstance(error, Exception):  # Suspended is none
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


class _PassSpan(_Span):
    __slots__ = ("_view",)

    def __init__(self, span: Any, view: Callable[[], str]) -> None:
        super().__init__(span)
        self._view = view

    def __exit__(self, *raised: Any) -> None:
        self._span.set_attribute("code.function.name", self._view())
        super().__exit__(*raised)


def fail(span: Any, kind: str) -> None:
    """Tell that what *span* is of failed: the class of an error, or a status."""
    span.set_attribute("error.type", kind)
    span.set_status(api().trace.StatusCode.ERROR)


def of_request(environ: Mapping[str, Any]) -> Span:
    """Return the span of a request.

    Inside of another one, of a middleware of OpenTelemetry's say, it is a part of that. Else
    it is the server's, and continues the request's ``traceparent``.
    """
    maker = tracer()
    if maker is None:
        return NONE
    trace = api().trace
    if trace.get_current_span() is not trace.INVALID_SPAN:
        return _Span(maker.start_span("hold"))
    method = _method(environ["REQUEST_METHOD"])
    told = {
        "http.request.method": method,
        "url.path": render_path(environ.get("PATH_INFO", "")),
        "url.scheme": environ.get("wsgi.url_scheme", "http"),
    }
    names = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
    sent = {name: environ[key] for name, key in names.items() if key in environ}
    context = api().w3c.extract(sent)
    span = maker.start_span(
        "HTTP" if method == "_OTHER" else method, context, trace.SpanKind.SERVER, told
    )
    return _Span(span)


def of_pass(number: int, view: Callable[[], str]) -> Span:
    """Return the span of a pass, in that of its request.

    Args:
        number: Which pass it is.
        view: Tells what was published, at its end.
    """
    if not is_recorded():
        return NONE
    span = tracer().start_span("pass", attributes={"wsgifutures.pass": number})
    return _PassSpan(span, view)


def of_call(upstream: str, method: str, base_url: str) -> Span:
    """Return the span of a call to an upstream.

    OpenTelemetry's own instrumentation of urllib3 is told not to make a second one, which
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
    where = urlsplit(base_url)
    told = {
        "http.request.method": method,
        "server.address": where.hostname,
        "server.port": where.port or (443 if where.scheme == "https" else 80),
        "wsgifutures.upstream": upstream,
    }
    span = maker.start_span(f"{method} {upstream}", None, trace.SpanKind.CLIENT, told)
    return _Span(span, _CLIENT_ERROR, api().context.set_value(api().told, True))


def retried(times: int) -> None:
    """Tell in the span of a call how often it was made again."""
    if is_recorded():
        api().trace.get_current_span().set_attribute("http.request.resend_count", times)


def is_recorded() -> bool:
    """Tell whether the current span is recorded, and so those inside of it are."""
    return api() is not None and bool(api().trace.get_current_span().is_recording())


def _method(method: str) -> str:
    """Return a method of HTTP; one that is made up has no name of its own."""
    return method if method in _METHODS else "_OTHER"
