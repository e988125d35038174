"""How a job moves from state to state: each move, in each state."""

from .made import Client
from .made import job_in
from .made import NOW
from .made import wanted
from collective.wsgifutures.jobs.errors import ClaimLost
from collective.wsgifutures.jobs.errors import NotInThatState
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.records import Claim
from collective.wsgifutures.jobs.records import ENDED
from collective.wsgifutures.jobs.records import entry_of
from collective.wsgifutures.jobs.records import holds
from collective.wsgifutures.jobs.records import Job
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.records import user_key
from ZODB.POSException import ConflictError

import pickle
import pytest

LATER = NOW + 100

WAITING, RUNNING, DONE, DEAD, CANCELLED = JobState


def others(*states):
    """Parametrize a test with all other states."""
    rest = [state for state in JobState if state not in states]
    return pytest.mark.parametrize("state", rest, ids=[state.value for state in rest])


def in_each(*states):
    """Parametrize a test with these states."""
    return pytest.mark.parametrize("state", states, ids=[state.value for state in states])


def refuses(job, move, state, *allowed):
    """Tell whether a move is refused with its reason, and nothing is changed."""
    before = dict(job.__dict__)
    with pytest.raises(NotInThatState) as caught:
        move()
    facts = (caught.value.job, caught.value.state, list(caught.value.wanted))
    assert facts == ("lane-1", state.value, [one.value for one in allowed])
    return job.__dict__ == before


# claim


def test_claim_when_waiting_gives_it_to_the_runner():
    """The claim has the number that outdates earlier ones."""
    job, _ = job_in(WAITING)
    claim = job.claim("r2", LATER)
    assert claim == Claim("lane-1", None, 1)
    assert (job.state, job.runner, job.generation, job.since) == (RUNNING, "r2", 1, LATER)


@others(WAITING)
def test_claim_when_it_does_not_wait_is_refused(state):
    """Nobody else gets a job that runs or has ended."""
    job, _ = job_in(state)
    assert refuses(job, lambda: job.claim("r2", LATER), state, WAITING)


# check


def test_check_when_running_takes_the_last_claim_only():
    """An earlier one is outdated."""
    job, first = job_in(RUNNING)
    job.check(first)
    job.again(LATER, LATER)
    last = job.claim("r2", LATER)
    job.check(last)
    with pytest.raises(ClaimLost, match="lane-1 is running, and the claim is not its last one"):
        job.check(first)


@others(RUNNING)
def test_check_when_it_does_not_run_raises(state):
    """Whatever the number is."""
    job, claim = job_in(state)
    with pytest.raises(ClaimLost) as caught:
        job.check(claim)
    assert (caught.value.job, caught.value.state) == ("lane-1", state.value)


# finish


def test_finish_when_running_keeps_the_result():
    """An error of an earlier attempt is forgotten."""
    job, _ = job_in(RUNNING)
    job.again(NOW, NOW, "LookupError: no", "Traceback")
    claim = job.claim("r1", NOW)
    assert job.error
    job.finish(claim, pickle.dumps({"pages": 3}), LATER)
    assert (job.state, job.result, job.since) == (DONE, {"pages": 3}, LATER)
    assert (job.error, job.traceback) == ("", "")


def test_finish_when_running_for_another_claim_changes_nothing():
    """What a runner did that slept through its claim is not committed."""
    job, first = job_in(RUNNING)
    job.again(NOW, NOW)
    job.claim("r2", NOW)
    with pytest.raises(ClaimLost):
        job.finish(first, b"x", LATER)
    assert (job.state, job.result, job.runner) == (RUNNING, None, "r2")


@others(RUNNING)
def test_finish_when_it_does_not_run_is_refused(state):
    """Also if it waits again: its number is old by the next claim only."""
    job, claim = job_in(state)
    with pytest.raises(ClaimLost):
        job.finish(claim, b"x", LATER)
    assert (job.state, job.result) == (state, None)


def test_finish_without_a_result_gives_none():
    """Most tasks return nothing."""
    job, _ = job_in(DONE)
    assert job.result is None


# again


def test_again_when_running_waits_until_it_is_due():
    """With the error of the attempt."""
    job, _ = job_in(RUNNING)
    job.again(LATER, LATER + 5, "LookupError: no", "Traceback")
    assert (job.state, job.since, job.due) == (WAITING, LATER, LATER + 5)
    assert (job.error, job.traceback) == ("LookupError: no", "Traceback")


def test_again_without_an_error_keeps_the_last_one():
    """A stop of the server says nothing about the job."""
    job, _ = job_in(RUNNING)
    job.again(NOW, NOW, "LookupError: no", "Traceback")
    job.claim("r1", NOW)
    job.again(LATER, LATER)
    assert (job.error, job.traceback) == ("LookupError: no", "Traceback")


@others(RUNNING)
def test_again_when_it_does_not_run_is_refused(state):
    """Nobody had it."""
    job, _ = job_in(state)
    assert refuses(job, lambda: job.again(LATER, LATER), state, RUNNING)


# bury


@in_each(WAITING, RUNNING)
def test_bury_when_not_ended_keeps_the_reason(state):
    """For a person to look at."""
    job, _ = job_in(state)
    job.bury(LATER, "LookupError: no", "Traceback")
    assert (job.state, job.since) == (DEAD, LATER)
    assert (job.error, job.traceback) == ("LookupError: no", "Traceback")


def test_bury_without_a_traceback_keeps_the_last_one():
    """That of the last attempt says most."""
    job, _ = job_in(RUNNING)
    job.again(NOW, NOW, "LookupError: no", "Traceback")
    job.bury(LATER, "The deadline is over.")
    assert (job.error, job.traceback) == ("The deadline is over.", "Traceback")


@others(WAITING, RUNNING)
def test_bury_when_ended_is_refused(state):
    """It needs nothing more."""
    job, _ = job_in(state)
    assert refuses(job, lambda: job.bury(LATER, "no"), state, RUNNING, WAITING)


# cancel


@in_each(WAITING, RUNNING, DEAD)
def test_cancel_when_not_done_ends_it(state):
    """Without its work. A dead one is not wanted any more."""
    job, _ = job_in(state)
    job.cancel(LATER)
    assert (job.state, job.since, job.ended) == (CANCELLED, LATER, True)


@others(WAITING, RUNNING, DEAD)
def test_cancel_when_done_or_cancelled_is_refused(state):
    """It needs nothing more."""
    job, _ = job_in(state)
    assert refuses(job, lambda: job.cancel(LATER), state, RUNNING, WAITING, DEAD)


# retry


@in_each(DEAD, CANCELLED)
def test_retry_when_ended_without_its_work_waits_with_all_attempts(state):
    """And with as much time as at first."""
    job, _ = job_in(state)
    job.attempt, job.deaths, job.side.cancel, job.side.progress = 3, 2, True, 0.5
    job.retry(LATER)
    assert (job.state, job.due, job.since) == (WAITING, LATER, LATER)
    assert (job.attempt, job.deaths, job.side.cancel, job.side.progress) == (0, 0, False, 0.0)
    assert job.wanted.deadline - LATER == 1000


def test_retry_gives_as_much_time_each_time():
    """However late it was retried before."""
    job, _ = job_in(DEAD)
    for now in (LATER, LATER + 5000, LATER + 90_000):
        job.retry(now)
        assert job.wanted.deadline - now == 1000
        job.bury(now + 2000, "late")


@others(DEAD, CANCELLED)
def test_retry_when_it_is_not_over_or_done_is_refused(state):
    """What is done is not done again."""
    job, _ = job_in(state)
    assert refuses(job, lambda: job.retry(LATER), state, DEAD, CANCELLED)


def test_retry_outdates_the_claim_of_before():
    """A runner that had it before it died may still be at work."""
    job, first = job_in(DEAD)
    job.retry(LATER)
    job.claim("r2", LATER)
    with pytest.raises(ClaimLost):
        job.finish(first, b"x", LATER)


# What is told


@pytest.mark.parametrize("state", JobState, ids=[state.value for state in JobState])
def test_ended_tells_whether_nothing_more_is_to_be_done(state):
    """Three states are an end."""
    job, _ = job_in(state)
    assert job.ended is (state in ENDED) is (state in (DONE, DEAD, CANCELLED))
    assert repr(job) == f"<Job lane-1: {state.value}>"


def test_key_is_the_same_in_each_attempt():
    """A service that was asked before does a thing once."""
    job, _ = job_in(RUNNING)
    first = job.key
    job.again(NOW, NOW)
    job.claim("r2", NOW)
    assert job.key == first == job.id


def test_label_is_the_title_or_the_name():
    """People read the title."""
    assert wanted(title="Translate").label == "Translate"
    assert wanted().label == "tests.write"


def test_entry_of_has_what_a_line_needs_and_nothing_secret():
    """No argument, no name of an object."""
    job, _ = job_in(WAITING, origin=Origin(user="jane", folder="/site"), lock="l", priority=600)
    job.deaths = 1
    entry = entry_of(job)
    assert entry.job is job
    assert entry[1:] == (
        0,
        "default",
        600,
        NOW,
        "l",
        True,
        NOW + 1000,
        "/site:jane",
        "tests.write",
        False,
        "",
        "",
    )


def test_user_key_of_nobody_is_empty():
    """So jobs of anonymous visitors are nobody's."""
    assert user_key(Origin()) == ""
    assert user_key(Origin(user="jane")) != user_key(Origin(user="jane", folder="/site"))


@in_each(*JobState)
def test_holds_while_the_same_claim_runs(state):
    """Nobody gives a lock back: it is over with its holder's attempt."""
    job, claim = job_in(state)
    assert holds((job, claim.generation)) is (state is RUNNING)
    assert not holds((job, claim.generation - 1))
    assert not holds(None)


# In the database


def test_two_who_claim_a_job_conflict_and_one_has_it(open_client):
    """Exactly one commits."""
    one, other = open_client(), open_client()
    job = one.add()
    one.commit()
    other.look()
    job.claim("r1", NOW)
    other.see(job).claim("r2", NOW)
    one.commit()
    with pytest.raises(ConflictError):
        other.manager.commit()
    other.look()
    assert other.see(job).runner == "r1"
    with pytest.raises(NotInThatState):
        other.see(job).claim("r2", NOW)


@pytest.mark.parametrize("move", ["cancel", "bury", "again", "finish"])
def test_whoever_ends_an_attempt_conflicts_with_everybody_else_who_does(open_client, move):
    """Of "done" and each other end, one is committed."""
    one, other = open_client(), open_client()
    job = one.add()
    claim = job.claim("r1", NOW)
    one.commit()
    other.look()
    seen = other.see(job)
    job.finish(claim, b"", NOW)
    arguments = {
        "cancel": (NOW,),
        "bury": (NOW, "no"),
        "again": (NOW, NOW),
        "finish": (claim, b"", NOW),
    }
    getattr(seen, move)(*arguments[move])
    one.commit()
    with pytest.raises(ConflictError):
        other.manager.commit()
    other.look()
    assert seen.state is DONE


def test_progress_does_not_conflict_with_the_end(open_client):
    """It is in an object of its own."""
    one, other = open_client(), open_client()
    job = one.add()
    claim = job.claim("r1", NOW)
    one.commit()
    other.look()
    other.see(job).side.progress = 0.5
    job.finish(claim, b"", NOW)
    other.commit()
    one.commit()
    assert (job.state, job.side.progress) == (DONE, 0.5)


def test_a_move_does_not_write_what_was_submitted_again(database, open_client):
    """Arguments may be large."""
    client = open_client()
    job = client.add(arguments=b"x" * 10_000)
    client.commit()
    job.claim("r1", NOW)
    client.commit()
    pickled, _ = database.storage.load(job._p_oid)
    assert len(pickled) < 1_000


def test_the_store_reads_a_line_without_loading_its_jobs(database, open_client):
    """A look at many waiting jobs is cheap."""
    client = open_client()
    jobs = [client.add() for _ in range(50)]
    client.commit()
    reader = Client(database)
    for value in reader.store.lanes["a"].jobs.values():
        assert value[0]._p_state == -1  # a ghost
    assert len(jobs) == 50
    reader.close()


def test_a_job_is_a_record_that_another_version_can_read():
    """Its state is kept as a text, not as a class of this version."""
    assert Job("lane-1", wanted(), NOW).__getstate__()["_state"] == "waiting"
