"""A job takes the way of a request, behind visitors, and is none of them."""

from .applications import echo
from .applications import log
from .applications import make_environ
from .applications import never
from .applications import page
from .applications import SECONDS
from collective.wsgifutures import future
from collective.wsgifutures import HoldCancelled
from collective.wsgifutures import HoldExpired
from collective.wsgifutures.kernel.hold import HoldState
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.runtime import WorkerStops
from collective.wsgifutures.kernel.sites import Sites
from collective.wsgifutures.kernel.sites import sites
from collective.wsgifutures.kernel.sites import SiteSettings
from collective.wsgifutures.kernel.waiting import drive
from collective.wsgifutures.wsgi.body import BytesBody
from collective.wsgifutures.wsgi.job_visit import JobVisit
from collective.wsgifutures.wsgi.job_visit import NAMELESS
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.visit import Visit
from collective.wsgifutures.wsgi.worker import Worker
from kernel.test_gate import wait_until

import dataclasses
import logging
import pytest
import threading
import time

pytestmark = pytest.mark.concurrency


@future(key="never-ends")
def never_ends():
    log.append("call")
    never.wait(SECONDS)


@future(key="takes-long")
def takes_long():
    time.sleep(0.1)
    return "long"


class Job:
    """A job that runs beside the test."""

    def __init__(
        self, worker, deadline=SECONDS, body=None, *, about=NAMELESS, error=None, **environ
    ):
        self.visit = JobVisit(worker, make_environ(**environ), deadline, about)
        self._error = error
        self.result = None
        self._body = body
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._began.wait(SECONDS)

    def _run(self):
        try:
            with self.visit as visit:
                self._began.set()
                response = drive(visit.answer(self._body))
                visit.status = int(response.status[:3])
                visit.error = self._error
                self.result = b"".join(response.send(lambda *start: None)).decode()
                response.close()
        except BaseException as error:
            self.result = error

    def end(self):
        """Wait for its end; return its text, or what it raised."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        return self.result


def worker_of(view, **settings):
    return Worker(page(view), Settings(**settings))


def is_held(job):
    return job.visit.hold.state is HoldState.WAITING


def test_job_is_published_and_held_and_published_again():
    """Its passes run in the line of jobs, and it has no slot while it waits."""
    seen = []

    def view(environ):
        seen.append((worker.gate.jobs_running, environ["PATH_INFO"]))
        return takes_long()

    worker = worker_of(view)
    job = Job(worker, PATH_INFO="/job")
    wait_until(lambda: is_held(job))
    assert (worker.gate.taken, worker.gate.jobs_running) == (0, 0)
    assert job.end() == "long"
    assert seen == [(1, "/job"), (1, "/job")]


def test_every_pass_of_a_job_reads_its_body_and_may_seek_in_it():
    """Its bytes are there already."""
    body = BytesBody(b"some bytes")
    seen = []

    def view(environ):
        file = environ["wsgi.input"]
        seen.append((file.read(), file.seek(5), file.read()))
        return echo("text")

    assert body.size == 10
    assert Job(worker_of(view), body=body, CONTENT_LENGTH="10").end() == "text"
    assert seen == [(b"some bytes", 5, b"bytes")] * 2


def test_job_is_no_request_in_the_figures_and_limits_of_a_worker(caplog):
    """It holds no visitor's response, whether it ends well or at its deadline."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    worker = worker_of(lambda environ: echo("a") + never_ends(), max_held=1, slow_request=0.0)
    before = dataclasses.asdict(worker.record)
    jobs = [Job(worker, deadline=1.0) for _ in range(3)]
    wait_until(lambda: all(is_held(job) for job in jobs))
    assert (worker.held.count, worker.refuses()) == (0, None)
    assert [type(job.end()) for job in jobs] == [HoldExpired] * 3
    assert dataclasses.asdict(worker.record) == before
    assert [record.getMessage() for record in caplog.records] == []


def test_visitor_is_published_before_a_job():
    """Though the job came first."""
    busy, go_on = threading.Event(), threading.Event()

    def view(environ):
        log.append(environ["PATH_INFO"])
        busy.set()
        assert go_on.wait(SECONDS)
        return "text"

    worker = worker_of(view, slots=1)
    first = Job(worker, PATH_INFO="/first")
    assert busy.wait(SECONDS)
    job = Job(worker, PATH_INFO="/job")
    wait_until(lambda: worker.gate.jobs_waiting == 1)

    def visit():
        with Visit(worker, make_environ(PATH_INFO="/visitor")) as visitor:
            drive(visitor.answer(None))

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    wait_until(lambda: worker.gate.waiting == 1)
    go_on.set()
    assert [first.end(), job.end(), thread.join(SECONDS)] == ["text", "text", None]
    assert [one for one in log if one != "pass"] == ["/first", "/visitor", "/job"]


def test_deadline_of_a_job_is_its_own():
    """Longer than that of responses, or shorter."""
    assert Job(worker_of(lambda environ: takes_long(), deadline=0.01)).end() == "long"
    worker = worker_of(lambda environ: never_ends(), deadline=SECONDS * 10)
    assert isinstance(Job(worker, deadline=0.05).end(), HoldExpired)


@pytest.fixture
def strict_site():
    """A site whose limits are too narrow for a job."""

    class Strict(Sites):
        def settings(self):
            return SiteSettings(deadline=0.01, max_passes=1, timeout=3.0)

    sites.insert(0, Strict())
    yield
    del sites[0]


def test_limits_that_a_site_sets_for_responses_are_not_those_of_its_jobs(strict_site):
    """Its other settings are."""
    seen = []

    def view(environ):
        value = takes_long()
        seen.append(current_pass().site.timeout)
        return value

    assert Job(worker_of(view)).end() == "long"
    assert seen == [3.0]


def test_time_in_line_is_none_of_a_jobs_time():
    """Visitors that come first cost it nothing of its deadline."""
    busy, go_on = threading.Event(), threading.Event()

    def view(environ):
        busy.set()
        assert go_on.wait(SECONDS)
        return echo("text")

    worker = worker_of(view, slots=1)
    first = Job(worker)
    assert busy.wait(SECONDS)
    job = Job(worker)
    wait_until(lambda: worker.gate.jobs_waiting == 1)
    job.visit.hold.ends_at = time.monotonic() - 1  # it has stood there for longer
    go_on.set()
    assert (first.end(), job.end()) == ("text", "text")


def test_job_is_not_given_up_while_its_last_pass_runs():
    """However long that takes: it may yet be committed."""

    def view(environ):
        try:
            never_ends()
        except HoldExpired:
            time.sleep(0.2)
            return "late"

    assert Job(worker_of(view, grace=0.01), deadline=0.05).end() == "late"


def test_error_of_a_job_arrives_and_its_hold_is_dropped():
    """Whoever runs jobs decides what becomes of it."""

    def view(environ):
        echo.submit("x")
        raise LookupError("no such page")

    job = Job(worker_of(view))
    assert isinstance(job.end(), LookupError)
    assert (job.visit.hold.done, job.visit.hold.calls) == (True, {})


def test_job_that_is_cancelled_while_it_waits_gets_its_last_pass():
    """At once."""
    job = Job(worker_of(lambda environ: never_ends()))
    wait_until(lambda: is_held(job))
    job.visit.waiter.cancel()
    assert isinstance(job.end(), HoldCancelled)
    assert log == ["pass", "call", "pass"]


def test_job_that_is_stopped_while_it_waits_is_published_no_more():
    """Another process begins it anew."""
    job = Job(worker_of(lambda environ: never_ends()))
    wait_until(lambda: "call" in log)
    began = time.monotonic()
    job.visit.stop()
    assert isinstance(job.end(), WorkerStops)
    assert time.monotonic() - began < SECONDS / 2
    assert log == ["pass", "call"]
    assert job.visit.hold.done


@pytest.fixture
def in_pass():
    """Return a job in whose first pass the test is, and a function that lets the pass go on."""
    running, go_on = threading.Event(), threading.Event()

    def begin(end):
        def view(environ):
            running.set()
            assert go_on.wait(SECONDS)
            return end()

        job = Job(worker_of(view, slots=1))
        assert running.wait(SECONDS)
        return job, go_on.set

    return begin


def test_job_that_is_stopped_while_its_last_pass_runs_ends_well(in_pass):
    """Its work is committed."""
    job, go_on = in_pass(lambda: "text")
    job.visit.stop()
    go_on()
    assert job.end() == "text"


def test_job_that_is_stopped_while_a_pass_runs_makes_no_call_after_it(in_pass):
    """Nobody would take its result."""
    job, go_on = in_pass(never_ends)
    job.visit.stop()
    go_on()
    assert isinstance(job.end(), WorkerStops)
    assert log == ["pass"]


def test_job_that_is_stopped_while_it_stands_in_line_is_not_published(in_pass):
    """It has done nothing yet."""
    first, go_on = in_pass(lambda: "text")
    job = Job(first.visit.worker)
    wait_until(lambda: job.visit.worker.gate.jobs_waiting == 1)
    job.visit.stop()
    go_on()
    assert (first.end(), type(job.end()), log) == ("text", WorkerStops, ["pass"])
    assert job.visit.hold.passes == 0


def test_hundred_jobs_and_as_many_visitors_all_end():
    """Each with its own value."""
    worker = worker_of(lambda environ: echo(environ["PATH_INFO"]), slots=3)
    ended = []

    def visit(path):
        with Visit(worker, make_environ(PATH_INFO=path)) as visitor:
            response = drive(visitor.answer(None))
            ended.append(b"".join(response.send(lambda *start: None)).decode())

    names = [f"/v{number}" for number in range(100)]
    threads = [threading.Thread(target=visit, args=(name,), daemon=True) for name in names]
    jobs = []
    for number, thread in enumerate(threads):
        thread.start()
        jobs.append(Job(worker, PATH_INFO=f"/j{number}"))
    assert [job.end() for job in jobs] == [f"/j{number}" for number in range(100)]
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(ended) == sorted(names)
    assert (worker.record.requests, worker.gate.taken, worker.gate.jobs_running) == (100, 0, 0)
