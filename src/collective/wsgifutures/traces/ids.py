"""Which trace a request belongs to: one id in all that is told of it.

It is that of OpenTelemetry's current span where there is one, else that of the request's
``traceparent`` (W3C Trace Context), else a new one. What came in is sent on by the calls of
upstreams where nobody makes spans here.
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

#: What a ``traceparent`` is: version, id of the trace, id of who asks, flags. Later versions
#: may have more behind it.
_PARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_LENGTH = 55

#: A ``tracestate`` is sent on up to so many characters.
_LONGEST_STATE = 512


class Trace(NamedTuple):
    """Of one request."""

    id: str  #: 32 hexadecimal digits
    parent: str = ""  #: the ``traceparent`` that came in; empty: none that can be read
    state: str = ""  #: the ``tracestate`` that came with it


#: The one of the request whose passes and futures run here.
current: ContextVar[Trace | None] = ContextVar("wsgifutures.trace", default=None)


def of(environ: Mapping[str, Any]) -> Trace:
    """Return the trace of a request that comes in."""
    parent = _read(environ.get("HTTP_TRACEPARENT", ""))
    state = environ.get("HTTP_TRACESTATE", "") if parent else ""
    found = spans.current_trace() or parent[3:35] or uuid.uuid4().hex
    return Trace(found, parent, state if len(state) <= _LONGEST_STATE else "")


def headers() -> dict[str, str]:
    """Return the headers with which a call to somebody else is a part of the trace.

    Those of OpenTelemetry's current span. Where there is none, those that came in: a trace
    that begins here, and that nobody records, is not for others to decide by.
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
    """Return a context that has nothing of this one but the trace."""
    context = Context()
    context.run(current.set, current.get())
    spans.carry_into(context)
    return context


def current_id() -> str:
    """Return the id of the trace of the request that this runs for; empty: there is none."""
    here = current.get()
    return here.id if here is not None else ""


class TraceId(logging.Filter):
    """Give each record of a handler the field ``trace_id``, for a site's own lines too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass."""
        record.__dict__.setdefault("trace_id", current_id())
        return True


def _read(header: str) -> str:
    """Return a ``traceparent`` without what a later version has behind it; empty: it is none."""
    found = _PARENT.match(header.strip())
    if found is None:
        return ""
    rest = header.strip()[_LENGTH:]
    good = not rest if found[1] == "00" else not rest or rest.startswith("-")
    return found[0] if good else ""
