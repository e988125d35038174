"""A view whose futures make spans of their own, whatever runs them."""

from .upstreams import SECRET
from .upstreams import UPSTREAMS
from .views import View
from collective.wsgifutures import future
from collective.wsgifutures import gather
from opentelemetry import trace

import asyncio
import sys
import time


def set_up():
    """Record spans in the helper, too: it is another process, and imports this module."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


if "gevent" not in sys.modules:  # the worker is set up by gunicorn's configuration
    set_up()

tracer = trace.get_tracer("holdtests")


def in_a_span(kind, secret):
    with tracer.start_as_current_span(f"own {kind}"):
        time.sleep(0.05)
    return kind


@future(key="in a greenlet")
def in_a_greenlet(secret):
    return in_a_span("greenlet", secret)


@future(key="in a thread", executor="threads")
def in_a_thread(secret):
    return in_a_span("thread", secret)


@future(key="in a task")
async def in_a_task(secret):
    with tracer.start_as_current_span("own task"):
        await asyncio.sleep(0.05)
    return "task"


@future(key="in a process", executor="processes")
def in_a_process(secret):
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)


class Traced(View):
    """Asks all of them at once, and then an upstream."""

    def __call__(self):
        with tracer.start_as_current_span("own view"):
            kinds = [in_a_greenlet, in_a_thread, in_a_task, in_a_process]
            told = gather(*(kind.submit(SECRET) for kind in kinds))
        answer = UPSTREAMS["plain"].get(f"/{SECRET}/{self.text}", params={"key": SECRET})
        return " ".join([*told, str(answer.status)])
