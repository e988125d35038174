"""A job whose worker stops: its wait ends, a pass that runs does not."""

from .applications import log
from .applications import SECONDS
from .test_job_visit import is_held
from .test_job_visit import Job
from .test_job_visit import never_ends
from .test_job_visit import worker_of
from collective.wsgifutures.kernel.runtime import WorkerStops
from kernel.test_gate import wait_until

import gevent
import gevent.event
import pytest

pytestmark = pytest.mark.concurrency


def test_stop_of_the_worker_reaches_a_job_that_is_held():
    """It is published no more, and its call is ended."""
    job = Job(worker_of(lambda environ: never_ends()))
    wait_until(lambda: is_held(job) and "call" in log)
    job.visit.worker.interrupts.stop()
    assert isinstance(job.end(), WorkerStops)
    assert (log, job.visit.hold.done) == (["pass", "call"], True)


def test_stop_of_the_worker_does_not_reach_a_pass_of_a_job():
    """Who runs the job has to know how the pass ends: it may be committed."""
    go_on = gevent.event.Event()

    def view(environ):
        log.append("view")
        assert go_on.wait(SECONDS)
        return "text"

    job = Job(worker_of(view))
    wait_until(lambda: "view" in log)
    job.visit.worker.interrupts.stop()
    gevent.sleep(0.01)
    assert job.result is None
    go_on.set()
    assert job.end() == "text"
