"""A configuration of gunicorn with spans: ``gunicorn -k gevent -c examples/gunicorn_traces.py …``.

Where they are sent is said by OpenTelemetry's own variables, ``OTEL_EXPORTER_OTLP_ENDPOINT``
and so on.
"""

from collective.wsgifutures import gunicorn as hold
from collective.wsgifutures.gunicorn import *  # noqa: F403


def post_worker_init(worker):
    """Set up the SDK in each worker: gevent has patched, and nothing is forked any more."""
    hold.post_worker_init(worker)

    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
