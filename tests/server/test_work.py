"""``wsgifutures work``: a process without a port that runs the jobs of a site."""

from processes import BIN
from processes import Process
from processes import Server
from processes import START_SECONDS
from processes import wait_until
from storages import ZEO

import pytest
import signal
import subprocess
import time

pytestmark = pytest.mark.operation


@pytest.fixture(scope="module")
def zeo(new_instance):
    """An instance on a ZEO server."""
    storage, folder = ZEO(), new_instance()
    try:
        storage.put(folder)
        yield folder
    finally:
        storage.stop()


@pytest.fixture(scope="module")
def server(zeo, start_gunicorn):
    """A server that submits jobs, and leaves them to others."""
    server = Server(*start_gunicorn(folder=zeo, env={"WSGIFUTURES_JOBS": "off"}))
    server.post("@@jobs-prepare")
    yield server
    server.process.stop(signal.SIGINT)


@pytest.fixture
def start_work(zeo, environment):
    """Start the command; what was started ends with the test."""
    processes = []

    def start(*flags, log="work.log"):
        command = [BIN / "wsgifutures", "work", "--paste", zeo / "etc" / "zope.ini", *flags]
        processes.append(Process(command, zeo / log, environment, cwd=zeo))
        return processes[-1]

    yield start
    for process in processes:
        process.stop(signal.SIGINT)


def submit(server, *names, **form):
    answer = server.post("@@jobs-submit", data={"names": " ".join(names), **form})
    answer.raise_for_status()
    return answer.json()


def tell(server):
    return server.get("@@jobs-tell").json()


def is_done(server, *names):
    return lambda: {tell(server)["done"].get(name) for name in names} == {1}


def tell_one(server, job):
    return server.get("@@jobs-tell-one", id=job).json()


def stop_while_it_runs(server, process, job):
    """Stop a process while it runs a job; return the job's state, its attempts and deaths then."""
    wait_until(lambda: tell_one(server, job)["state"] == "running")
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0
    told = tell_one(server, job)
    return told["state"], told["attempt"], told["deaths"]


def test_it_runs_what_a_server_leaves_to_others(server, start_work):
    """The server does none of them itself."""
    submit(server, "one", "two")
    time.sleep(3)
    assert tell(server)["states"] == {"waiting": 2}
    start_work()
    wait_until(is_done(server, "one", "two"))


def test_it_lets_a_job_end_that_runs_when_it_is_told_to_stop(server, start_work):
    """No work is cut that ends in time, and no attempt is lost."""
    process = start_work()
    (job,) = submit(server, "long", task="sleep_in_place", args="[3]")
    assert stop_while_it_runs(server, process, job) == ("done", 0, 0)


def test_it_lets_go_of_a_job_that_does_not_end_in_time(server, start_work):
    """Another process does it; that was no attempt, and no death."""
    process = start_work("--graceful", "1")
    (job,) = submit(server, "longer", task="sleep_in_place", args="[6]")
    assert stop_while_it_runs(server, process, job) == ("waiting", 0, 0)
    start_work(log="work-2.log")
    wait_until(is_done(server, "longer"), 60)


def test_it_serves_the_queues_that_it_is_told(server, start_work):
    """And no other."""
    start_work("--queues", "other, another")
    submit(server, "elsewhere")
    submit(server, "here", task="write_down_in_another")
    wait_until(is_done(server, "here"), START_SECONDS)
    assert "elsewhere" not in tell(server)["done"]
    start_work(log="work-2.log")
    wait_until(is_done(server, "elsewhere"))


def test_it_is_refused_on_a_filestorage_that_a_server_has(gunicorn):
    """With a sentence that says what to do."""
    paste = gunicorn.process.log.parent / "etc" / "zope.ini"
    command = [BIN / "wsgifutures", "work", "--paste", paste]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "another process has this FileStorage" in done.stderr
    assert "Traceback" not in done.stderr
