"""What a runner reports of jobs, and what the log says of them."""

from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import joint
from collective.wsgifutures.jobs.by_hand import _find_database
from collective.wsgifutures.jobs.counts import counts
from collective.wsgifutures.jobs.counts import KINDS
from collective.wsgifutures.jobs.current import current_job
from collective.wsgifutures.jobs.errors import Retry
from collective.wsgifutures.jobs.figures import Figures
from collective.wsgifutures.jobs.figures import Lines
from collective.wsgifutures.jobs.leases import claim_elsewhere
from collective.wsgifutures.jobs.leases import complete
from collective.wsgifutures.jobs.leases import fail as fail_elsewhere
from collective.wsgifutures.jobs.leases import LEASE
from collective.wsgifutures.jobs.leases import release
from collective.wsgifutures.jobs.leases import rescue
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.tasks import task
from collective.wsgifutures.status import overview
from collective.wsgifutures.status.snapshot import of_worker
from collective.wsgifutures.status.snapshot import Sender
from collective.wsgifutures.traces import ids
from handrunners import HandRunner
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from plone import api
from zExceptions import NotFound
from ZODB.POSException import ConflictError

import json
import logging
import pytest
import time
import transaction

SECRET = "s3cret-argument"

seen = []


@task(title="Count pages", queue="texts")
def work(context, text):
    current_job().progress(0.25, f"of {text}")
    seen.append(look_at_the_runner())


@task(attempts=2, backoff=10)
def fail(context, text):
    raise LookupError(text)


@task(attempts=3)
def come_back(context, text):
    raise Retry(120, text)


@task
def conflict(context, text):
    raise ConflictError(text)


@task(queue="slow")
def rest(context, text):
    pass


scan = task(name="tests.scan", title="Scan", queue="scans", elsewhere=True)


@task
def lose(context, text):
    """Let somebody else have the job meanwhile."""
    (attempt,) = Runners.last.running.values()
    with desk.changing(_find_database()) as connection:
        connection.get(attempt.claim.oid).generation += 1


@task
def miss(context, text):
    raise NotFound(text)


@task
def trace_it(context, text):
    seen.append(ids.current_id())


def look_at_the_runner():
    return json.loads(json.dumps(Runners.last.report()))


class Runners:
    last = None


@pytest.fixture
def page(site):
    seen.clear()
    site.log.set_level(logging.INFO)
    made = api.content.create(site.portal, "Document", "page", title="Old")
    transaction.commit()
    return made


@pytest.fixture
def make(page):
    """Make a runner."""

    def runner(**options):
        Runners.last = HandRunner(**options)
        return Runners.last

    return runner


def submit(page, a_task, number=1, **options):
    jobs = [a_task.using(**options).submit(page, SECRET) for _ in range(number)]
    transaction.commit()
    return jobs[0]


def lines(site, level=logging.INFO):
    """Return the lines about jobs, each with its level."""
    records = [r for r in site.log.records if r.name.endswith("jobs.journal")]
    return [(r.levelname, r.getMessage()) for r in records if r.levelno >= level]


# The report


def test_report_when_there_never_was_a_job_has_its_whole_form(make):
    """What reads it can rely on each name."""
    report = make().go()
    runner, delays, runs = (report.pop(n) for n in ("runner", "delay_buckets", "run_buckets"))
    assert len(runner) == 12
    assert set(delays.values()) == set(runs.values()) == {0}
    assert list(runs) == ["0.05", "0.25", "1", "5", "15", "60", "300", "900", "3600", "+Inf"]
    nothing = dict.fromkeys(
        ("done", "failed", "dead", "cancelled", "rescued", "lost", "conflicts", "stopped"), 0
    )
    assert report == {
        **{"claims": True, "queues": [], "most": 1, "running": 0, "jobs": [], "waiting": {}},
        **{"oldest": {}, "dead": 0, "totals": nothing, "recent": nothing},
        "elsewhere": {"waiting": {}, "oldest": {}, "running": {}, "jobs": []},
        **{"delay_seconds": 0.0, "run_seconds": 0.0},
    }


def test_a_running_job_is_told_with_who_and_how_far_and_without_its_arguments(make, page):
    """Nor with the words of its progress, which may have some."""
    before = time.time()
    job = submit(page, work)
    make().go()
    (during,) = seen
    (told,) = during["jobs"]
    assert before - 1 <= told.pop("since") <= time.time() + 0.1
    assert told == {
        **{"id": job.id, "task": f"{__name__}.work", "label": "Count pages", "queue": "texts"},
        **{"user": "test_user_1_", "site": "/plone", "attempt": 1, "attempts": 5},
        "progress": 0.25,
    }
    assert during["running"] == 1
    assert SECRET not in json.dumps(during)


def test_ends_of_attempts_are_counted_each_under_its_own_name(make, page):
    """Done, failed, dead, a conflict; in all and in the last ten minutes."""
    runner = make()
    submit(page, work)
    submit(page, fail)
    report = runner.go()
    assert {k: n for k, n in report["totals"].items() if n} == {"done": 1, "failed": 1}
    report = runner.go(later=30)
    assert {k: n for k, n in report["totals"].items() if n} == {"done": 1, "failed": 1, "dead": 1}
    assert report["recent"] == report["totals"]
    assert (report["dead"], report["running"]) == (1, 0)
    assert report["run_buckets"]["+Inf"] == report["delay_buckets"]["+Inf"] == 3


def test_a_conflict_is_counted_and_is_no_failure(make, page):
    """The job is published again."""
    submit(page, conflict)
    report = make().go()
    assert {k: n for k, n in report["totals"].items() if n} == {"conflicts": 1}


def test_what_waits_is_counted_by_queue_with_how_long_the_oldest_waits(make, page):
    """What is not due yet is counted, but does not wait for a runner."""
    runner = make(most=0)
    before = time.time()
    submit(page, work, 2)
    submit(page, rest, delay=3600)
    report = runner.go()
    assert report["waiting"] == {"texts": 2, "slow": 1}
    assert list(report["oldest"]) == ["texts"]
    assert before <= report["oldest"]["texts"] <= time.time()
    assert set(runner.go(later=4000)["oldest"]) == {"texts", "slow"}


def test_the_oldest_is_one_that_still_waits(make, page):
    """Others may have taken those before it."""
    runner = make(most=0)
    first = submit(page, work)
    second = submit(page, work)
    runner.go()
    first.cancel(time.time())
    transaction.commit()
    assert runner.go()["oldest"] == {"texts": second.due}


@pytest.mark.parametrize("options", [{"claims": False}, {"queues": ["texts"]}])
def test_what_waits_in_queues_of_others_is_counted_too(make, page, options):
    """Else nobody would know that nobody serves them."""
    first, *others = [submit(page, rest) for _ in range(9)]
    runner = make(**options)
    report = runner.go()
    assert report["waiting"] == {"slow": 9}
    assert report["oldest"] == {"slow": first.due}
    for job in (first, *others[:6]):
        job.cancel(time.time())
    transaction.commit()
    report = runner.go()
    assert report["waiting"] == {"slow": 2}
    assert report["oldest"] == {"slow": others[6].due}


def test_a_runner_of_all_queues_counts_no_job_twice(make, page):
    """It has none that is another's."""
    submit(page, rest, 3)
    assert make(most=0).go()["waiting"] == {"slow": 3}


def test_jobs_for_workers_elsewhere_are_counted_apart(make, page, site):
    """Those that wait, and those that run, with whose they are and how long their leases last."""
    for options in ({}, {"claims": False}):
        runs, waits = (submit(page, scan) for _ in range(2))
        store, now = find_store(site.portal._p_jar), time.time()
        claim_elsewhere(store, runs, "w" * 43, "key", now)
        transaction.commit()
        report = make(**options).go()
        assert (report["waiting"], report["oldest"], report["running"]) == ({}, {}, 0)
        told = report["elsewhere"]
        assert (told["waiting"], told["oldest"]) == ({"scans": 1}, {"scans": waits.due})
        assert told["running"] == {"scans": 1}
        (job,) = told["jobs"]
        assert job.pop("since") == pytest.approx(now, abs=0.1)
        assert job.pop("lease") == pytest.approx(now + LEASE, abs=0.1)
        assert job == {
            **{"id": runs.id, "task": "tests.scan", "label": "Scan", "queue": "scans"},
            **{"user": "test_user_1_", "site": "/plone", "worker": "w" * 43, "progress": 0.0},
        }
        assert SECRET not in json.dumps(report)
        for job in (waits, runs):
            job.cancel(time.time())
        transaction.commit()


class Failing:
    """Lets a commit fail."""

    transaction_manager = transaction.manager

    def sortKey(self):
        return "~"

    def commit(self, txn):
        raise ConflictError

    abort = tpc_begin = tpc_vote = tpc_finish = tpc_abort = lambda self, txn: None


def test_what_workers_elsewhere_do_is_counted_when_it_is_committed(page, site):
    """Each under its own name, once; what is aborted is not, nor what fails."""
    before = dict(counts)

    def run():
        job = submit(page, scan)
        store = find_store(site.portal._p_jar)
        claim = claim_elsewhere(store, job, "w", "", time.time())
        return store, job, claim.generation

    store, job, number = run()
    complete(store, job, number, None, time.time())
    complete(store, job, number, None, time.time())  # said again
    transaction.commit()
    store, job, number = run()
    fail_elsewhere(store, job, number, "no", time.time())
    transaction.commit()
    store, job, number = run()
    release(store, job, number, time.time())
    transaction.commit()
    store, job, _ = run()
    rescue(store, job, time.time())
    transaction.commit()
    run()
    transaction.abort()
    run()
    transaction.get().join(Failing())
    with pytest.raises(ConflictError):
        transaction.commit()
    transaction.abort()
    new = {what: counts[what] - before[what] for what in KINDS}
    assert new == {"claimed": 4, "done": 1, "failed": 1, "released": 1, "lost": 1}


def test_finding_the_first_of_many_that_waits_takes_few_looks(page):
    """Each look may ask a database."""
    others = Lines()
    for due in range(1000):
        others._by_queue.setdefault("a", []).append((due, 0, b""))
    looks = []

    def waits(seen):
        looks.append(seen)
        return seen[0] >= 700

    others.trim(waits)
    assert others._by_queue["a"][0] == (700, 0, b"")
    assert len(looks) < 60


def test_rescued_jobs_are_counted(make, page, site):
    """Their runner has died."""
    job = submit(page, work)
    with desk.changing(_find_database()) as connection:
        store = find_store(connection)
        taken = connection.get(job._p_oid)
        desk.claim(store, taken, "dead", [], time.time())
        desk.beat(store, "dead", (make()._place[0], 2**22 + 1), (taken,))
    runner = make()
    runner.go()
    assert runner.go(later=5)["totals"]["rescued"] == 1
    text = f"Job {job.id} ({__name__}.work) is waiting: the process that ran it has ended."
    assert ("WARNING", text) in lines(site)


def test_recent_counts_are_those_of_ten_minutes():
    """What is older is only in the totals."""
    now = [600.0]
    figures = Figures(lambda: now[0])
    figures.count("done")
    now[0] += 599
    figures.count("done")
    assert figures.recent()["done"] == 2
    now[0] += 1
    assert (figures.recent()["done"], figures.totals["done"]) == (1, 2)
    now[0] += 6000
    assert figures.recent()["done"] == 0


def test_an_attempt_that_came_too_late_is_counted_as_lost(make, page, site):
    """What it did is not committed, and nobody's fault."""
    job = submit(page, lose)
    report = make().go()
    assert {k: n for k, n in report["totals"].items() if n} == {"lost": 1}
    assert report["running"] == 0
    ((level, text),) = lines(site)
    assert level == "WARNING"
    assert text.startswith(f"Job {job.id} ({__name__}.lose) is no longer this runner's.")


def test_figures_are_told_in_the_snapshot_of_the_worker(make, page, monkeypatch):
    """Of the process that has a runner."""
    runner = make()
    monkeypatch.setattr(joint, "runners", [runner])
    snapshot = of_worker(Sender("0000000a", 1.0), runner._worker, 2.0, [])
    assert snapshot["jobs"] == runner.report()
    assert overview.of([{**snapshot, "stale": False}], 2.0)["jobs"]["runners"] == 1


# Traces


def test_a_job_is_a_span_that_links_to_the_request_that_submitted_it(make, page, site, monkeypatch):
    """Its task, its log line and its span have one trace, which is not the request's."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    with provider.get_tracer("test").start_as_current_span("POST") as request:
        job = submit(page, trace_it)
    make().go()
    span = next(s for s in exporter.get_finished_spans() if s.name == f"{__name__}.trace_it")
    assert span.attributes["wsgifutures.job"] == job.id
    (link,) = span.links
    assert link.context.trace_id == request.get_span_context().trace_id
    assert link.context.span_id == request.get_span_context().span_id
    own = f"{span.context.trace_id:032x}"
    (record,) = [r for r in site.log.records if r.name.endswith("jobs.journal")]
    assert seen == [own] == [record.trace_id]
    assert span.context.trace_id != request.get_span_context().trace_id
    assert SECRET not in span.to_json()


@pytest.mark.parametrize(("a_task", "kind"), [(fail, "LookupError"), (miss, "NotFound")])
def test_the_span_of_a_failed_attempt_has_the_class_of_the_error(
    make, page, monkeypatch, a_task, kind
):
    """Whether a filter has made an answer of it or not."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    submit(page, a_task)
    make().go()
    span = next(s for s in exporter.get_finished_spans() if s.name == a_task.name)
    assert span.attributes["error.type"] == kind
    assert SECRET not in span.to_json()


# The log


def test_a_job_that_is_done_has_one_line(make, page, site):
    """With its fields, and the id of its trace."""
    job = submit(page, work)
    make().go()
    ((level, text),) = lines(site)
    assert level == "INFO"
    assert text.startswith(f"Job {job.id} ({__name__}.work) is done after 0.")
    assert text.endswith(" s, attempt 1 of 5.")
    (record,) = [r for r in site.log.records if r.name.endswith("jobs.journal")]
    fields = {name: getattr(record, name) for name in ("job", "task", "queue", "ended", "attempt")}
    assert fields == {
        **{"job": job.id, "task": f"{__name__}.work", "queue": "texts"},
        **{"ended": "done", "attempt": 1},
    }
    assert len(record.trace_id) == 32
    assert record.seconds >= 0


def test_a_failed_attempt_warns_and_a_dead_job_is_an_error_that_says_where_to_look(
    make, page, site
):
    """With the class of the error alone: its text has an argument."""
    job = submit(page, fail)
    runner = make()
    runner.go()
    runner.go(later=30)
    (first, text), (second, more) = lines(site)
    assert (first, second) == ("WARNING", "ERROR")
    assert text.startswith(f"Job {job.id} ({__name__}.fail) failed after 0.")
    assert ", attempt 1 of 2: LookupError. It is tried again in " in text
    assert more.endswith(
        ", attempt 2 of 2: LookupError. It is dead. Look at it, and retry or discard it: Live "
        "status, Jobs."
    )


def test_nothing_that_is_logged_of_a_job_has_an_argument(make, page, site):
    """Whatever its task raises."""
    for a_task in (work, fail, come_back, conflict):
        submit(page, a_task)
    make().go()
    journal = [r for r in site.log.records if "wsgifutures.jobs" in r.name]
    assert len(journal) == 4
    assert SECRET not in " ".join(f"{r.getMessage()} {r.__dict__}" for r in journal)


def test_a_job_that_nobody_can_do_is_an_error_with_the_reason(make, page, site):
    """Its context is gone, say."""
    job = submit(page, work)
    api.content.delete(page)
    transaction.commit()
    assert make().go()["totals"]["dead"] == 1
    ((level, text),) = lines(site)
    assert level == "ERROR"
    assert text.startswith(f"Job {job.id} ({__name__}.work) cannot be done: ContextGone: The obj")


def test_a_job_that_was_cancelled_while_it_failed_is_cancelled(make, page, site):
    """Nobody has to look at it."""
    job = submit(page, fail)
    job.side.cancel = True
    transaction.commit()
    report = make().go()
    assert (report["totals"]["cancelled"], report["totals"]["failed"]) == (1, 0)
    assert job.state is JobState.CANCELLED
    ((level, text),) = lines(site)
    assert level == "INFO"
    assert " is cancelled after " in text
