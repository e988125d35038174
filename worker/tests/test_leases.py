"""A claim is kept as long as its job runs, and given up when the site says so."""

from conftest import running
from conftest import wait_until
from contextlib import contextmanager
from standin import Answer
from wsgifutures_worker import held

import pytest
import threading
import time


@pytest.fixture
def short(site):
    """Leases of two seconds."""
    site.lease = 2.0
    return site


@contextmanager
def busy(site, worker):
    """Let *worker* be busy with a job until the test says so.

    Gives the site's record of the job, the job, and the event that lets it end.
    """
    go, seen = threading.Event(), []

    @worker.does("ocr")
    def ocr(job):
        seen.append(job)
        go.wait(20)
        return job.cancelled

    with running(worker):
        record = site.submit("ocr")
        wait_until(lambda: seen)
        yield record, seen[0], go


def test_a_job_that_takes_longer_than_its_lease_keeps_it(short, make_worker):
    """Heartbeats, each at a third of the lease, or a second."""
    with busy(short, make_worker()) as (record, _, go):
        time.sleep(4.5)
        go.set()
        wait_until(lambda: record.state == "done")
    assert short.verbs(record) == ["claimed", "heartbeat", "complete"]
    assert 3 <= record.log.count("heartbeat") <= 5


def test_heartbeats_end_with_the_job(short, make_worker):
    """A done job is left alone."""
    worker = make_worker()
    worker.does("ocr")(lambda job: None)
    with running(worker):
        job = short.submit("ocr")
        wait_until(lambda: job.state == "done")
        time.sleep(1.5)
    assert job.log == ["claimed", "complete"]


def test_a_token_is_renewed_by_each_heartbeat(short, make_worker):
    """The session sends the newest."""
    worker, tokens = make_worker(), []
    short.pages["/doc/page"] = "page"

    @worker.does("ocr")
    def ocr(job):
        for _ in range(2):
            job.get("page")
            time.sleep(1.5)

    with running(worker):
        job = short.submit("ocr")
        wait_until(lambda: job.state == "done")
    tokens = [auth for _, path, auth in short.seen if path == "/doc/page"]
    assert len(set(tokens)) == 2


def test_a_cancelled_job_learns_of_it(short, make_worker):
    """By the next heartbeat."""
    with busy(short, make_worker()) as (record, job, go):
        assert not job.cancelled
        short.cancel(record)
        wait_until(lambda: job.cancelled)
        go.set()
        wait_until(lambda: record.state == "done")


def test_a_lost_claim_is_given_up(short, make_worker, caplog):
    """409: the job is cancelled here, its result is not sent, the log says why."""
    with busy(short, make_worker()) as (record, job, go):
        short.steal(record)
        wait_until(lambda: job.cancelled)
        go.set()
        wait_until(lambda: short.waiting)
    assert "complete" not in record.log
    assert "the claim is lost, its result is dropped: 409 another claim has it" in caplog.text


def test_a_result_that_comes_too_late_is_dropped(site, make_worker, caplog):
    """The site says 409 to it, and the worker goes on."""
    with busy(site, make_worker()) as (record, _, go):
        site.steal(record)
        go.set()
        wait_until(lambda: "is lost" in caplog.text)
        again = site.submit("ocr")
        wait_until(lambda: again.state == "done")
    assert (record.state, record.result) == ("running", None)


def test_progress_is_told_seldom(site, make_worker, monkeypatch):
    """The newest, without a wait for the function; not before the site would write it."""
    monkeypatch.setattr(held, "PROGRESS_SECONDS", 0.5)
    worker = make_worker()

    @worker.does("ocr")
    def ocr(job):
        for page in range(100):
            job.progress(page / 100, f"{page} of 100")
            time.sleep(0.01)
        wait_until(lambda: record.progress[-1][0] == 0.99)

    with running(worker):
        record = site.submit("ocr")
        wait_until(lambda: record.state == "done")
    assert record.progress[-1] == (0.99, "99 of 100")
    assert 2 <= len(record.progress) <= 5
    assert record.progress[0][0] > 0.2


def test_progress_is_from_0_to_1(site, make_worker):
    """Per cents are a mistake that is told."""
    site.attempts = 1
    worker = make_worker()
    worker.does("ocr")(lambda job: job.progress(50))
    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "dead")
    assert job.error == "ValueError: done has to be from 0 to 1, and is 50."


def test_a_heartbeat_without_an_answer_is_sent_again_soon(short, make_worker):
    """The lease is not lost by one 502 of a proxy."""
    with busy(short, make_worker()) as (record, _, go):
        short.trouble["/heartbeat"] += [Answer(502), Answer(504), "lose"]
        time.sleep(4)
        go.set()
        wait_until(lambda: record.state == "done")
    assert "rescued" not in record.log
    assert record.generation == 1


def test_a_result_is_sent_until_the_site_is_back(site, make_worker):
    """Repeatable by the protocol: done once."""
    site.trouble["/complete"] += [Answer(503), Answer(502), "lose", Answer(504)]
    worker = make_worker()
    worker.does("ocr")(lambda job: "result")
    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: not site.trouble["/complete"])
        wait_until(lambda: job.log.count("complete") == 2)
    assert (job.state, job.result, job.attempt) == ("done", "result", 0)


def test_a_result_is_not_sent_any_more_when_the_lease_is_over(short, make_worker, caplog):
    """Somebody else has the job then."""
    short.always["/complete"] = Answer(503)
    worker = make_worker()

    @worker.does("ocr")
    def ocr(job):
        short.always["/@jobs/claim"] = Answer(204)
        return "result"

    with running(worker):
        short.submit("ocr")
        wait_until(lambda: "its lease is over, nobody was told: complete" in caplog.text)
        sent = len([1 for _, path, _ in short.seen if path.endswith("complete")])
        time.sleep(1)
        assert len([1 for _, path, _ in short.seen if path.endswith("complete")]) == sent
