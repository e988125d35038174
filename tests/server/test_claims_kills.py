"""Claims at several web workers, on each storage that has them: none twice, whatever is killed."""

from claiming import Far
from claiming import look
from claiming import submit
from concurrent.futures import ThreadPoolExecutor
from introduced import ADMIN
from introduced import look as look_elsewhere
from introduced import submit as submit_elsewhere
from introduced import Worker
from processes import START_SECONDS
from processes import wait_until
from sites import open_site
from sites import Site

import os
import pytest
import signal
import time

pytestmark = pytest.mark.storages

#: How many workers elsewhere there are, and how many jobs.
WORKERS, JOBS = 8, 200


class ClaimSite(Site):
    """A site with two web workers."""

    def __init__(self, storage, folder, start):
        storage.workers = 2
        super().__init__(storage, folder, start)

    def waiting(self):
        """Return how many claims wait at each web worker, by its process id."""
        told = self.server.together([look] * 6)
        return {one["pid"]: one["waiting"] for one in told}


@pytest.fixture(scope="module", params=["zeo", "postgresql"])
def site(request, new_instance, start_gunicorn):
    """A site in each storage."""
    with open_site(ClaimSite, request.param, new_instance(), start_gunicorn) as site:
        site.server.post("@@claims-prepare").raise_for_status()
        yield site


def test_many_workers_claim_each_job_once(site):
    """At two web workers, while jobs come; no claim has the number of another one."""
    worker, claims = Far(site.server), []
    names = [f"many-{n}" for n in range(JOBS)]

    until = time.monotonic() + START_SECONDS

    def work(_):
        while len(claims) < JOBS and time.monotonic() < until:
            answer = worker.claim(wait=3)
            if answer.status_code == 204:  # who submits is slower, on a busy machine
                continue
            assert answer.status_code == 200, answer.text
            claimed = answer.json()
            claims.append((claimed["job"], claimed["generation"]))
            result = {"result": {"name": claimed["args"][0]}}
            assert worker.act(claimed, "complete", result).json() == {"state": "done"}

    with ThreadPoolExecutor(WORKERS) as threads:
        working = threads.map(work, range(WORKERS))
        ids = [id for n in range(0, JOBS, 20) for id in submit(site.server, *names[n : n + 20])]
        list(working)
    assert sorted(claims) == sorted((id, 1) for id in ids)
    wait_until(lambda: look(site.server)["kept"].keys() >= set(names))
    kept = look(site.server)["kept"]
    assert {kept[name] for name in names} == {1}


@pytest.fixture
def program(site, tmp_path):
    """A worker elsewhere whose claims wait."""
    site.server.post("@@elsewhere-prepare", auth=ADMIN).raise_for_status()
    worker = Worker(tmp_path, site.server)
    worker.administrate("approve", queues=["words"])
    process = worker.start(concurrency=WORKERS)
    yield process
    process.stop()


def test_workers_whose_web_worker_is_killed_come_back_by_themselves(site, program):
    """The jobs that come meanwhile are done by those who wait at the other one, and each once."""
    wait_until(lambda: sum(site.waiting().values()) == WORKERS)
    before = site.waiting()
    os.kill(max(before, key=before.get), signal.SIGKILL)
    names = {submit_elsewhere(site.server, "wait", 0.2)[1] for _ in range(2 * WORKERS)}
    wait_until(lambda: look_elsewhere(site.server)["kept"].keys() >= names)
    kept = look_elsewhere(site.server)["kept"]
    assert {kept[name]["times"] for name in names} == {1}
    wait_until(lambda: sum(site.waiting().values()) == WORKERS, START_SECONDS)
    site.wait_for_workers()
