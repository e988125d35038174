"""The trace that a request belongs to: one id in logs, spans and headers.

The id is that of OpenTelemetry's current span; without a span, that of the request's
``traceparent`` (W3C Trace Context); without either, a new id. If no spans are made here,
upstreams' calls send on the headers that came in.
"""

from ..kernel.executors.carried import carry
from . import spans
from collections.abc import Mapping
from contextvars import Context
from contextvars import ContextVar
from typing import Any
from typing import NamedTuple

import logging
import re
import uuid

#: A ``traceparent``: version, id of the trace, id of the caller's span, flags. Later versions
#: may have more fields.
_PARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

#: How many characters these fields have.
_LENGTH = 55

#: The largest number of characters of a ``tracestate`` that is sent on.
_LONGEST_STATE = 512


class Trace(NamedTuple):
    """The trace of one request."""

    id: str  #: 32 hexadecimal digits
    parent: str = ""  #: the ``traceparent`` that came in; empty if there was no valid one
    state: str = ""  #: the ``tracestate`` that came in with it


#: The trace of the request whose passes and futures run in this context.
current: ContextVar[Trace | None] = ContextVar("wsgifutures.trace", default=None)


def begin(environ: Mapping[str, Any]) -> tuple[Trace, spans.Span]:
    """Return the trace of an incoming request, and its span, which is the current one now."""
    api = spans.api()
    span = spans.NONE
    if api is not None and not isinstance(
        api.trace.get_tracer_provider(), api.trace.ProxyTracerProvider
    ):
        span = spans.of_request(environ)
        span.__enter__()
    return of(environ), span


def begin_job(about: spans.JobSpan) -> tuple[Trace, spans.Span]:
    """Return the trace of an attempt at a job, and its span, which is the current one now.

    The trace is the attempt's own; its span links to the one of the request that submitted it.
    """
    span = spans.of_job(about)
    span.__enter__()
    return Trace(_current_span() if span is not spans.NONE else uuid.uuid4().hex), span


def of(environ: Mapping[str, Any]) -> Trace:
    """Return the trace of an incoming request whose span is the current one."""
    header = environ.get("HTTP_TRACEPARENT")
    parent = _read(header) if header else ""
    state = environ.get("HTTP_TRACESTATE", "") if parent else ""
    found = _current_span() or parent[3:35] or uuid.uuid4().hex
    return Trace(found, parent, state if len(state) <= _LONGEST_STATE else "")


def _current_span() -> str:
    """Return the id of the trace of the current span; empty if there is no span."""
    api = spans.api()
    if api is None:
        return ""
    context = api.trace.get_current_span().get_span_context()
    return str(api.trace.format_trace_id(context.trace_id)) if context.is_valid else ""


def headers() -> dict[str, str]:
    """Return the headers that make a call to another service a part of the trace.

    They are those of OpenTelemetry's current span; without a span, those that came in. A trace
    that begins here, and that nobody records, is not sent on.
    """
    here = current.get()
    sent = spans.headers()
    if sent or here is None or not here.parent:
        return sent
    return {"traceparent": here.parent, **({"tracestate": here.state} if here.state else {})}


def take_trace() -> tuple[Trace | None, dict[str, str]] | None:
    """Return what lets a call in another process belong to this trace; None: there is none."""
    here, sent = current.get(), spans.headers()
    return (here, sent) if here is not None or sent else None


def put_trace(taken: tuple[Trace | None, dict[str, str]]) -> None:
    """Let what runs in this context belong to the trace that was taken elsewhere."""
    here, sent = taken
    current.set(here)
    spans.attach(sent)


carry(take_trace, put_trace)


def alone() -> Context:
    """Return a context that has only the trace of the current context."""
    context = Context()
    context.run(current.set, current.get())
    spans.carry_into(context)
    return context


def current_id() -> str:
    """Return the id of the current request's trace, or an empty text without a request."""
    here = current.get()
    return here.id if here is not None else ""


class TraceId(logging.Filter):
    """Give each record of a handler the field ``trace_id``, for a site's own lines too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the field, and let every record pass."""
        record.__dict__.setdefault("trace_id", current_id())
        return True


def _read(header: str) -> str:
    """Return the known fields of a ``traceparent``, or an empty text if it is not valid."""
    found = _PARENT.match(header.strip())
    if found is None:
        return ""
    rest = header.strip()[_LENGTH:]
    valid = not rest if found[1] == "00" else not rest or rest.startswith("-")
    return found[0] if valid else ""
