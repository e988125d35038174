"""Spans of OpenTelemetry, where its API is installed."""

from typing import Any

import functools


@functools.cache
def _api() -> Any:
    """Return OpenTelemetry's API, None where it is not installed."""
    try:
        import opentelemetry.trace as api  # never at the top: it makes a lock
    except ImportError:
        return None
    return api


def current_trace() -> str:
    """Return the id of the trace of the span that is current here; empty: there is none."""
    api = _api()
    if api is None:
        return ""
    context = api.get_current_span().get_span_context()
    return api.format_trace_id(context.trace_id) if context.is_valid else ""
