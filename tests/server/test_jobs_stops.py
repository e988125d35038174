"""What becomes of jobs at a stop: those that end in time are done, the others wait for the next."""

from jobsites import Books
from processes import BIN
from processes import Process
from processes import Server
from processes import wait_until
from subprocess import TimeoutExpired

import pytest
import signal

pytestmark = pytest.mark.operation


def submit(server, *names, **form):
    answer = server.post("@@jobs-submit", data={"names": " ".join(names), **form})
    answer.raise_for_status()
    return answer.json()


def books(server):
    return Books(server.get("@@jobs-audit").json())


def wait_for(server, count, *states):
    """Wait until so many jobs are in one of the *states*."""

    def there():
        return sum(job[0] in states for job in books(server).jobs.values()) == count

    wait_until(there)


def stop(server):
    """Stop gunicorn as systemd does; return its log, which the next start overwrites."""
    server.process.signal(signal.SIGTERM)
    assert server.process.wait() == 0
    return server.process.output


@pytest.mark.parametrize("task", ["write_down", "sleep_in_place"])
def test_a_job_that_ends_in_time_is_done_by_the_worker_that_stops(
    started, new_instance, service, task
):
    """SIGTERM, while it waits for a future, or keeps its slot."""
    folder = new_instance()
    server = started(folder=folder)
    server.post("@@jobs-prepare")
    pid = server.state()["pid"]
    submit(server, "one", task=task, args="[5.0]")
    wait_for(server, 1, "running")
    log = stop(server)
    found = books(started(folder=folder))
    assert found.by == {"one": pid}, log
    found.check()
    found.check_that_no_attempt_was_lost()


@pytest.mark.parametrize("task", ["write_down", "sleep_in_place"])
def test_a_job_that_takes_longer_is_done_by_the_next_start(started, new_instance, service, task):
    """What the stop cut off is not committed, and is neither an attempt nor a death."""
    folder = new_instance()
    server = started("--graceful-timeout", "6", folder=folder)
    server.post("@@jobs-prepare")
    submit(server, "long", task=task, args="[8.0]")
    wait_for(server, 1, "running")
    log = stop(server)
    server = started(folder=folder)
    pid = server.state()["pid"]
    wait_for(server, 1, "done")
    found = books(server)
    assert found.by == {"long": pid}, log
    found.check()
    found.check_that_no_attempt_was_lost()


def wait_for_end(process):
    """Wait until it ends; if it does not, tell where its threads are."""
    try:
        process.wait()
    except TimeoutExpired:
        process.signal(signal.SIGABRT)
        process.wait()
        pytest.fail(f"the server did not end:\n{process.output[-8000:]}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waitress_leaves_jobs_to_the_next_start(
    start_waitress, new_instance, environment, running, number
):
    """It waits for no job: nothing of it is committed, and the next start does it, once."""
    folder = new_instance()
    process, port = start_waitress(folder=folder, env={"PYTHONFAULTHANDLER": "1"})
    server = Server(process, port)
    server.post("@@jobs-prepare")
    submit(server, "one", args="[3.0]")
    wait_for(server, 1, "running")
    process.signal(number)
    wait_for_end(process)
    again = Process([BIN / "runwsgi", folder / "etc" / "zope.ini"], process.log, environment)
    running.append(again)
    server = Server(again, port)
    wait_for(server, 1, "done")
    books(server).check()
    server.process.stop(signal.SIGINT)
