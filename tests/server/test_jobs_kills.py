"""Promises 10 and 11 under ``kill -9``: none lost, none twice, none phantom, on each storage."""

from collective.wsgifutures.jobs.neighbours import SILENCE
from collective.wsgifutures.jobs.runner import BEAT_EVERY
from jobsites import Clients
from jobsites import JobSite
from processes import START_SECONDS
from processes import wait_until
from sites import open_site
from storages import Storage
from storages import STORAGES

import os
import pytest
import random
import signal
import time


def on(storage, *others):
    """Return a test's parameters for one storage."""
    needs = pytest.mark.operation if storage == Storage.page else pytest.mark.storages
    return pytest.param(storage, *others, marks=needs)


#: How many jobs there are at least on each storage: 2,000 in all.
JOBS = 500

#: A kill there, and whether the job was submitted.
POINTS = {
    "submit-begins": False,
    "submit-voted": False,
    "submit-finished": True,
    "claim-begins": True,
    "claim-voted": True,
    "claim-finished": True,
    "work": True,
    "done-begins": True,
    "done-voted": True,
    "done-finished": True,
}

#: Where storages differ most: between the two phases.
BETWEEN = [point for point in POINTS if point.endswith("-voted")]


@pytest.fixture(scope="module", params=map(on, STORAGES))
def site(request, new_instance, start_gunicorn):
    """A site in each storage, with as many workers as its page says."""
    with open_site(JobSite, request.param, new_instance(), start_gunicorn) as site:
        yield site


def test_a_kill_at_any_point_loses_and_doubles_nothing(site):
    """Before the commit, between its two phases, after it; of submission, claim, and end."""
    everywhere = site.storage.page in ("filestorage", "zeo")
    for point in POINTS if everywhere else BETWEEN:
        wait_until(site.server.serves, START_SECONDS)
        is_dead = site.end_at(point)
        site.submit(point)
        wait_until(is_dead)
        books = site.settled_books()
        assert (point in books.asked) == POINTS[point], point
        books.check()


def kill_a_worker(site):
    pid = random.choice(site.children())
    os.kill(pid, signal.SIGKILL)


def kill_all(site):
    site.kill()
    site.start()


@pytest.mark.parametrize("kills", [(kill_a_worker, kill_all, kill_a_worker)])
def test_random_kills_lose_and_double_nothing(site, kills):
    """While clients go on to submit."""
    with Clients(site):
        for kill in kills:
            time.sleep(random.uniform(1, 4))
            kill(site)
            wait_until(site.server.serves, START_SECONDS)
        wait_until(lambda: len(site.books().asked) > JOBS, 120)
        kill_a_worker(site)
    site.settled_books(120).check()


def end_a_worker(site):
    pid = random.choice(site.children())
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in site.children(), 2 * START_SECONDS)


def reload(site):
    old = set(site.children())
    site.server.process.signal(signal.SIGHUP)
    wait_until(lambda: not old & set(site.children()), 2 * START_SECONDS)


def test_random_stops_and_reloads_lose_no_attempt(site):
    """SIGTERM, SIGHUP: as above, and no job is said to have failed or to have killed anything."""
    before = site.settled_books().jobs
    with Clients(site, seconds=0.2):
        for stop in (end_a_worker, reload):
            time.sleep(random.uniform(1, 3))
            stop(site)
            wait_until(site.server.serves, START_SECONDS)
        time.sleep(1)
    books = site.settled_books()
    assert len(books.jobs) - len(before) > 50
    books.check()
    books.check_that_no_attempt_was_lost(but_for=before)


@pytest.mark.parametrize("site", [on("filestorage"), on("zeo")], indirect=True)
def test_a_job_that_kills_its_process_is_dead_after_three_and_its_neighbours_are_done(site):
    """It says why; they are done once, although they ran beside it."""
    wait_until(site.server.serves, START_SECONDS)
    names = [f"neighbour-{n}" for n in range(8)]
    site.submit(*names, args="[0.5]")
    (id,) = site.server.post("@@jobs-crash").json()
    wait_until(lambda: site.tell(id)["state"] == "dead", 120)
    told = site.tell(id)
    assert (told["deaths"], told["attempt"]) == (3, 0)
    assert "ended 3 times without a word" in told["error"]
    books = site.settled_books()
    assert books.jobs.pop(id)[0] == "dead"
    books.check()
    assert not [job for job in books.jobs.values() if job[2] > 2]


@pytest.mark.parametrize(
    ("site", "task", "wakes"),
    [on("zeo", "write_down", "running"), on("postgresql", "sleep_in_place", "done")],
    indirect=["site"],
)
def test_a_runner_that_slept_through_its_claim_changes_nothing(site, task, wakes):
    """SIGSTOP past its lease: the other one does the job; the first wakes meanwhile, or later."""
    site.wait_for_workers()
    name = f"paused-{task}"
    (id,) = site.submit(name, task=task, args="[4.0]")
    runner = wait_for_runner(site, id)
    os.kill(runner, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        wait_until(lambda: site.tell(id)["pid"] not in (runner, None), 60)
        assert SILENCE - BEAT_EVERY - 1 < time.monotonic() - stopped < 30
        wait_until(lambda: site.tell(id)["state"] == wakes, 60)
    finally:
        os.kill(runner, signal.SIGCONT)
    lost = f"Job {id} (holdtests.jobs.{task}) is no longer this runner's"
    wait_until(lambda: lost in site.server.process.output)
    books = site.settled_books()
    assert books.by[name] != runner
    assert books.jobs[id] == ["done", 0, 1, ""]
    assert runner in site.children()


def wait_for_runner(site, id):
    """Return the process id of the worker that runs the job."""
    wait_until(lambda: site.tell(id)["state"] == "running")
    time.sleep(0.5)
    return site.tell(id)["pid"]
