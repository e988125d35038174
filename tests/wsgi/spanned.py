"""What futures do in the tests of spans: a process of its own imports this."""

from opentelemetry.sdk.trace import TracerProvider

import time


def make_a_span(secret=""):
    """Make a span, as a site's own code does; return the ids of its trace and of its parent."""
    span = TracerProvider().get_tracer("site").start_span("own")
    parent = span.parent
    return (parent.trace_id, parent.span_id) if parent is not None else None


async def make_a_span_in_a_task():
    return make_a_span()


def sleep_in_a_process(seconds):
    time.sleep(seconds)
    return seconds


def fail_in_a_process(number):
    raise KeyError(number)
