"""What runners write: claims, ends of attempts, heartbeats, rescues."""

from .made import NOW
from .made import wanted
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import tasks
from collective.wsgifutures.jobs.errors import ArgumentsLost
from collective.wsgifutures.jobs.errors import ContextGone
from collective.wsgifutures.jobs.errors import NotInThatState
from collective.wsgifutures.jobs.errors import Retry
from collective.wsgifutures.jobs.errors import TooLate
from collective.wsgifutures.jobs.errors import UserGone
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.tasks import task
from ZODB.POSException import ConflictError

import pytest

LATER = NOW + 100
PLACE = ("host", 1)

WAITING, RUNNING, DONE, DEAD, CANCELLED = JobState


@task(name="tests.write", attempts=3, backoff=10)
def write(context):
    """Write."""


def claim(client, job, runner="r1", limits=None, now=NOW):
    """Claim a job, if it may be; tell whether it was."""
    names = desk.may_claim(client.store, job, limits or {})
    if names is None:
        return False
    desk.claim(client.store, job, runner, names, now)
    return True


def fail(client, job, error, now=LATER):
    """Claim a job and let the attempt fail."""
    if job.state is WAITING:
        desk.claim(client.store, job, "r1", [], now)
    desk.settle(client.store, job, error, now)
    return job


def lined_up(client):
    """Return the ids and generations of the places of jobs that wait once more."""
    return [(value[0].id, value[1]) for value in client.store.again.values()]


# Claims


def test_a_job_that_needs_nothing_is_claimed(client):
    """Nothing is written but the job."""
    job = client.add()
    assert claim(client, job)
    assert (job.runner, len(client.store.taken)) == ("r1", 0)


def test_a_lock_is_held_while_its_job_runs(client):
    """Whoever wants it waits, in whatever queue."""
    first, second, other = client.add(lock="l"), client.add(lock="l", queue="b"), client.add()
    assert claim(client, first)
    assert not claim(client, second)
    assert claim(client, other)


@pytest.mark.parametrize("end", ["finish", "again", "bury", "cancel"])
@pytest.mark.parametrize("what", ["lock", "place"])
def test_what_a_job_takes_is_free_when_its_attempt_ends(client, end, what):
    """Nobody gives it back, so nobody can forget to."""
    lock, limits = ("l", {}) if what == "lock" else ("", {"default": 1})
    first, second = client.add(lock=lock), client.add(lock=lock)
    client.commit()
    claimed = desk.claim(
        client.store, first, "r1", desk.may_claim(client.store, first, limits), NOW
    )
    assert not claim(client, second, limits=limits)
    arguments = {"finish": (claimed, b"", NOW), "again": (NOW, NOW), "bury": (NOW, "no")}
    getattr(first, end)(*arguments.get(end, (NOW,)))
    assert claim(client, second, limits=limits)


def test_what_a_dead_runner_held_is_free_when_its_job_is_rescued(client):
    """A crash keeps no lock."""
    first, second = client.add(lock="l"), client.add(lock="l")
    claim(client, first)
    desk.beat(client.store, "r1", PLACE, (first,))
    desk.rescue(client.store, client.store.runners["r1"], NOW)
    assert claim(client, second, runner="r2")


def test_a_queue_runs_as_many_jobs_as_it_may(client):
    """Others are not counted."""
    jobs = [client.add() for _ in range(4)]
    limits = {"default": 2}
    assert [claim(client, job, limits=limits) for job in jobs] == [True, True, False, False]
    assert claim(client, client.add(queue="other"), limits=limits)
    jobs[0].cancel(NOW)
    assert [claim(client, job, limits=limits) for job in jobs[2:]] == [True, False]


def test_a_paused_queue_waits(client):
    """Until a person lets it go on."""
    job = client.add()
    client.store.paused["default"] = NOW
    assert not claim(client, job)
    del client.store.paused["default"]
    assert claim(client, job)


@pytest.mark.parametrize("what", ["lock", "place"])
def test_two_who_claim_for_the_last_place_conflict(open_client, what):
    """Though the jobs are others."""
    lock, limits = ("l", {}) if what == "lock" else ("", {"default": 1})
    one, other = open_client(), open_client()
    jobs = [one.add(lock=lock), one.add(lock=lock)]
    one.commit()
    other.look()
    assert claim(one, jobs[0], limits=limits)
    assert claim(other, other.see(jobs[1]), "r2", limits)
    one.commit()
    with pytest.raises(ConflictError):
        other.manager.commit()
    other.look()
    assert not claim(other, other.see(jobs[1]), "r2", limits)


# Ends of attempts


def test_a_failed_attempt_waits_and_says_why(client):
    """The pause has a jitter."""
    job = fail(client, client.add(), LookupError("no such book"))
    assert (job.state, job.attempt, job.error) == (WAITING, 1, "LookupError: no such book")
    assert "LookupError: no such book" in job.traceback
    assert LATER + 5 <= job.due <= LATER + 15
    assert lined_up(client) == [(job.id, 1)]


def test_out_of_attempts_it_is_dead(client):
    """It is kept for a person, and no longer in the line."""
    job = client.add(attempts=2)
    fail(client, job, LookupError("one"))
    fail(client, job, LookupError("two"))
    assert (job.state, job.attempt, job.error) == (DEAD, 2, "LookupError: two")
    assert dict(client.store.dead) == {job.id: job}
    assert len(lined_up(client)) == 1


@pytest.mark.parametrize("failed", [1, 2, 3, 10, 50])
def test_pauses_double_up_to_an_hour(failed):
    """Each of them between half and half as much again."""
    usual = min(3600, 10 * 2 ** (failed - 1))
    pauses = [write.pause(failed) for _ in range(200)]
    assert usual * 0.5 <= min(pauses) < usual < max(pauses) <= usual * 1.5


def test_a_task_that_raises_retry_says_when(client):
    """And why, without the name of a class."""
    job = fail(client, client.add(), Retry(77, "The service is closed."))
    assert (job.due, job.error, job.attempt) == (LATER + 77, "The service is closed.", 1)


@pytest.mark.parametrize("after", ["soon", None, -1, float("nan"), float("inf")])
def test_retry_takes_seconds_only(after):
    """The task that raises it fails with a reason; a runner could do nothing with it."""
    with pytest.raises(ValueError, match=r"after=.* is not a number of seconds 0 or more"):
        Retry(after)


@pytest.mark.parametrize(
    "error",
    [
        ArgumentsLost("tests.write", "no class"),
        ContextGone("uid", "/site"),
        TooLate(10),
        UserGone("jane", "/site"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_attempt_would_help_is_dead_at_once(client, error):
    """With the sentence that says what to do."""
    job = fail(client, client.add(), error)
    assert (job.state, job.attempt, job.error) == (DEAD, 0, str(error))


def test_an_attempt_that_would_come_after_the_deadline_is_none(client):
    """A person sees it now, and not in a week."""
    job = fail(client, client.add(), Retry(5000, "Later."))
    assert (job.state, job.error) == (
        DEAD,
        "Later. Its deadline comes before the next attempt.",
    )


def test_a_job_that_somebody_has_cancelled_gets_no_further_attempt(client):
    """However it ended."""
    for end in (
        lambda job: desk.settle(client.store, job, LookupError("no"), LATER),
        lambda job: desk.let_go(client.store, job, LATER),
    ):
        job = client.add()
        claim(client, job)
        job.side.cancel = True
        end(job)
        assert (job.state, lined_up(client)) == (CANCELLED, [])


def test_a_secret_task_tells_the_kind_of_its_error_only(client):
    """Neither text nor traceback has a value."""
    try:
        raise LookupError("no book of 4711")
    except LookupError as error:
        job = fail(client, client.add(secret=True), error)
    assert job.error == "LookupError (the task is secret)"
    assert "4711" not in job.traceback.replace('raise LookupError("no book of 4711")', "")
    assert "test_desk.py" in job.traceback


def test_long_errors_are_cut(client):
    """A page of HTML is no message."""
    job = fail(client, client.add(), LookupError("x" * 100_000))
    assert (len(job.error), len(job.traceback)) == (2_000, 20_000)


class Wordless(Exception):
    """Cannot be told."""

    def __str__(self):
        raise RuntimeError("no text")


def test_an_error_that_cannot_be_told_is_an_error_all_the_same(client):
    """Else its job would be the runner's for ever."""
    job = fail(client, client.add(), Wordless())
    assert (job.state, job.error) == (WAITING, "Wordless: (its text cannot be read)")


def test_a_job_of_a_task_that_is_not_known_here_waits_longer_each_time(client):
    """Another process may know it."""
    job = client.add(task="elsewhere.task")
    pauses = []
    for _ in range(2):
        fail(client, job, LookupError("no"))
        pauses.append(job.due - LATER)
    assert pauses == [20, 40]


def test_let_go_counts_nothing(client):
    """A conflict and a stop of the server are no attempt."""
    job = client.add()
    claim(client, job)
    desk.let_go(client.store, job, LATER, after=1)
    assert (job.state, job.due) == (WAITING, LATER + 1)
    assert (job.attempt, job.deaths, job.error) == (0, 0, "")
    assert lined_up(client) == [(job.id, 1)]


# Runners


def test_a_heartbeat_changes_something_each_time(client):
    """And tells what the runner has."""
    job = client.add()
    desk.beat(client.store, "r1", PLACE, (job,))
    runner = client.store.runners["r1"]
    first = runner.beat
    desk.beat(client.store, "r1", PLACE, ())
    assert (runner.beat > first, runner.claims, runner.place) == (True, (), PLACE)


def test_rescue_lets_the_jobs_of_a_dead_runner_wait_again(client):
    """They run alone next: one of them may have killed it. The runner is forgotten."""
    job = client.add()
    claim(client, job)
    desk.beat(client.store, "r1", PLACE, (job,))
    assert desk.rescue(client.store, client.store.runners["r1"], LATER) == [job]
    assert (job.state, job.deaths, job.attempt) == (WAITING, 1, 0)
    (place,) = client.store.again.values()
    assert place[6] is True  # alone
    assert "r1" not in client.store.runners


def test_what_has_killed_three_runners_is_dead(client):
    """With the reason. No attempt is counted."""
    job = client.add()
    for number in range(3):
        assert job.state is WAITING
        claim(client, job, f"r{number}")
        desk.beat(client.store, f"r{number}", PLACE, (job,))
        desk.rescue(client.store, client.store.runners[f"r{number}"], LATER)
    assert (job.state, job.deaths, job.attempt) == (DEAD, 3, 0)
    assert "ended 3 times without a word" in job.error
    assert dict(client.store.dead) == {job.id: job}


def test_rescue_leaves_what_has_ended_or_is_others(client):
    """A claim that the runner lost is not its own any more."""
    done, others, waits = client.add(), client.add(), client.add()
    finished = done.claim("r1", NOW)
    done._p_oid = done._p_oid or b"1" * 8
    done.finish(finished, b"", NOW)
    for job in (others, waits):
        claim(client, job)
        desk.let_go(client.store, job, NOW)
    claim(client, others, "r2")
    desk.beat(client.store, "r1", PLACE, (done, others, waits))
    assert desk.rescue(client.store, client.store.runners["r1"], LATER) == []
    states = [(job.state, job.deaths) for job in (done, others, waits)]
    assert states == [(DONE, 0), (RUNNING, 0), (WAITING, 0)]


def test_two_who_rescue_the_same_runner_count_one_death(open_client):
    """One of them commits; the other finds nothing left."""
    one, other = open_client(), open_client()
    job = one.add()
    claim(one, job)
    desk.beat(one.store, "r1", PLACE, (job,))
    one.commit()
    other.look()
    desk.rescue(one.store, one.store.runners["r1"], LATER)
    desk.rescue(other.store, other.store.runners["r1"], LATER)
    one.commit()
    with pytest.raises(ConflictError):
        other.manager.commit()
    other.look()
    assert ("r1" in other.store.runners, other.see(job).deaths) == (False, 1)


# People


def test_cancel_ends_a_waiting_job_at_once(client):
    """Nobody has begun it."""
    job = client.add()
    assert desk.cancel(job, LATER)
    assert job.state is CANCELLED


def test_cancel_asks_a_running_job(client):
    """Its task decides; until then it runs."""
    job = client.add()
    claim(client, job)
    assert not desk.cancel(job, LATER)
    assert (job.state, job.side.cancel) == (RUNNING, True)


def test_cancel_comes_too_late_for_what_has_ended(client):
    """And says so. A dead job is discarded, which is another decision."""
    cancelled, dead = client.add(), fail(client, client.add(attempts=1), LookupError("no"))
    cancelled.cancel(NOW)
    for job in (cancelled, dead):
        with pytest.raises(NotInThatState, match=f"is {job.state.value}"):
            desk.cancel(job, LATER)


def test_discard_lets_a_dead_job_be_forgotten(client):
    """It is no longer among the dead ones, and kept as long as a cancelled one."""
    job = fail(client, client.add(attempts=1), LookupError("no"))
    desk.discard(client.store, job, LATER)
    assert (job.state, job.since, len(client.store.dead)) == (CANCELLED, LATER, 0)
    assert job.error == "LookupError: no"


def test_discard_is_for_dead_jobs_only(client):
    """Others are cancelled, or done."""
    waits, runs, cancelled = client.add(), client.add(), client.add()
    claim(client, runs)
    cancelled.cancel(NOW)
    for job in (waits, runs, cancelled):
        with pytest.raises(NotInThatState):
            desk.discard(client.store, job, LATER)


def test_retry_lets_a_dead_job_stand_in_line(client):
    """It is no longer among the dead ones."""
    job = fail(client, client.add(attempts=1), LookupError("no"))
    desk.retry(client.store, job, LATER)
    assert (job.state, len(client.store.dead)) == (WAITING, 0)
    assert lined_up(client) == [(job.id, 1)]


def test_retry_works_for_cancelled_jobs_too(client):
    """They were never among the dead ones."""
    job = client.add()
    desk.cancel(job, NOW)
    desk.retry(client.store, job, LATER)
    assert job.state is WAITING
    with pytest.raises(NotInThatState):
        desk.retry(client.store, job, LATER)


def test_tasks_of_these_tests_are_known():
    """The pause is that of the task."""
    assert tasks.find_task(wanted().task) is write


# Transactions


def write_x(database, value, then=lambda: None):
    """Write into the root, in a transaction of its own."""
    with desk.changing(database) as connection:
        connection.root()["x"] = value
        then()


def open_connections(database):
    """Return how many connections are in use."""
    return sum(one["opened"] is not None for one in database.connectionDebugInfo())


def test_changing_commits_and_closes(database, client):
    """Whatever happens inside."""
    write_x(database, 1)
    with pytest.raises(ZeroDivisionError):
        write_x(database, 2, lambda: 1 / 0)
    client.look()
    assert (client.connection.root()["x"], open_connections(database)) == (1, 1)


def test_changing_tells_of_a_conflict_and_closes(database, client):
    """Its caller decides whether to try again."""
    client.connection.root()["x"] = 2
    with pytest.raises(ConflictError):
        write_x(database, 1, client.commit)
    assert (client.connection.root()["x"], open_connections(database)) == (2, 1)
