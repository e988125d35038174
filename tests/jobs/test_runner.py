"""The loop of a runner: what it claims and when, and that nothing it has taken is lost."""

from .made import NOW
from .publisher import ByHand
from .publisher import make_site
from .publisher import tried
from collective.wsgifutures import current_job
from collective.wsgifutures.jobs import changes
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs import neighbours
from collective.wsgifutures.jobs import runner as running
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.runner import BEAT_EVERY
from collective.wsgifutures.jobs.runner import BROKEN
from collective.wsgifutures.jobs.runner import LOOK_EVERY
from collective.wsgifutures.jobs.runner import SOON
from collective.wsgifutures.jobs.store import Lanes
from collective.wsgifutures.jobs.tasks import task
from collective.wsgifutures.kernel.runtime import WorkerStops
from collective.wsgifutures.wsgi import joints
from collective.wsgifutures.wsgi.joints import Joint
from contextlib import contextmanager
from kernel.test_gate import wait_until
from ZODB.POSException import ConflictError
from ZODB.POSException import StorageError

import logging
import pickle
import pytest
import threading
import time
import transaction

WAITING, RUNNING, DONE, DEAD, CANCELLED = JobState

#: Clocks go on while a test runs; all its jobs are due.
SECONDS = 60.0


@task(name="tests.do", attempts=3, backoff=10)
def do(root, name="x"):
    """Write a name down."""
    tried[name] += 1
    root["written"] = (*root["written"], name)


@task(name="tests.fail", attempts=3, backoff=10)
def fail(root, error):
    """Raise what was wanted."""
    tried["fail"] += 1
    raise ERRORS[error]


ERRORS = {
    "lookup": LookupError("no book of 4711"),
    "conflict": ConflictError(),
    "stop": WorkerStops(),
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """Lanes of this test's own, a joint as Zope has one, no calls counted yet."""
    monkeypatch.setattr(running, "lanes", Lanes())
    monkeypatch.setattr(joints, "joints", [Joint()])
    tried.clear()


@pytest.fixture
def place(client):
    """A client of a database with a site."""
    make_site(client)
    return client


def submit(client, number=1, task="tests.do", *args, **changes):
    """Add jobs and commit; return them."""
    packed = pickle.dumps((args, {}))
    changes = {"deadline": time.time() + 10**6, **changes}
    jobs = [client.add(task=task, arguments=packed, **changes) for _ in range(number)]
    client.commit()
    return jobs


def states(client, jobs):
    """Return the states of the jobs now."""
    client.look()
    return [job.state for job in jobs]


def written(client):
    """Return what was done, in the order in which it was."""
    client.look()
    return client.connection.root()["written"]


@contextmanager
def trouble(monkeypatch, error, after=False, times=10**6):
    """Let changes fail, before or after they are committed, so many times."""
    change, left = desk.changing, iter(range(times))

    @contextmanager
    def changing(database):
        fails = next(left, None) is not None
        if fails and not after:
            raise error
        with change(database) as connection:
            yield connection
        if fails:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(desk, "changing", changing)
        yield


# Claims


def test_a_job_is_claimed_run_and_done(database, place):
    """With its effects."""
    jobs, own = submit(place), ByHand(database)
    assert (own.look(), states(place, jobs)) == (1, [RUNNING])
    assert jobs[0].runner == own.id
    own.end_all()
    assert (states(place, jobs), written(place)) == ([DONE], ("x",))
    own.look()
    assert (own.running, +own.figures.totals) == ({}, {"done": 1})


def test_a_look_while_nothing_happens_writes_nothing(database, place, monkeypatch):
    """Nor does it open the database."""
    own = ByHand(database)
    for _ in range(2):  # the first one makes the lanes of this process
        own._counting._next = 0.0
        own.look(time.time())
    last, opened = database.lastTransaction(), []
    monkeypatch.setattr(database, "open", lambda *args: opened.append(args))
    for _ in range(100):
        own.look(time.time() + 1)
    assert database.lastTransaction() == last
    assert opened == []


def test_no_more_are_claimed_than_may_run(database, place):
    """The rest waits here, and for other runners."""
    jobs, own = submit(place, 5), ByHand(database, most=2)
    assert own.look() == 2
    own.end_all()
    assert own.look() == 2
    own.end_all()
    assert own.look() == 1
    own.end_all()
    assert states(place, jobs) == [DONE] * 5


def test_no_more_are_claimed_than_get_a_slot_soon(database, place):
    """Other processes may have free ones."""
    submit(place, 5)
    own = ByHand(database, slots=2, most=5)
    assert own.look() == 2


def test_a_job_that_could_not_begin_begins_though_nobody_commits(database, place):
    """A look may come between the commit of "done" and the end of the attempt."""
    jobs, own = submit(place, 2), ByHand(database, most=1)
    own.look()
    end = own._note_end
    own._note_end = lambda *args: (own.look(), end(*args))
    own.end_one()
    own._note_end = end
    assert (own.look(), own.running.keys()) == (1, {jobs[1].id})


def test_a_runner_that_is_stopped_claims_nothing(database, place):
    """What it has may end."""
    jobs, own = submit(place, 3), ByHand(database, most=1)
    own.look()
    own.stop()
    own.end_all()
    assert own.look() == 0
    assert states(place, jobs) == [DONE, WAITING, WAITING]


def test_a_claim_that_is_about_to_be_written_when_the_runner_stops_is_none(database, place):
    """Else nobody would let go of it."""
    jobs, own = submit(place), ByHand(database)
    own._has_room = lambda: not own.begun
    own._read()
    own.let_go()
    assert own._claim_safely(own.index.take(NOW), NOW) is None
    assert states(place, jobs) == [WAITING]


def test_of_two_runners_one_has_each_job(database, place):
    """Whatever both have read."""
    jobs, one, other = submit(place, 40), ByHand(database, most=40), ByHand(database, most=40)
    one._read()
    other._read()
    while one.look() + other.look():
        one.end_all()
        other.end_all()
    assert states(place, jobs) == [DONE] * 40
    assert tried["x"] == 40


def test_who_was_slower_with_a_claim_tries_again(database, place, monkeypatch):
    """The place comes back at once: the job may be free again by then."""
    jobs, own = submit(place), ByHand(database)
    own._read()
    with trouble(monkeypatch, ConflictError()):
        own._claim_some(NOW)
    assert (own.begun, own.index.next_look()) == ([], NOW + SOON)
    assert own.look(NOW + SOON) == 1
    assert states(place, jobs) == [RUNNING]


def test_a_claim_whose_commit_failed_and_was_written_is_let_go(database, place, monkeypatch):
    """A database that goes away leaves that open; nobody else would rescue the job."""
    jobs, own = submit(place), ByHand(database)
    own._read()
    with trouble(monkeypatch, ConflictError(), after=True):
        own._claim_some(NOW)
    assert (own.begun, states(place, jobs)) == ([], [RUNNING])
    own.look(NOW + 1)
    assert states(place, jobs) == [WAITING]
    own.look(NOW + 2)
    own.end_all()
    assert (states(place, jobs), jobs[0].attempt, tried["x"]) == ([DONE], 0, 1)


def test_a_claim_that_cannot_be_written_lets_others_come_first(database, place, monkeypatch):
    """And is tried again later."""
    jobs, own = submit(place, 2), ByHand(database)
    own._read()
    with trouble(monkeypatch, StorageError("no space"), times=1), pytest.raises(StorageError):
        own._claim_some(NOW)
    assert own.look() == 1
    own.end_all()
    assert own.look(NOW + BROKEN) == 1
    own.end_all()
    assert states(place, jobs) == [DONE, DONE]


def test_a_job_is_never_run_twice_side_by_side_here(database, place):
    """An attempt that has lost its claim ends before the next one begins."""
    (job,), own = submit(place), ByHand(database)
    own.look()
    place.look()
    desk.let_go(place.store, job, NOW)  # as another runner does that takes this one for dead
    place.commit()
    assert (own.look(), len(own.running)) == (0, 1)
    assert own.running[job.id].current.cancelled
    own.end_all()
    assert (states(place, [job]), own.running) == ([WAITING], {})
    assert own.look(NOW + LOOK_EVERY) == 1
    own.end_all()
    assert (states(place, [job]), written(place)) == ([DONE], ("x",))


def test_a_job_whose_submission_is_undone_is_dropped(file_database, open_client):
    """Those behind it come."""
    client = open_client(file_database)
    make_site(client)
    submit(client, lock="l", due=NOW)
    own = ByHand(file_database)
    own._read()
    file_database.undo(file_database.undoInfo(0, 1)[0]["id"])
    transaction.commit()
    client.look()
    own._read()
    jobs = submit(client, lock="l")
    assert own.look(NOW) == 1
    own.end_all()
    assert states(client, jobs) == [DONE]


def test_a_job_that_is_gone_while_it_runs_ends_all_the_same(file_database, open_client):
    """Purged by others, and packed: its runner goes on."""
    client = open_client(file_database)
    make_site(client)
    submit(client)
    own = ByHand(file_database)
    own.look()
    del client.store.lanes["a"]
    client.store.runners.clear()
    client.commit()
    file_database.pack()
    own._database.cacheMinimize()
    own._next_beat = 0
    jobs = submit(client, lane="b")
    own.look()
    own.end_all()
    own.look()
    assert (own.running, states(client, jobs)) == ({}, [DONE])


@pytest.mark.parametrize("error", [KeyError("catalog"), AttributeError("portal_catalog")])
def test_a_site_that_is_broken_fails_its_jobs_and_stops_no_others(database, place, error):
    """People see why. It is an attempt, so it comes to an end."""
    jobs, own = submit(place), ByHand(database)
    place.connection.root()["Application"].error = error
    place.commit()
    now = NOW
    for _ in range(3):
        assert own.look(now) == 0
        now += 100
    assert (states(place, jobs), jobs[0].attempt) == ([DEAD], 3)
    assert jobs[0].error == f"{type(error).__qualname__}: {error}"


def test_a_job_past_its_deadline_is_dead_when_its_turn_comes(database, place):
    """It is not begun."""
    jobs, own = submit(place, deadline=NOW - 1), ByHand(database)
    assert (own.look(), states(place, jobs)) == (0, [DEAD])
    assert "Is its queue paused" in jobs[0].error


def test_a_thread_that_cannot_be_started_fails_the_attempt(database, place, monkeypatch):
    """The job is not this runner's for ever."""
    jobs, own = submit(place), ByHand(database)

    def refuse(run):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(own, "_begin", refuse)
    own.look()
    assert (states(place, jobs), own.running, own._alone) == ([WAITING], {}, False)
    assert jobs[0].error == "RuntimeError: can't start new thread"


# Limits


def count_claims(own):
    """Count how many places are asked for."""
    asked, decide = [], own._decide
    own._decide = lambda *args: (asked.append(1), decide(*args))[1]
    return asked


def test_a_queue_that_is_full_or_paused_is_asked_once(database, place):
    """Not for each job that waits in it; jobs of others go on."""
    submit(place, 30, queue="few")
    submit(place, 30, queue="paused")
    jobs = submit(place, 2)
    place.store.paused["paused"] = NOW
    place.commit()
    own = ByHand(database, limits={"few": 1}, most=20)
    asked = count_claims(own)
    assert own.look() == 3
    assert len(asked) <= 6
    own.end_all()
    assert states(place, jobs) == [DONE, DONE]


def test_the_next_job_of_a_full_queue_begins_when_one_ends(database, place):
    """Not a look later: a queue of short jobs would stand still most of the time."""
    submit(place, 3, queue="few")
    own = ByHand(database, limits={"few": 1})
    for _ in range(3):
        assert own.look() == 1
        own.end_all()
    assert len(written(place)) == 3


def test_a_paused_queue_goes_on_within_a_second(database, place):
    """After a person has let it."""
    submit(place, 2)
    place.store.paused["default"] = NOW
    place.commit()
    own = ByHand(database)
    assert own.look() == 0
    assert own._look(NOW + 0.5) <= LOOK_EVERY
    del place.store.paused["default"]
    place.commit()
    assert own.look(NOW + LOOK_EVERY) == 2


def test_a_job_whose_worker_elsewhere_died_comes_back_where_nothing_else_happens(database, place):
    """Also if the worker claimed it right after a look."""
    own = ByHand(database)
    own.look()
    place.look()
    (job,) = submit(place, elsewhere=True, timeout=3600.0)
    leases.claim_elsewhere(place.store, job, "a worker", "", NOW)
    place.commit()
    for second in range(1, int(leases.LEASE)):
        own.look(NOW + second)
    assert states(place, [job]) == [RUNNING]
    own.look(NOW + leases.LEASE)
    assert states(place, [job]) == [WAITING]


def test_a_lock_that_another_runner_holds_is_asked_for_each_second(database, place):
    """And its jobs come in order."""
    jobs, one, other = submit(place, 2, lock="l"), ByHand(database), ByHand(database)
    assert one.look() == 1
    assert other.look() == 0
    one.stop()
    one.end_all()
    assert other.look(NOW + LOOK_EVERY) == 1
    assert states(place, jobs) == [DONE, RUNNING]


# Deaths


def kill(own):
    """Let a runner be dead: what it has will not go on."""
    own._claims = False
    own.begun.clear()


def test_the_jobs_of_a_dead_runner_are_rescued_and_run_alone(database, place, monkeypatch):
    """One after the other, since one of them may have killed it."""
    jobs, first, second = submit(place, 3), ByHand(database), ByHand(database)
    first.look()
    kill(first)
    second.look()
    monkeypatch.setattr(neighbours, "SILENCE", 0)
    second.look()
    assert states(place, jobs) == [WAITING] * 3
    now = time.time() + 1
    for left in (3, 2, 1):
        assert second.look(now) == 1
        assert len(second.running) == 1
        assert second.look(now) == 0
        second.end_all()
        assert states(place, jobs).count(WAITING) == left - 1
    assert states(place, jobs) == [DONE] * 3


@pytest.mark.parametrize("when", ["before", "beside"])
def test_a_runner_that_gives_a_sign_of_life_is_not_rescued(database, place, when):
    """Neither if it comes before the rescue, nor if it comes beside it."""
    jobs, first, second = submit(place), ByHand(database), ByHand(database)
    first.look()
    second._read()
    rescue = desk.rescue
    if when == "before":
        beat(first)
    else:
        desk.rescue = lambda *args: (beat(first), rescue(*args))[1]
    try:
        second._ends.rescue(first.id, second._neighbours)
    finally:
        desk.rescue = rescue
    assert states(place, jobs) == [RUNNING]
    first.end_all()
    assert (states(place, jobs), jobs[0].deaths) == ([DONE], 0)


def test_a_job_that_has_to_be_alone_gets_its_turn(database, place):
    """However many others come, of other queues too."""
    (suspect,) = submit(place)
    desk.claim(place.store, suspect, "r0", [], NOW)
    suspect.deaths = 1
    desk.let_go(place.store, suspect, NOW)
    place.commit()
    submit(place, 20, queue="other")
    own = ByHand(database, most=3)
    for _ in range(8):
        own.look()
        if suspect.id in own.running:
            break
        own.end_one()
    assert own.running.keys() == {suspect.id}
    own.end_all()
    assert own.look() == 3


# Ends


def test_a_failed_attempt_is_settled(database, place):
    """The job waits for the next one."""
    jobs, own = submit(place, 1, "tests.fail", "lookup"), ByHand(database)
    own.look()
    own.end_all()
    assert (states(place, jobs), jobs[0].attempt) == ([WAITING], 1)
    own.look()
    assert (own.running, +own.figures.totals) == ({}, {"failed": 1})


def test_only_a_look_changes_the_index(database, place, monkeypatch):
    """An attempt ends in a thread of its own, beside a look."""
    submit(place, lock="l")
    own, dropped = ByHand(database), []
    own.look()
    monkeypatch.setattr(own.index, "drop", dropped.append)
    own.end_all()
    assert dropped == []
    own.look()
    assert dropped == ["l"]


@pytest.mark.parametrize("error", ["conflict", "stop"])
def test_a_conflict_and_a_stop_are_no_attempt(database, place, error):
    """It comes again soon."""
    jobs, own = submit(place, 1, "tests.fail", error), ByHand(database)
    own.look()
    own._worker.application = raising(ERRORS[error])
    own.end_all()
    assert (states(place, jobs), jobs[0].attempt, jobs[0].error) == ([WAITING], 0, "")
    assert jobs[0].due <= time.time() + desk.SOON


def raising(error):
    """Return an application that raises it."""

    def application(environ, start_response):
        raise error

    return application


def test_an_error_after_the_commit_changes_nothing(database, place, caplog):
    """A filter of the site's pipeline may raise it: the job is done."""
    jobs, own = submit(place), ByHand(database)
    publish = own._worker.application

    def application(environ, start_response):
        publish(environ, start_response)
        raise LookupError("too late")

    own._worker.application = application
    own.look()
    own.end_all()
    own.look()
    assert (states(place, jobs), +own.figures.totals) == ([DONE], {"done": 1})
    assert caplog.messages == ["<Attempt 1 at a-0> raised LookupError after it was done."]


def test_the_log_tells_no_text_of_an_error(database, place, caplog):
    """It may have what the task was given. The job's record has it, for those who may see it."""
    submit(place, 1, "tests.fail", "lookup")
    own = ByHand(database)
    own.look()
    with caplog.at_level(logging.WARNING):
        own.end_all()
    (line,) = (record.getMessage() for record in caplog.records)
    assert "LookupError" in line
    assert "4711" not in caplog.text


@pytest.mark.parametrize("error", [ConflictError(), StorageError("gone"), OSError("gone")])
def test_an_end_that_cannot_be_written_is_written_later(database, place, monkeypatch, error):
    """The database is away for a minute. Meanwhile the job is this runner's."""
    monkeypatch.setattr(changes, "TRIES", 2)
    (job,), own = submit(place, 1, "tests.fail", "lookup"), ByHand(database)
    own.look()
    with trouble(monkeypatch, error):
        own.end_all()
        assert own.running.keys() == {job.id}
        assert own._look_safely() == 5 * LOOK_EVERY
    assert states(place, [job]) == [RUNNING]
    own.look()
    assert (states(place, [job]), job.attempt, own.running) == ([WAITING], 1, {})


def test_an_end_whose_commit_failed_and_was_written_is_written_once(database, place, monkeypatch):
    """The second time the claim is found lost."""
    (job,), own = submit(place, 1, "tests.fail", "lookup"), ByHand(database)
    own.look()
    with trouble(monkeypatch, StorageError("gone"), after=True, times=1):
        own.end_all()
    own.look()
    assert (states(place, [job]), job.attempt, own.running) == ([WAITING], 1, {})


@pytest.mark.parametrize("step", range(6))
def test_a_look_that_fails_anywhere_loses_nothing(database, place, monkeypatch, step):
    """Whichever of its transactions fails, the next looks do it all."""
    jobs, own = submit(place, 3), ByHand(database, most=2)
    for _ in range(step):
        own.look()
        own.end_all() if step % 2 else None
    change, calls = desk.changing, []

    @contextmanager
    def changing(of):
        calls.append(1)
        if len(calls) == step % 4 + 1:
            raise StorageError("gone")
        with change(of) as connection:
            yield connection

    with monkeypatch.context() as patch:
        patch.setattr(desk, "changing", changing)
        own._look_safely()
    for number in range(10):
        own.look(time.time() + number * BROKEN)
        own.end_all()
    assert states(place, jobs) == [DONE] * 3
    assert tried["x"] == 3


def test_what_runs_at_the_end_is_let_go(database, place):
    """Other runners have it at once; that is no attempt, and what is done here is dropped."""
    jobs, own = submit(place, 2), ByHand(database)
    own.look()
    own.let_go()
    assert states(place, jobs) == [WAITING] * 2
    own.end_all()
    assert (states(place, jobs), written(place)) == ([WAITING] * 2, ())
    assert [(job.attempt, job.deaths) for job in jobs] == [(0, 0)] * 2


def test_a_runner_without_jobs_writes_nothing_at_its_end(database, place, monkeypatch):
    """It does not wait for a database that is away."""
    own = ByHand(database)
    own.look()
    with trouble(monkeypatch, StorageError("gone")):
        own.let_go()


# Heartbeats


def attempt_of(own):
    """Return the attempt that runs."""
    (attempt,) = own.running.values()
    return attempt


def beat(own):
    """Let the next heartbeat be due."""
    own._next_beat = 0
    own.look(time.time())


def test_progress_is_written_with_a_heartbeat(database, place):
    """At most every few seconds."""
    (job,), own = submit(place), ByHand(database)
    own.look()
    attempt_of(own).current.progress(0.4, "40 of 100")
    own.look()
    place.look()
    assert job.side.progress == 0
    beat(own)
    place.look()
    assert (job.side.progress, job.side.words) == (0.4, "40 of 100")
    assert attempt_of(own).current.told is None


@pytest.mark.parametrize("done", [-0.1, 1.1, float("nan"), None, "half"], ids=str)
def test_progress_is_a_number_from_0_to_1(database, place, done):
    """The message says so."""
    submit(place)
    own = ByHand(database)
    own.look()
    with pytest.raises(ValueError) as caught:
        attempt_of(own).current.progress(done)
    assert str(caught.value) == f"progress({done!r}): give a number from 0 to 1."


def test_progress_that_is_told_while_it_is_written_is_written_next(database, place, monkeypatch):
    """It is the newer one."""
    (job,), own = submit(place), ByHand(database)
    own.look()
    current, write = attempt_of(own).current, desk.beat
    current.progress(0.4)

    def slowly(*args):
        write(*args)
        current.progress(0.5)

    with monkeypatch.context() as patch:
        patch.setattr(desk, "beat", slowly)
        beat(own)
    beat(own)
    place.look()
    assert job.side.progress == 0.5


def test_a_claim_is_a_heartbeat(database, place):
    """So a short job costs one write less."""
    submit(place)
    own = ByHand(database)
    own.look()
    own.look()
    place.look()
    assert place.store.runners[own.id].beat == 1
    assert 0 < own._next_beat - time.monotonic() <= BEAT_EVERY


def test_who_cancels_a_running_job_is_heard(database, place):
    """At the next look."""
    (job,), own = submit(place), ByHand(database)
    own.look()
    place.look()
    assert not desk.cancel(job, NOW)
    place.commit()
    own.look()
    assert attempt_of(own).current.cancelled


def test_there_is_no_current_job_outside_of_one():
    """A task that is just called has none."""
    assert current_job() is None


# Side by side


@pytest.mark.concurrency
def test_runners_that_start_at_once_do_each_job_once(file_database, open_client):
    """In threads or greenlets of their own, while others submit."""
    client = open_client(file_database)
    make_site(client)
    client.connection.root()["written"] = ()
    runners = [Quick(file_database) for _ in range(3)]
    for own in runners:
        own._runtime.spawn(own.go_on)
    jobs = []
    for number in range(20):
        jobs += submit(client, 2, "tests.do", str(number), lock="l" if number % 3 else "")
        for own in runners:
            own._wake.set()
    wait_until(lambda: states(client, jobs) == [DONE] * 40, SECONDS)
    for own in runners:
        own.is_over.set()
        own._wake.set()
        assert own.has_ended.wait(SECONDS)
    assert states(client, jobs) == [DONE] * 40
    assert sorted(written(client)) == sorted(str(number) for number in range(20) for _ in "ab")


class Quick(ByHand):
    """A runner as it is, but for its end."""

    def __init__(self, database):
        super().__init__(database, most=4)
        self.is_over = threading.Event()
        self.has_ended = threading.Event()

    def _begin(self, run):
        self._runtime.spawn(run)

    def go_on(self):
        """Look until it is over."""
        while not self.is_over.is_set():
            self._wake.clear()
            self._wake.wait(min(0.1, self._look_safely()))
        self.has_ended.set()
