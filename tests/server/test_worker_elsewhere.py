"""``wsgifutures-worker`` does the jobs of a real site, from ``init`` to the stored result."""

from introduced import ADMIN
from introduced import look
from introduced import submit
from introduced import Worker
from processes import Process
from processes import ROOT
from processes import wait_until

import pytest
import requests
import signal
import time


@pytest.fixture(scope="module")
def introduced(gunicorn, tmp_path_factory):
    """A worker that nobody has approved yet."""
    gunicorn.post("@@elsewhere-prepare", auth=ADMIN).raise_for_status()
    return Worker(tmp_path_factory.mktemp("worker"), gunicorn)


@pytest.fixture(scope="module")
def worker(introduced):
    """A worker that is approved."""
    introduced.administrate("approve", queues=["words"])
    return introduced


@pytest.fixture(params=["threads", "processes"])
def program(worker, request):
    """The program, in both ways."""
    process = worker.start(executor=request.param, grace=1.0)
    yield process
    process.stop()


def test_a_worker_that_waits_to_be_approved_is_told_so(introduced):
    """By ``check``, with the fingerprint that the site shows."""
    told = introduced.command("check", "--url", introduced.server.site)
    assert told.returncode == 1
    assert "Approved: no: 401 The worker is pending" in told.stdout
    assert introduced.fingerprint in told.stdout
    assert "Clock: +0 s" in told.stdout or "Clock: -0 s" in told.stdout
    headers = {"Accept": "application/json"}
    url = f"{introduced.server.site}/@workers/{introduced.id}"
    known = requests.get(url, auth=ADMIN, headers=headers, timeout=60).json()
    assert (known["fingerprint"], known["state"]) == (introduced.fingerprint, "pending")


def test_an_approved_worker_is_told_so(worker):
    """With its queues."""
    told = worker.command("check", "--url", worker.server.site)
    assert told.returncode == 0, told.stdout
    assert "Approved: for words" in told.stdout


def test_a_job_is_done_from_the_page_to_the_stored_text(gunicorn, program):
    """It reads the page as who asked, and a task in Plone stores result and file as that user."""
    id, name = submit(gunicorn, "count")
    wait_until(lambda: name in look(gunicorn)["kept"])
    kept = look(gunicorn)["kept"][name]
    assert kept["result"] == {"name": name, "title": "Two words", "words": 2}
    assert kept["files"] == {"title.txt": ["text/plain", "Two words"]}
    assert kept["user"] == "admin"
    assert look(gunicorn)["states"][id] == "done"


def test_its_token_opens_nothing_else(gunicorn, program):
    """No other view or service, and no session."""
    _, name = submit(gunicorn, "look_around")
    wait_until(lambda: name in look(gunicorn)["kept"])
    denied = look(gunicorn)["kept"][name]["result"]["denied"]
    assert {status for _, status in denied} <= {401, 403, 404}, denied


def test_progress_is_seen_and_a_waiting_claim_begins_at_once(gunicorn, program):
    """Within a second; the words of the worker are the site's."""
    wait_until(lambda: "does words" in program.output)
    time.sleep(1.0)
    begun = time.monotonic()
    id, name = submit(gunicorn, "wait", 9.0)
    wait_until(lambda: look(gunicorn)["states"][id] == "running")
    assert time.monotonic() - begun < 1.0
    wait_until(lambda: look(gunicorn)["words"].get(id) == "half of it")
    wait_until(lambda: name in look(gunicorn)["kept"])


@pytest.mark.parametrize(
    ("what", "error", "attempts"),
    [("fail", "no such font", 2), ("give_up", "the page is empty", 0)],
)
def test_a_failure_is_the_sites(gunicorn, program, what, error, attempts):
    """With attempts, or at once if it is hopeless."""
    id, _ = submit(gunicorn, what)
    wait_until(lambda: look(gunicorn)["states"][id] == "dead")
    told = look(gunicorn)
    assert error in told["errors"][id]
    assert told["attempts"][id] == attempts


def test_a_process_that_crashes_fails_its_job(gunicorn, worker):
    """With the name of the signal."""
    process = worker.start(executor="processes")
    id, _ = submit(gunicorn, "crash")
    wait_until(lambda: look(gunicorn)["states"][id] == "dead")
    assert "SIGSEGV" in look(gunicorn)["errors"][id]
    process.stop()


def test_a_stopped_worker_gives_its_job_to_the_next_one(gunicorn, worker, program):
    """At once, and as no attempt."""
    id, name = submit(gunicorn, "wait", 15)
    wait_until(lambda: look(gunicorn)["states"][id] == "running")
    program.stop(signal.SIGTERM)
    assert look(gunicorn)["states"][id] == "waiting"
    again = worker.start(grace=20.0)
    wait_until(lambda: name in look(gunicorn)["kept"])
    assert look(gunicorn)["attempts"][id] <= 1
    again.stop()


def test_a_worker_that_hangs_up_takes_no_job_with_it(gunicorn, worker):
    """A job that comes right after the stop is the next worker's, without a lease to wait for."""
    for _ in range(3):
        process = worker.start()
        time.sleep(1.5)
        process.stop(signal.SIGTERM)
        id, name = submit(gunicorn, "wait", 0)
        time.sleep(0.3)
        assert look(gunicorn)["states"][id] == "waiting"
    last = worker.start()
    wait_until(lambda: name in look(gunicorn)["kept"])
    last.stop()


EXAMPLES = {
    "node": (["node", ROOT / "examples" / "worker_node" / "worker.mjs"], "(words): complete, done"),
    "curl": (["sh", ROOT / "examples" / "worker_curl" / "worker.sh"], "complete, 200 done"),
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_worker_in_another_language_does_a_job_of_the_site(gunicorn, tmp_path, kind):
    """The example of the repository, as it stands there."""
    command, said = EXAMPLES[kind]
    # The shell has a command for its work; this one gives what the task in Plone keeps.
    work = "jq -c '{name: .args[0], words: 2}'"
    environ = {"SITE": gunicorn.site, "QUEUES": "words", "WORK": work}
    environ["KEY"] = str(tmp_path / "own.pem")
    introduced = Process([*command, "init", kind], tmp_path / "init.log", environ)
    introduced.wait()
    id = introduced.output.split("Fingerprint: ")[1].splitlines()[0].replace(" ", "")
    answer = requests.post(
        f"{gunicorn.site}/@workers/{id}/approve",
        json={"queues": ["words"]},
        auth=ADMIN,
        headers={"Accept": "application/json"},
        timeout=60,
    )
    answer.raise_for_status()
    process = Process(command, tmp_path / "run.log", environ)
    job, name = submit(gunicorn, "count")
    wait_until(lambda: f"job {job}" in process.output and said in process.output)
    process.stop()
    assert look(gunicorn)["states"][job] == "done"
    if kind == "curl":
        wait_until(lambda: name in look(gunicorn)["kept"])
    assert "eyJ" not in process.output


def test_a_withdrawn_worker_does_nothing_any_more(gunicorn, worker):
    """Its job is the site's again, and the log says why."""
    process = worker.start()
    wait_until(lambda: "does words" in process.output)
    worker.administrate("withdraw")
    submit(gunicorn, "count")
    wait_until(lambda: "The worker is withdrawn" in process.output, 70)
    process.stop()
    assert "eyJ" not in process.output
