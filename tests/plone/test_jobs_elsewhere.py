"""Jobs of tasks without a function: submitted here, done elsewhere, and stored by a task here."""

from claimsite import count
from claimsite import ocr
from claimsite import store
from claimsite import stored
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures import current_job
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs.audit import of_jobs_elsewhere
from collective.wsgifutures.jobs.by_hand import _find_database
from collective.wsgifutures.jobs.errors import NotInThatState
from collective.wsgifutures.jobs.errors import TaskUnknown
from collective.wsgifutures.jobs.joint import JobsJoint
from collective.wsgifutures.jobs.plain import NotPlain
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.jobs.tasks import tasks
from collective.wsgifutures.kernel.errors import ResultRefused
from collective.wsgifutures.status import overview
from collective.wsgifutures.wsgi.findings import Level
from handrunners import HandRunner
from holdsite import ADMIN
from jobsite import export
from jobsite import OWNER
from jobsite import prepare
from jobsite import submit
from plone import api

import datetime
import io
import pytest
import time
import transaction


@task(name="elsewhere.fail", attempts=2)
def fail(context, result):
    """Fail with the files at hand."""
    stored.append(sorted(current_job().files))
    raise LookupError("no shelf")


@task(name="elsewhere.sort", lock=lambda context, result: f"{context.getId()} {result}")
def sort(context, result):
    """Do one at a time."""


@task(name="elsewhere.nothing")
def nothing(context):
    """Take no result."""


to_fail = task(name="to fail", queue="ocr", elsewhere=True, then=fail)
to_sort = task(name="to sort", queue="ocr", elsewhere=True, then=sort)
to_nothing = task(name="to nothing", queue="ocr", elsewhere=True, then=nothing)
to_ocr = task(name="to ocr", queue="ocr", elsewhere=True, then=ocr)
secretly = task(name="secretly elsewhere", queue="ocr", elsewhere=True, secret=True)


@pytest.fixture
def page(site):
    """A page of an editor, who is logged in in this thread."""
    stored.clear()
    return prepare(site)


def records(site):
    transaction.begin()
    return find_store(main_connection(site.portal._p_jar))


def following(site, name):
    """Return the jobs of a task, the first one first."""
    return [entry.job for entry in jobs_of(records(site)) if entry.task == name][::-1]


# Submission


def test_a_job_elsewhere_is_recorded_with_what_its_worker_has_to_know(site, page):
    """Its site too, by which claims tell jobs apart."""
    job = submit(site, ocr, page, "de", dpi=300)
    (entry,) = jobs_of(records(site))
    assert (entry.job, entry.elsewhere, entry.site_path) == (job, True, "/plone")
    assert entry.site == api.content.get_uuid(site.portal)
    assert (job.wanted.elsewhere, job.wanted.then) == (True, "claimsite.store")
    assert ocr.unpack(job.wanted.arguments) == (("de",), {"dpi": 300})


def test_a_submission_may_name_another_task_that_gets_the_result(site, page):
    """In place of the task's own."""
    job = submit(site, ocr.using(then=fail), page)
    assert job.wanted.then == "elsewhere.fail"


def test_an_argument_that_needs_a_class_is_refused_where_it_is_submitted(page):
    """With its name."""
    with pytest.raises(ArgumentRefused, match="language"):
        ocr.submit(page, language=JobState.DONE)
    with pytest.raises(ArgumentRefused):
        ocr.submit(page, page)


def test_a_job_elsewhere_is_submitted_where_others_are(site, page):
    """And refused where they are."""

    def call(self):
        ocr.submit(self.context)
        return "submitted"

    site.view("submit-far", call)
    assert site.get("@@submit-far", user=OWNER).status == 500
    assert site.errors == ["SubmitRefused"]
    assert following(site, "ocr") == []


def test_no_runner_does_a_job_elsewhere(site, page):
    """Whatever its queue is, and however often it looks."""
    job = submit(site, ocr, page)
    other = submit(site, export.using(queue="ocr"), page, "x")
    assert jobs.run() == [other]
    assert jobs.run(time.time() + 3600) == []
    assert job.state is JobState.WAITING


# Done by hand


def test_a_test_does_a_job_elsewhere_and_what_follows(site, page):
    """As a worker would; the result comes as over HTTP."""
    job = submit(site, ocr, page, "de")
    files = {"p1": ("p1.png", b"PNG"), "p2": b"raw", "p3": io.BytesIO(b"open")}
    done = jobs.done_elsewhere(job, {"at": datetime.date(2026, 5, 1), "pair": (1, 2)}, files=files)
    assert (done, job.state) == (job, JobState.DONE)
    assert [one.wanted.task for one in jobs.run()] == ["claimsite.store"]
    ((_, user, _, result, got),) = stored
    assert user == OWNER[0]
    assert result == {"at": datetime.date(2026, 5, 1), "pair": [1, 2]}
    assert got == {
        "p1": ("p1.png", "image/png", 3, b"PNG"),
        "p2": ("p2", "application/octet-stream", 3, b"raw"),
        "p3": ("p3", "application/octet-stream", 4, b"open"),
    }


def test_a_test_is_told_what_would_be_refused(site, page):
    """And nothing is changed."""
    job, plain = submit(site, ocr, page), submit(site, count, page)
    ocr.submit(page)
    with pytest.raises(RuntimeError, match="commit"):
        jobs.done_elsewhere(job, 1)
    transaction.abort()
    for options, error in [
        ({"result": JobState.DONE}, NotPlain),
        ({"result": "x" * 300_000}, ResultRefused),
    ]:
        with pytest.raises(error):
            jobs.done_elsewhere(job, **options)
    with pytest.raises(ValueError, match="then="):
        jobs.done_elsewhere(plain, 1, files={"a": b""})
    later = submit(site, ocr.using(delay=60), page)
    with pytest.raises(RuntimeError, match="has to wait"):
        jobs.done_elsewhere(later, 1)
    assert job.state is plain.state is later.state is JobState.WAITING
    jobs.done_elsewhere(plain, 1)
    for ended in (plain, submit(site, export, page, "x")):
        with pytest.raises(NotInThatState):
            jobs.done_elsewhere(ended, 1)


# What follows


def test_what_follows_keeps_its_files_over_attempts_and_as_long_as_it_is_dead(site, page):
    """A person may retry it. They go with its cancellation."""
    jobs.done_elsewhere(submit(site, to_fail, page), 1, files={"a": b"A"})
    now = time.time()
    for after in (0, 3600):
        (job,) = jobs.run(now + after)
    assert (job.state, stored) == (JobState.DEAD, [["a"], ["a"]])
    desk.retry(records(site), job, now)
    transaction.commit()
    jobs.run()
    assert stored == [["a"]] * 3
    job.cancel(now)
    transaction.commit()
    assert job.files is None


def test_a_job_without_files_has_none(site, page):
    """No mapping of somebody else's."""
    jobs.done_elsewhere(submit(site, ocr, page), 1)
    jobs.run()
    assert stored[0][-1] == {}


def test_what_follows_has_the_lock_that_its_task_asks_for(site, page):
    """It may depend on the object and the result."""
    jobs.done_elsewhere(submit(site, to_sort, page), "a")
    (job,) = following(site, "elsewhere.sort")
    assert job.wanted.lock == "/plone elsewhere.sort page a"


def test_what_follows_may_be_done_elsewhere_too_and_gets_no_files(site, page):
    """It is a chain of workers."""
    first = submit(site, to_ocr, page)
    with pytest.raises(ValueError, match="then="):
        jobs.done_elsewhere(first, "scan", files={"a": b""})
    jobs.done_elsewhere(first, "scan")
    (second,) = following(site, "ocr")
    assert ocr.unpack(second.wanted.arguments) == (("scan",), {})
    jobs.done_elsewhere(second, "text")
    jobs.run()
    assert stored[0][3] == "text"


def test_without_the_task_that_gets_the_result_nothing_is_done(site, page, monkeypatch):
    """The worker keeps the job, and comes again."""
    job = submit(site, ocr, page)
    monkeypatch.delitem(tasks, store.name)
    monkeypatch.setattr("sys.modules", {**__import__("sys").modules, "claimsite": None})
    with pytest.raises(TaskUnknown):
        jobs.done_elsewhere(job, 1)
    transaction.begin()
    assert job.state is JobState.WAITING


def test_a_task_that_takes_no_result_is_an_error_and_nothing_is_done(site, page):
    """Whoever wrote it sees that in the first test."""
    job = submit(site, to_nothing, page)
    with pytest.raises(TypeError, match=r"elsewhere\.nothing"):
        jobs.done_elsewhere(job, 1)
    transaction.begin()
    assert job.state is JobState.WAITING


# Seen


def claim(site, job):
    """Claim a job for a worker."""
    leases.claim_elsewhere(records(site), job, "w1", "k", time.time())
    transaction.commit()


@pytest.mark.parametrize("options", [{}, {"queues": ["texts"]}, {"claims": False}])
def test_what_waits_and_runs_elsewhere_is_counted_once_by_each_runner(site, page, options):
    """Beside what waits for runners in the same queue."""
    first = submit(site, ocr, page)
    submit(site, ocr, page)
    submit(site, export.using(queue="ocr"), page, "x")
    runner = HandRunner(most=0, **options)
    report = runner.go()
    assert report["waiting"] == {"ocr": 1}
    assert report["elsewhere"] == {
        **{"waiting": {"ocr": 2}, "oldest": {"ocr": first.due}, "running": {}, "jobs": []},
    }
    claim(site, first)
    report = runner.go()
    assert report["waiting"] == {"ocr": 1}
    assert report["elsewhere"]["waiting"] == report["elsewhere"]["running"] == {"ocr": 1}


def test_a_queue_that_no_worker_serves_is_told(site, page):
    """Though a runner serves all queues. A worker that waits for its jobs serves it."""
    submit(site, ocr, page)
    jobs = HandRunner(most=0).go()
    claims = {"waiting": [{"site": "/plone", "queue": "ocr", "claims": 1}], "totals": {}}

    def unserved(**parts):
        return overview._elsewhere([parts], time.time(), "/")["unserved"]

    assert unserved(jobs=jobs) == ["ocr"]
    assert unserved(jobs=jobs, claims=claims) == []
    assert overview._unserved([jobs]) == []
    del jobs["elsewhere"]  # of a worker with an older version
    assert unserved(jobs=jobs) == []


def test_the_audit_says_if_nobody_does_what_waits_for_workers(site, page):
    """Not if a worker has a job of that queue, nor in the first minute."""
    database = _find_database()
    old = submit(site, ocr.using(at=time.time() - 120), page)
    submit(site, ocr.using(at=time.time() - 100), page)
    found = JobsJoint(database).findings(1)
    (warning,) = of_jobs_elsewhere(database)
    assert warning in found
    assert warning.level is Level.WARNING
    assert ("2 wait" in warning.meaning, "queues: ocr" in warning.meaning) == (True, True)
    claim(site, old)
    assert list(of_jobs_elsewhere(database)) == []


def test_a_job_elsewhere_that_is_overdue_is_buried_though_nobody_claims(site, page):
    """By any runner."""
    job = submit(site, ocr.using(deadline=1e-6), page)
    with desk.changing(_find_database()) as connection:
        for lane in find_store(connection).lanes.values():
            lane.made -= 1e6
    runner = HandRunner()
    for _ in range(3):
        runner._next_purge = 0.0
        runner.go(time.time() + 10)
    transaction.begin()
    assert (job.state, "was not done within" in job.error) == (JobState.DEAD, True)


def test_a_runner_rescues_jobs_of_silent_workers(site, page):
    """Also one that runs no jobs itself; and it opens nothing as long as there is no lease."""
    job = submit(site, ocr, page)
    claim(site, job)
    runner = HandRunner(claims=False)
    runner.go()
    transaction.begin()
    assert job.state is JobState.RUNNING
    runner.go(140)
    transaction.begin()
    assert (job.state, job.deaths) == (JobState.WAITING, 1)


def test_a_running_job_elsewhere_is_cancelled_by_its_user_through_its_worker(site, page):
    """A waiting one at once."""
    running, waiting = submit(site, ocr, page), submit(site, ocr, page)
    claim(site, running)
    ask = {"user": ADMIN, "accept": "application/json"}
    assert site.request("DELETE", f"@jobs/{running.id}", **ask).status == 202
    assert site.request("DELETE", f"@jobs/{waiting.id}", **ask).status == 200
    transaction.begin()
    assert (running.state, running.side.cancel) == (JobState.RUNNING, True)
    assert waiting.state is JobState.CANCELLED
