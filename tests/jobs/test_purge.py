"""What is forgotten, and when; and what is ended that nobody will run."""

from .made import NOW
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.index import Index
from collective.wsgifutures.jobs.purge import AT_ONCE
from collective.wsgifutures.jobs.purge import Kept
from collective.wsgifutures.jobs.purge import LEFT_ALONE
from collective.wsgifutures.jobs.purge import Purge
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import CLOSED
from collective.wsgifutures.jobs.store import COMMON
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError

import pytest
import transaction

DAY = 86400.0
HOUR = 3600.0

WAITING, RUNNING, DONE, DEAD, CANCELLED = JobState


def look(client, now, purge=None):
    """Look at all lanes once; tell whether something was changed."""
    purge = purge or Purge(Kept())
    changed = [purge.look(client.store, now) for _ in range(len(client.store.lanes) + 1)]
    client.commit()
    return any(changed)


def ended(client, state, now=NOW, **changes):
    """Add a job and let it come to this end *now*."""
    job = client.add(**{"deadline": NOW + 100 * DAY, **changes})
    if state is CANCELLED:
        job.cancel(now)
        return job
    claimed = desk.claim(client.store, job, "r1", names_of(client, job), now)
    if state is DONE:
        job.finish(claimed, b"", now)
    else:
        desk.bury(client.store, job, now, "no")
    return job


def names_of(client, job):
    """Return what the job takes."""
    return desk.may_claim(client.store, job, {})


def left(client, lane="a"):
    """Return the states of the jobs of a lane, None if it is gone."""
    found = client.store.lanes.get(lane)
    return None if found is None else [value[0].state for value in found.jobs.values()]


# Times


@pytest.mark.parametrize("state", [DONE, CANCELLED], ids=["done", "cancelled"])
def test_what_has_ended_well_is_kept_for_a_day(client, state):
    """Its submitter may look for it."""
    ended(client, state)
    ended(client, DEAD)
    look(client, NOW + DAY - 1)
    assert left(client) == [state, DEAD]
    look(client, NOW + DAY + 1)
    assert left(client) == [DEAD]


def test_dead_ones_are_kept_longer(client):
    """A person has to see them."""
    job = ended(client, DEAD)
    look(client, NOW + 30 * DAY - 1)
    assert dict(client.store.dead) == {job.id: job}
    look(client, NOW + 30 * DAY + 1)
    assert (left(client), len(client.store.dead)) == (None, 0)


def test_the_times_are_settings(client):
    """Of the process that looks."""
    ended(client, DONE)
    ended(client, DEAD)
    purge = Purge(Kept(done=CLOSED + 10, dead=CLOSED + 20))
    look(client, NOW + CLOSED + 15, purge)
    assert left(client) == [DEAD]
    look(client, NOW + CLOSED + 25, purge)
    assert left(client) is None


def test_what_waits_or_runs_is_kept_while_it_may_be_done(client):
    """However old it is."""
    client.add(deadline=NOW + 100 * DAY)
    running = client.add(deadline=NOW + 100 * DAY)
    running.claim("r1", NOW)
    desk.beat(client.store, "r1", ("host", 1), (running,))
    client.commit()
    look(client, NOW + 50 * DAY)
    assert left(client) == [WAITING, RUNNING]


def test_a_job_that_is_still_unique_is_kept(client):
    """``submit`` has promised to return it."""
    job = ended(client, DONE, unique="t k")
    client.store.unique["t k"] = (job, NOW + 5 * DAY)
    look(client, NOW + 4 * DAY)
    assert left(client) == [DONE]
    look(client, NOW + 5 * DAY + 1)
    assert (left(client), len(client.store.unique)) == (None, 0)


def test_a_key_that_is_another_jobs_by_now_stays(client):
    """The later job is the one that is returned."""
    ended(client, DONE, unique="t k")
    later = client.add("b", unique="t k", deadline=NOW + 100 * DAY)
    client.store.unique["t k"] = (later, NOW)
    look(client, NOW + 2 * DAY)
    assert (left(client), client.store.unique["t k"][0]) == (None, later)


def test_the_lock_of_a_forgotten_job_is_forgotten(client):
    """A lock for each object would fill the database."""
    ended(client, DONE, lock="one")
    ended(client, DONE, lock="two")
    later = client.add("b", lock="two", deadline=NOW + 100 * DAY)
    desk.claim(client.store, later, "r1", names_of(client, later), NOW)
    desk.beat(client.store, "r1", ("host", 1), (later,))
    assert sorted(client.store.taken) == ["lock one", "lock two"]
    client.commit()
    look(client, NOW + 2 * DAY)
    assert list(client.store.taken) == ["lock two"]


# Lanes


def test_a_lane_is_left_alone_while_somebody_may_add(client):
    """So no submission ever conflicts with a purge."""
    ended(client, DONE)
    purge = Purge(Kept(done=1, dead=1))
    assert not look(client, NOW + CLOSED, purge)
    assert look(client, NOW + CLOSED + 1, purge)


def test_an_empty_lane_is_dropped(client):
    """Whether or not it ever had a job."""
    client.lane("never used")
    client.commit()
    look(client, NOW + CLOSED + 1)
    assert list(client.store.lanes) == [COMMON]


@pytest.mark.parametrize("first", ["purge", "submission"])
def test_a_lane_is_not_dropped_with_a_job_that_is_being_added(open_client, first):
    """A transaction may last for hours: either of the two is done again."""
    slow, other = open_client(), open_client()
    slow.lane("a")
    slow.commit()
    other.look()
    job = slow.add("a", deadline=NOW + DAY)
    drop(other)
    order = [other, slow] if first == "purge" else [slow, other]
    order[0].commit()
    with pytest.raises(ConflictError):
        order[1].manager.commit()
    order[1].look()
    if first == "submission":
        assert other.see(job).state is WAITING
        assert left(other) == [WAITING]


def drop(client):
    """Look until the lane is dropped in this transaction."""
    purge = Purge(Kept())
    while "a" in client.store.lanes:
        purge.look(client.store, NOW + CLOSED + 1)


def test_the_common_lane_is_purged_but_for_its_end(client):
    """Somebody may add to it at any time."""
    for _ in range(LEFT_ALONE + 50):
        client.add(COMMON).cancel(NOW)
    client.commit()
    look(client, NOW + 2 * DAY)
    assert len(left(client, COMMON)) == LEFT_ALONE
    assert client.add(COMMON).id == f"{COMMON}-{LEFT_ALONE + 50}"


def test_the_common_lane_is_never_dropped(client):
    """It is the lane of whoever has none."""
    look(client, NOW + 1000 * DAY)
    assert COMMON in client.store.lanes


def test_low_moves_to_the_first_job_that_waits(client):
    """A reader that starts anew reads nothing that is over."""
    for _ in range(3):
        ended(client, DONE)
    client.add(deadline=NOW + 100 * DAY)
    ended(client, DONE)
    client.commit()
    look(client, NOW + CLOSED + 1)
    lane = client.store.lanes["a"]
    assert (lane.low, len(lane.jobs)) == (3, 5)
    client.store.lanes["a"].jobs[3][0].cancel(NOW)
    client.commit()
    look(client, NOW + CLOSED + 2)
    assert lane.low == 5


def test_low_passes_a_job_that_waits_once_more(client):
    """Its place is in another line now."""
    job = client.add(deadline=NOW + 100 * DAY)
    desk.claim(client.store, job, "r1", [], NOW)
    desk.let_go(client.store, job, NOW)
    client.commit()
    look(client, NOW + CLOSED + 1)
    index = Index()
    index.read(client.store)
    assert (client.store.lanes["a"].low, len(index)) == (1, 1)


def test_a_lane_is_looked_at_again_when_it_has_something_to_forget(client):
    """And not each time."""
    ended(client, DONE, NOW)
    ended(client, DONE, NOW + 600)
    purge = Purge(Kept(done=CLOSED + 600, dead=DAY))
    assert look(client, NOW + CLOSED + 601, purge)
    assert len(left(client)) == 1
    assert not look(client, NOW + CLOSED + 1100, purge)
    assert look(client, NOW + CLOSED + 1201, purge)
    assert left(client) is None


def test_what_a_purge_keeps_does_not_grow(client):
    """Lanes come and go."""
    purge = Purge(Kept())
    client.lane("a")
    client.commit()
    for number in range(3):
        look(client, NOW + DAY + number, purge)
    assert purge._again_at.keys() == {COMMON}


def test_a_lane_that_cannot_be_read_does_not_stop_the_others(client):
    """It is looked at again later."""
    client.add("a")
    client.add("b").cancel(NOW)
    client.commit()
    client.store.lanes["a"].jobs[0] = ("broken",)
    client.commit()
    purge = Purge(Kept())
    for _ in range(4):
        try:
            purge.look(client.store, NOW + 2 * DAY)
        except TypeError:
            client.look()
        else:
            client.commit()
    assert left(client, "b") is None


# What nobody will run


def test_a_job_that_waits_past_its_deadline_is_buried(client):
    """No runner serves its queue, or a person has paused it and forgotten."""
    client.add(deadline=NOW + CLOSED + 10)
    client.commit()
    purge = Purge(Kept())
    look(client, NOW + CLOSED + 5, purge)
    assert left(client) == [WAITING]
    look(client, NOW + CLOSED + 11, purge)
    (job,) = client.store.dead.values()
    assert (job.state, job.since) == (DEAD, NOW + CLOSED + 11)
    assert job.error.startswith("The job was not done within the 7210 s that it had.")


def test_a_job_that_an_undo_brought_back_as_running_is_buried(file_database, open_client):
    """It is not run again by itself: a person has undone what it did."""
    client = open_client(file_database)
    job = client.add(deadline=NOW + 100 * DAY)
    client.commit()
    claimed = desk.claim(client.store, job, "r1", [], NOW)
    desk.beat(client.store, "r1", ("host", 1), (job,))
    client.commit()
    job.finish(claimed, b"", NOW)
    client.commit()
    desk.rescue(client.store, client.store.runners["r1"], NOW)  # it had nothing any more
    client.commit()
    file_database.undo(file_database.undoInfo(1, 2)[0]["id"])
    transaction.commit()
    client.look()
    assert job.state is RUNNING
    look(client, NOW + HOUR - 1)
    assert job.state is RUNNING
    look(client, NOW + CLOSED + 1)
    assert (job.state, "undone" in job.error) == (DEAD, True)
    assert dict(client.store.dead) == {job.id: job}


def test_a_job_that_its_runner_still_has_is_not_buried(client):
    """However long it takes."""
    job = client.add(deadline=NOW + 100 * DAY)
    desk.claim(client.store, job, "r1", [], NOW)
    desk.beat(client.store, "r1", ("host", 1), (job,))
    client.commit()
    look(client, NOW + 2 * DAY)
    assert job.state is RUNNING


# The line of those that wait once more


def let_go(client, job):
    """Claim the job, and let it wait once more."""
    desk.claim(client.store, job, "r1", [], NOW)
    desk.let_go(client.store, job, NOW)


def test_places_of_jobs_that_do_not_wait_there_are_taken_out(client):
    """Also behind a job that waits for weeks."""
    patient, other = client.add(), client.add()
    let_go(client, patient)
    for _ in range(5):
        let_go(client, other)
    client.commit()
    look(client, NOW + 1)
    assert list(client.store.again.keys()) == [0, 5]
    other.cancel(NOW)
    client.commit()
    look(client, NOW + 2)
    assert list(client.store.again.keys()) == [0, 5]  # the last number is never given twice
    let_go(client, patient)
    assert client.store.again.maxKey() == 6


def test_a_look_at_that_line_is_short(client):
    """However long the line is."""
    job = client.add()
    for _ in range(AT_ONCE + 100):
        let_go(client, job)
    client.commit()
    Purge(Kept()).look(client.store, NOW)
    assert len(client.store.again) == 100


def test_a_number_is_never_given_twice(client):
    """Neither in a lane nor in that line: a reader would pass its job."""
    given = []
    purge = Purge(Kept(done=1, dead=1))
    for day in range(1, 6):
        job = client.add(COMMON)
        given.append(job.id)
        let_go(client, job)
        job.cancel(NOW)
        client.commit()
        look(client, NOW + day * DAY, purge)
        given.append(client.store.again.maxKey())
    assert len(set(given)) == len(given)


def test_what_is_forgotten_is_gone_after_a_pack(file_database, open_client):
    """Nothing refers to it any more."""
    client = open_client(file_database)
    job = ended(client, DONE, lock="l", unique="t k")
    client.store.unique["t k"] = (job, NOW)
    client.commit()
    let_go(client, client.add("b", deadline=NOW + 100 * DAY))
    look(client, NOW + 2 * DAY)
    file_database.pack()
    client.connection.cacheMinimize()
    with pytest.raises(POSKeyError):
        file_database.storage.load(job._p_oid)
