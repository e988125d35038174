"""How a worker ends: in real processes, by signals."""

from conftest import wait_until
from standin import Answer

import pytest
import signal
import time

BUSY = """
@worker.does("ocr")
def ocr(job):
    end = time.monotonic() + float(job.args[0])
    while time.monotonic() < end:
        time.sleep(0.05)
    return "done"
"""
PLACES = pytest.mark.parametrize("executor", ["threads", "processes"])


def start_busy(site, start_program, seconds, jobs=1, **options):
    """Start a program that is busy with a job for so many seconds."""
    program = start_program(BUSY, concurrency=jobs, **options)
    submitted = [site.submit("ocr", seconds) for _ in range(jobs)]
    wait_until(lambda: all(job.state == "running" for job in submitted))
    time.sleep(1.0)  # a process takes a while to start
    return program, *submitted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_waits_stops_at_once(site, start_program, number):
    """It does not wait for the end of its claim, and a job that comes then stays."""
    program = start_program(BUSY)
    wait_until(lambda: site.waiting)
    begun = time.monotonic()
    program.stop(number)
    assert program.wait() == 0
    assert time.monotonic() - begun < 3
    job = site.submit("ocr", 0)
    time.sleep(0.5)
    assert job.state == "waiting"
    assert "Traceback" not in program.log


@PLACES
def test_a_job_that_runs_may_end(site, start_program, executor):
    """Within the grace; nothing more is claimed."""
    program, job = start_busy(site, start_program, 3, executor=executor, grace=20)
    another = site.submit("ocr", 0)
    program.stop()
    assert program.wait() == 0
    assert (job.state, job.result) == ("done", "done")
    assert another.state == "waiting"


@PLACES
def test_a_job_that_outlasts_the_grace_is_released(site, start_program, executor):
    """The site may give it to another worker at once; that was no attempt."""
    program, job = start_busy(site, start_program, 60, executor=executor, grace=0.5)
    begun = time.monotonic()
    program.stop()
    assert program.wait() == 0
    assert time.monotonic() - begun < 5
    assert (job.state, job.attempt, site.verbs(job)) == ("waiting", 0, ["claimed", "release"])


@pytest.mark.parametrize("after", [0.0, 0.004, 0.008, 0.016, 0.03])
def test_a_signal_while_a_job_begins_is_heard(site, start_program, after):
    """At each point of it: before the main thread waits again, and while a process is made."""
    program = start_program(BUSY, executor="processes", grace=0.3)
    job = site.submit("ocr", 60)
    wait_until(lambda: job.state == "running")
    time.sleep(after)
    program.stop()
    assert program.wait(10) == 0
    assert site.verbs(job) == ["claimed", "release"]


@PLACES
def test_a_second_signal_releases_at_once(site, start_program, executor):
    """All of the jobs."""
    program, *jobs = start_busy(site, start_program, 60, jobs=2, executor=executor, grace=60)
    program.stop()
    wait_until(lambda: "Stopping" in program.log)
    begun = time.monotonic()
    program.stop()
    assert program.wait() == 0
    assert time.monotonic() - begun < 5
    assert [site.verbs(job) for job in jobs] == [["claimed", "release"]] * 2


def test_a_worker_that_cannot_release_ends_all_the_same(site, start_program):
    """Plone is away: the lease ends by itself."""
    program, job = start_busy(site, start_program, 60, grace=0.2)
    site.always["/release"] = Answer(503)
    program.stop()
    assert program.wait(12) == 0
    assert job.state == "running"
    assert "its lease is over, nobody was told: release" in program.log


def test_a_claim_that_was_answered_while_the_worker_hung_up_is_released(site, start_program):
    """The same key again: what the answer would have been."""
    program = start_program(BUSY)
    wait_until(lambda: site.waiting)
    site.forgets_who_waits = True
    job = site.submit("ocr", 60)
    (asked,) = site.claims_asked
    site._give(job, asked["worker"], asked["key"])  # the answer is under way, and never arrives
    program.stop()
    assert program.wait() == 0
    assert site.verbs(job) == ["claimed", "release"]


def test_a_killed_worker_leaves_its_job_to_the_lease(site, start_program):
    """kill -9: the site rescues the job when the lease is over."""
    site.lease = 2.0
    program, job = start_busy(site, start_program, 60, executor="processes")
    program.process.kill()
    program.wait()
    time.sleep(2.2)
    with site._changed:
        site._rescue()
    assert job.state == "waiting"
