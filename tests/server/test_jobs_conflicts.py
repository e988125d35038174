"""Processes that submit at once do not get into each other's way."""

from collections import Counter
from collective.wsgifutures.jobs.store import COMMON
from jobsites import JobSite
from sites import open_site

import pytest

pytestmark = pytest.mark.storages

WORKERS = 8


@pytest.fixture(scope="module")
def site(new_instance, start_gunicorn):
    """A site with many workers on one ZEO server."""
    folder = new_instance()
    with open_site(JobSite, "zeo", folder, start_gunicorn, workers=WORKERS) as site:
        yield site


def conflicts_of(site, who):
    """Return how many conflicts there were about objects of which class."""
    lines = site.conflicts.read_text().splitlines() if site.conflicts.exists() else []
    return Counter(line.split()[1] for line in lines if line.split()[0] == who)


def test_eight_processes_that_submit_at_once_have_no_conflict(site):
    """They write nothing but the queue, and each process has lanes of its own."""
    site.once_on_each_worker(lambda: submit(site, 50))  # the first ones have no lane yet
    known = site.settled_books(120).jobs
    before = conflicts_of(site, "POST")
    workers = submit(site, 200)
    jobs = site.settled_books(120).jobs
    assert conflicts_of(site, "POST") == before
    assert len(set(workers)) == WORKERS
    assert [jobs[id][0] for id in jobs.keys() - known.keys()] == ["done"] * 200
    assert not [id for id in jobs.keys() - known.keys() if id.startswith(f"{COMMON}-")]


def submit(site, count):
    """Submit *count* jobs, many at once; return the process ids of the workers that took them."""
    calls = [lambda server: server.post("@@jobs-submit-only").json()["pid"]] * 25
    return [pid for _ in range(count // 25) for pid in site.server.together(calls)]
