"""The site is away, busy, or does not want this worker: it waits, and says so once."""

from conftest import running
from conftest import wait_until
from standin import Answer
from standin import serving
from standin import StandIn
from wsgifutures_worker import pauses
from wsgifutures_worker import Worker
from wsgifutures_worker.keys import load_key

import datetime
import email.utils
import logging
import pytest
import socket
import time


def doing(worker):
    worker.does("ocr")(lambda job: "done")
    return worker


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_site_that_cannot_answer_is_asked_again(site, make_worker, status, caplog):
    """With pauses; the log has one line for it, and one for the end."""
    caplog.set_level(logging.INFO)
    site.trouble["/@jobs/claim"] += [Answer(status, {"message": "busy"})] * 4
    with running(doing(make_worker())):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
    words = ": busy" if status == 429 else ""
    told = [text for text in warnings(caplog) if site.url in text]
    assert told == [f"{site.url}: answers with {status}{words}. It is tried again."]
    assert f"{site.url}: works again." in caplog.text


def test_a_site_that_is_not_there_yet_is_waited_for(key, caplog):
    """No connection is as good as 503."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    worker = doing(Worker(f"http://127.0.0.1:{port}/plone", queues=["ocr"], key=key))
    with running(worker):
        wait_until(lambda: "does not answer (ConnectionError)" in caplog.text)
        with serving(StandIn(), port) as late:
            late.approve(load_key(key), "ocr")
            job = late.submit("ocr")
            wait_until(lambda: job.state == "done")
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept_to(site, make_worker, form):
    """Whether it comes in seconds or as a date."""
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2.9)
    value = "2" if form == "seconds" else email.utils.format_datetime(then, usegmt=True)
    site.trouble["/@jobs/claim"].append(Answer(503, None, Retry_After=value))
    job = site.submit("ocr")
    begun = time.monotonic()
    with running(doing(make_worker())):
        wait_until(lambda: job.state == "done")
    assert time.monotonic() - begun > 1.5


def test_pauses_grow_have_an_end_and_differ(monkeypatch):
    """Many workers do not come back in the same second."""
    monkeypatch.setattr(pauses, "FIRST", 1.0)
    backoff = pauses.Backoff()
    many = [backoff.next() for _ in range(200)]
    assert many[0] <= 1.0 < many[2] < 5.0
    assert 30 <= min(many[10:]) < max(many[10:]) <= 60
    assert len(set(many[10:])) > 150
    assert backoff.next(100) > 100
    assert backoff.next(10**9) <= 3660
    backoff.reset()
    assert backoff.next() <= 1.0


def test_a_lost_answer_is_asked_for_with_the_same_key(site, make_worker):
    """The same claim again: the job is not left lying until its lease is over."""
    site.trouble["/@jobs/claim"].append("lose")
    job = site.submit("ocr")
    with running(doing(make_worker())):
        wait_until(lambda: job.state == "done")
    assert (job.generation, job.attempt) == (1, 0)
    assert job.log[0] == "claimed"


def test_a_claim_after_a_lost_answer_is_renewed_at_once(site, make_worker):
    """A part of its lease is gone already."""
    site.trouble["/@jobs/claim"].append("lose")
    worker = make_worker()
    worker.does("ocr")(lambda job: wait_until(lambda: "heartbeat" in record.log))
    record = site.submit("ocr")
    with running(worker):
        wait_until(lambda: record.state == "done")


def test_each_claim_has_another_key(site, make_worker):
    """Else the site would give the same job."""
    jobs, keys = [site.submit("ocr") for _ in range(3)], set()
    worker = make_worker()
    worker.does("ocr")(lambda job: keys.add(site.jobs[job.id].claim_key))
    with running(worker):
        wait_until(lambda: all(job.state == "done" for job in jobs))
    assert len(keys) == 3


def test_the_workers_token_is_kept_until_shortly_before_its_end(site, make_worker):
    """One token for many claims; another one in time."""
    jobs = [site.submit("ocr") for _ in range(5)]
    with running(doing(make_worker())):
        wait_until(lambda: all(job.state == "done" for job in jobs))
        assert len([1 for _, path, _ in site.seen if path == "/@token"]) == 1


def test_a_token_that_nears_its_end_is_not_used_any_more(site, make_worker):
    """A quarter of its time is left then, a minute at most."""
    site.token_lifetime = 2
    with running(doing(make_worker())):
        for _ in range(3):
            job = site.submit("ocr")
            wait_until(lambda job=job: job.state == "done")
            time.sleep(0.8)
    answered = [path for _, path, _ in site.seen if path in ("/@token", "/@jobs/claim")]
    assert answered.count("/@token") >= 2


def test_a_token_that_is_refused_is_renewed_once(site, make_worker):
    """The site may have got new keys meanwhile."""
    refusal = Answer(401, {"message": "who are you"})
    site.trouble["/@jobs/claim"].append(refusal)
    job = site.submit("ocr")
    with running(doing(make_worker())):
        wait_until(lambda: job.state == "done")
    paths = [path for _, path, _ in site.seen][:5]
    assert paths[:4] == ["/@token", "/@jobs/claim", "/@token", "/@jobs/claim"]


def test_a_worker_that_is_not_approved_waits_and_says_what_to_do(site, key, caplog):
    """Once; it begins as soon as an administrator has approved it."""
    own = load_key(key)
    site.workers[own.id] = {"jwk": own.jwk, "state": "pending", "queues": []}
    job = site.submit("ocr")
    with running(doing(Worker(site.url, queues=["ocr"], key=key))):
        wait_until(lambda: len([1 for _, path, _ in site.seen if path == "/@token"]) > 3)
        (told,) = warnings(caplog)
        site.approve(own, "ocr")
        wait_until(lambda: job.state == "done")
    assert "The worker is pending" in told
    assert f"its fingerprint is {own.fingerprint}" in told


def test_a_withdrawn_worker_is_told_so_and_waits(site, make_worker, key, caplog):
    """At the next claim."""
    with running(doing(make_worker(wait=0.3))):
        wait_until(lambda: site.waits)
        site.withdraw(load_key(key))
        wait_until(lambda: "The worker is withdrawn" in caplog.text)
        job = site.submit("ocr")
        time.sleep(0.5)
        assert job.state == "waiting"


def test_a_queue_that_is_not_approved_is_named(site, make_worker, caplog):
    """As the site says it."""
    with running(doing(make_worker(queues=["ocr", "faces"]))):
        wait_until(lambda: "403 not approved for faces" in caplog.text)


def test_a_site_that_lets_nobody_wait_is_asked_when_it_says_so(site, make_worker, caplog):
    """Without a warning, and not in a loop."""
    site.lets_wait = False
    with running(doing(make_worker())):
        time.sleep(2.5)
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
    assert 2 <= len(site.waits) <= 6
    assert warnings(caplog) == []


def test_a_redirect_is_not_followed(site, make_worker, caplog):
    """The token would go with it."""
    to = "https://elsewhere.example.com/@jobs/claim"
    site.always["/@jobs/claim"] = Answer(302, None, Location=to)
    with running(doing(make_worker())):
        wait_until(lambda: "redirects to https://elsewhere.example.com" in caplog.text)


def test_an_answer_of_something_else_is_no_claim(site, make_worker, caplog):
    """A page of a proxy that is shown with 200."""
    site.trouble["/@jobs/claim"].append(Answer(200, b"<html>Maintenance</html>"))
    site.trouble["/@jobs/claim"].append(Answer(200, {"hello": "world"}))
    job = site.submit("ocr")
    with running(doing(make_worker())):
        wait_until(lambda: job.state == "done")
    assert "not JSON" in caplog.text
    assert "no claim that this worker understands" in caplog.text
