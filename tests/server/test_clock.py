"""Timed work on a real server: gunicorn looks, submits and runs; the command looks without it."""

from processes import BIN
from processes import wait_until
from storages import ZEO

import os
import pytest
import signal
import subprocess
import time

pytestmark = pytest.mark.operation

EVERY = 3  #: seconds between two slots

ZCML = f"""
<configure xmlns:wsgifutures="http://namespaces.plone.org/wsgifutures"
           xmlns="http://namespaces.zope.org/zope">
  <include package="collective.wsgifutures" file="meta.zcml" />
  <wsgifutures:clock
      name="often"
      cron="*/{EVERY} * * * * *"
      task="holdtests.jobs.write_down"
      arguments='{{"name": "timed"}}'
      overlap="queue"
      site="/Plone"
      />
</configure>
"""


@pytest.fixture
def folder(new_instance):
    """An instance with timed work."""
    folder = new_instance()
    includes = folder / "etc" / "package-includes"
    (includes / "timed-configure.zcml").write_text(ZCML)
    return folder


@pytest.fixture
def look(folder, environment):
    """Look once, as a cron elsewhere does; return the exit status and what was printed."""

    def run():
        done = subprocess.run(
            [BIN / "wsgifutures", "clock", "--once"],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **environment},
            timeout=90,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_timed_work_is_done_with_a_server_and_without_one(folder, started, look):
    """One job for each time at most; the last of those that were missed."""
    began = time.time()
    server = started(folder=folder)
    server.post("@@jobs-prepare").raise_for_status()
    wait_until(lambda: done(server) >= 3, 60)
    books = server.get("@@jobs-audit").json()
    assert len(books["jobs"]) <= (time.time() - began) / EVERY + 1
    assert len(set(books["done"]["timed"])) == len(books["done"]["timed"])
    assert "Timed work is looked for here: 1 entry." in server.process.output
    server.process.stop(signal.SIGTERM)

    status, printed = look()
    assert (status, printed.count("/Plone often: job ")) == (0, 1), printed
    job = printed.split("job ")[1].split()[0]

    server = started(folder=folder, env={"WSGIFUTURES_CLOCK": "off"})
    wait_until(lambda: job in server.get("@@jobs-audit").json()["done"]["timed"], 30)
    before = done(server)
    time.sleep(2 * EVERY)
    assert done(server) == before


def test_two_workers_that_are_killed_submit_one_job_for_each_time(folder, started):
    """Both look, on a database that is served; whoever is killed at whatever moment."""
    storage = ZEO()
    try:
        storage.put(folder)
        server = started("-w", "2", folder=folder)
        server.post("@@jobs-prepare").raise_for_status()
        for count in (3, 6, 9):
            wait_until(lambda count=count: done(server) >= count, 60)
            os.kill(server.get("@@jobs-tell").json()["pid"], signal.SIGKILL)
            wait_until(server.serves, 60)
        books = server.get("@@jobs-audit").json()
        slots = [slot_of(server, job) for job in books["jobs"]]
        assert len(slots) - len(set(slots)) <= 1, slots  # one may be submitted in the next one
        assert len(set(books["done"]["timed"])) == len(books["done"]["timed"])
        server.process.stop(signal.SIGTERM)
    finally:
        storage.stop()


def slot_of(server, job):
    """Return the number of the slot in which a job was submitted."""
    return server.get("@@jobs-tell-one", id=job).json()["submitted"] // EVERY


def done(server):
    return len(server.get("@@jobs-audit").json()["done"].get("timed", ()))
