"""Promises 10 and 11 under ``kill -9``: none lost, none twice, none phantom, on each storage."""

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

OTHERS = [name for name in STORAGES if name != Storage.page]

ON_EACH_STORAGE = [
    pytest.param(Storage.page, marks=pytest.mark.operation),
    *(pytest.param(name, marks=pytest.mark.storages) for name in OTHERS),
]

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


@pytest.fixture(scope="module", params=ON_EACH_STORAGE)
def site(request, new_instance, start_gunicorn):
    """A site in each storage, with as many workers as its page says."""
    with open_site(JobSite, request.param, new_instance(), start_gunicorn) as site:
        yield site


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_point_loses_and_doubles_nothing(site, point):
    """Before the commit, between its two phases, after it; of submission, claim, and end."""
    wait_until(site.server.serves, START_SECONDS)
    is_dead = site.end_at(point)
    site.submit(point)
    wait_until(is_dead)
    books = site.settled_books()
    assert (point in books.asked) == POINTS[point]
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
