"""The audit of jobs: does anybody run them?"""

from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.audit import of_jobs
from collective.wsgifutures.jobs.by_hand import _find_database
from collective.wsgifutures.jobs.joint import JobsJoint
from collective.wsgifutures.jobs.neighbours import find_place
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.tasks import task
from collective.wsgifutures.wsgi import joints
from collective.wsgifutures.wsgi.findings import Level
from collective.wsgifutures.wsgi.settings import Settings
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage

import pytest
import time
import transaction

OFF = Settings(jobs=False)


@task(queue="texts")
def work(context):
    pass


class ServedStorage(MappingStorage):
    """As ZEO's, as it looks from here."""

    __module__ = "ZEO.ClientStorage"


class Served:
    """The database of the test, as if a server had it."""

    storage = ServedStorage()

    def __init__(self):
        self.open = _find_database().open


def one(findings):
    (found,) = findings
    return found


@pytest.fixture
def waiting(site):
    """A job that waits for two minutes."""
    job = work.using(at=time.time() - 120).submit(site.portal)
    transaction.commit()
    return job


def test_jobs_that_run_here_are_ok(tmp_path):
    """Whatever the storage."""
    found = one(of_jobs(Served, Settings(max_jobs=3)))
    assert (found.level, found.meaning) == (Level.OK, "Jobs run here: at most 3 at a time.")


@pytest.mark.parametrize(
    "wrap", [lambda storage: storage, lambda storage: DemoStorage(base=storage)]
)
def test_jobs_off_with_a_filestorage_is_a_warning(tmp_path, wrap):
    """No other process can open it."""
    database = DB(wrap(FileStorage(str(tmp_path / "Data.fs"))))
    try:
        found = one(of_jobs(database, OFF))
    finally:
        database.close()
    assert (found.level, found.topic) == (Level.WARNING, "jobs")
    assert "wait for ever" in found.meaning
    assert "WSGIFUTURES_JOBS=off" in found.remedy


def test_jobs_off_when_nothing_waits_is_ok(site):
    """Somebody else runs them."""
    found = one(of_jobs(Served(), OFF))
    assert (found.level, found.meaning) == (Level.OK, "Jobs are submitted here and run elsewhere.")


def test_jobs_that_wait_and_that_no_process_runs_are_a_warning(waiting):
    """With how many, in which queues, and for how long."""
    found = one(of_jobs(Served(), OFF))
    assert found.level is Level.WARNING
    assert found.meaning.startswith("No process runs jobs now: 1 wait, the oldest for 12")
    assert "(queues: texts)" in found.meaning


def test_jobs_that_wait_while_a_runner_lives_are_ok(waiting):
    """It does not keep up, which the status tells."""
    machine, pid = find_place()
    with desk.changing(_find_database()) as connection:
        desk.beat(find_store(connection), "busy", (f"{machine} other", pid), ())
    assert one(of_jobs(Served(), OFF)).level is Level.OK


def test_jobs_that_wait_and_whose_runner_has_died_are_a_warning(waiting):
    """Its record is all that is left of it."""
    with desk.changing(_find_database()) as connection:
        desk.beat(find_store(connection), "dead", (find_place()[0], 2**22 + 1), ())
    assert one(of_jobs(Served(), OFF)).level is Level.WARNING


@pytest.mark.parametrize("change", ["paused", "cancelled", "new"])
def test_jobs_that_wait_for_a_reason_are_no_warning(waiting, change):
    """Somebody has paused the queue or cancelled the job; or it came just now."""
    store = find_store(waiting._p_jar)
    if change == "paused":
        desk.pause_queue(store, "texts", time.time())
    elif change == "cancelled":
        waiting.cancel(time.time())
    else:
        waiting.cancel(time.time())
        waiting.retry(time.time())
        store.line_up(waiting)
        waiting.generation += 1
    transaction.commit()
    assert one(of_jobs(Served(), OFF)).level is Level.OK


def test_joint_tells_the_audit_of_the_settings_of_the_process(monkeypatch, tmp_path):
    """And the first line of a worker whether jobs run there."""
    database = DB(FileStorage(str(tmp_path / "Data.fs")))
    joint = JobsJoint(database)
    try:
        assert one(joint.findings(1)).level is Level.OK
        monkeypatch.setenv("WSGIFUTURES_JOBS", "off")
        assert one(joint.findings(1)).level is Level.WARNING
        monkeypatch.setenv("WSGIFUTURES_JOBS", "nonsense")  # others refuse it
        assert one(joint.findings(1)).level is Level.OK
    finally:
        database.close()
    assert joint.describe(OFF) == "Jobs are submitted here and run elsewhere."
    assert joint.describe(Settings()) == "Jobs run here: at most 10 at a time."
    some = Settings(job_queues=("texts", "mail"), max_jobs=2)
    assert joint.describe(some) == "Jobs of texts, mail run here: at most 2 at a time."
    assert (joint.report(), joints.Joint().report(), joints.Joint().describe(OFF)) == ({}, {}, "")
