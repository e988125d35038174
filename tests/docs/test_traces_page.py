"""The page of logs and traces names each field and each attribute that there is, and no other."""

from collective.wsgifutures import future
from collective.wsgifutures import Upstream
from collective.wsgifutures.kernel.waiting import drive
from collective.wsgifutures.wsgi import journal
from collective.wsgifutures.wsgi import visit
from collective.wsgifutures.wsgi.job_visit import JobVisit
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from test_docs import rows_of
from wsgiref.util import setup_testing_defaults

import inspect
import logging
import pytest
import re
import sys

PAGE = "howto/traces.rst"

nowhere = Upstream("nowhere", "http://127.0.0.1:1", retries=1)


@future(key="fails")
def fails():
    raise ValueError


@pytest.fixture(autouse=True)
def no_zope(monkeypatch):
    """Forget that other pages' code has loaded Zope: here a plain application is served."""
    monkeypatch.delitem(sys.modules, "ZPublisher.WSGIPublisher", raising=False)


def ask():
    """Ask behind the hold for a page that waits twice, for what fails."""

    def app(environ, start_response):
        errors = [fails.submit().exception(), nowhere.get.submit("/").exception()]
        start_response("200 OK", [])
        return [repr(errors).encode()]

    environ = {}
    setup_testing_defaults(environ)
    worker = Worker(app, Settings(slow_request=0.0))
    return b"".join(Middleware(worker)(environ, lambda *start: None))


def do_a_job():
    """Publish a job that waits for nothing."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b""]

    environ = {}
    setup_testing_defaults(environ)
    with JobVisit(Worker(app, Settings()), environ, 1.0) as visit:
        drive(visit.answer(None)).close()


def names_in(rows):
    return {name for first, *_ in rows for name in re.findall(r"``([\w.]+)``", first)}


def test_fields_of_a_record_are_those_of_the_page(caplog):
    """Each has a row."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    ask()
    (record,) = [one for one in caplog.records if one.name == journal.__name__]
    plain = {*vars(logging.makeLogRecord({})), "message"}
    assert names_in(rows_of(PAGE, "fields")) == set(vars(record)) - plain


def test_ends_of_a_response_are_those_of_the_page():
    """All words that the code may say."""
    known = set(visit._ENDS.values())
    known |= set(re.findall(r'"(\w+)"', inspect.getsource(visit.Visit._describe_end)))
    assert names_in(rows_of(PAGE, "ends")) == known


def test_attributes_of_spans_are_those_of_the_page(monkeypatch):
    """Each that is recorded has a row, and each row but the one of an answer is recorded here."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    ask()
    do_a_job()
    recorded = {name for span in exporter.get_finished_spans() for name in span.attributes}
    assert recorded == names_in(rows_of(PAGE, "attributes"))
