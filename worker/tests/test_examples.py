"""Workers in other languages, from the repository's examples, against the site that stands in."""

from conftest import wait_until
from contextlib import suppress
from pathlib import Path
from standin import Answer

import os
import pytest
import signal
import subprocess

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = {
    "node": ["node", EXAMPLES / "worker_node" / "worker.mjs"],
    "curl": ["sh", EXAMPLES / "worker_curl" / "worker.sh"],
}

#: What the shell does in place of fetching a page, which may be slow.
WORK = """jq -c 'if .args[1] == "slow" then "6" else "0" end' | xargs sleep; echo '{"words": 2}'"""


@pytest.fixture(params=COMMANDS)
def kind(request):
    """The language."""
    return request.param


@pytest.fixture
def command(kind, site, tmp_path):
    """Start an example with arguments; it is ended with the test."""
    started = []
    environ = {**os.environ, "SITE": site.url, "QUEUES": "words", "KEY": str(tmp_path / "own.pem")}
    environ["WORK"] = WORK

    def start(*arguments):
        with (tmp_path / "log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [*COMMANDS[kind], *arguments],
                    env=environ,
                    cwd=tmp_path,
                    start_new_session=True,  # a shell waits for what it has started
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


@pytest.fixture
def worker(command, site, tmp_path):
    """An example that was introduced, approved and runs."""
    assert command("init", "an example").wait(20) == 0
    (known,) = site.workers.values()
    known.update(state="approved", queues=["words"])
    site.pages["/doc"] = {"title": "Two words", "description": ""}
    return command()


def submit(site, how="quick"):
    return site.submit("words", "two  words", how, queue="words")


def test_an_example_introduces_itself_with_a_key_of_its_own(command, site, tmp_path):
    """The file is its user's alone, and the fingerprint is what the site computes."""
    assert command("init", "an example").wait(20) == 0
    ((id, known),) = site.workers.items()
    assert (known["name"], known["state"]) == ("an example", "pending")
    assert (tmp_path / "own.pem").stat().st_mode & 0o777 == 0o600
    groups = " ".join(id[at : at + 4] for at in range(0, len(id), 4))
    assert (tmp_path / "log").read_text() == f"Fingerprint: {groups}\npending\n"


def test_an_example_does_one_job_after_the_other(worker, site):
    """Claims that wait, results."""
    jobs = [submit(site) for _ in range(2)]
    wait_until(lambda: all(job.state == "done" for job in jobs), 30)
    assert [job.result for job in jobs] == [{"words": 2}] * 2


def test_an_example_sends_its_result_again(worker, site):
    """Until the site takes it."""
    site.trouble["/complete"] += [Answer(503), "lose"]
    job = submit(site)
    wait_until(lambda: job.log.count("complete") == 2, 30)
    assert (job.generation, job.result) == (1, {"words": 2})


def test_an_example_keeps_its_lease(worker, site):
    """Heartbeats while it works, here for longer than the lease."""
    site.lease = 4.0
    site.page_seconds = 6.0
    job = submit(site, "slow")
    wait_until(lambda: job.state == "done", 30)
    assert (job.generation, job.result) == (1, {"words": 2})


def test_an_example_gives_up_a_claim_that_is_lost(worker, site, tmp_path):
    """409: the next job is done."""
    site.trouble["/complete"].append(Answer(409))
    lost = submit(site)
    wait_until(lambda: lost.state == "running" and not site.trouble["/complete"], 30)
    job = submit(site)
    wait_until(lambda: job.state == "done", 30)
    assert lost.log == ["claimed"]
    assert "eyJ" not in (tmp_path / "log").read_text()


def test_an_example_waits_while_the_site_is_away(worker, site):
    """And after a lost answer it gets the same claim."""
    wait_until(lambda: site.waiting)
    site.trouble["/@jobs/claim"] += [Answer(503), "lose"]
    jobs = [submit(site) for _ in range(2)]
    wait_until(lambda: all(job.state == "done" for job in jobs), 40)
    assert [job.generation for job in jobs] == [1, 1]
