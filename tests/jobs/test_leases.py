"""What workers elsewhere write: claims, heartbeats, ends; and what becomes of silent ones."""

from .made import NOW
from .made import wanted
from BTrees.OOBTree import OOBTree
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs.changes import Changes
from collective.wsgifutures.jobs.ends import Ends
from collective.wsgifutures.jobs.errors import AttemptTimeout
from collective.wsgifutures.jobs.errors import ClaimLost
from collective.wsgifutures.jobs.errors import NotInThatState
from collective.wsgifutures.jobs.figures import Figures
from collective.wsgifutures.jobs.index import Index
from collective.wsgifutures.jobs.leases import LEASE
from collective.wsgifutures.jobs.leases import Leases
from collective.wsgifutures.jobs.leases import LOOK_EVERY
from collective.wsgifutures.jobs.purge import Kept
from collective.wsgifutures.jobs.purge import Purge
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.kernel.errors import ResultRefused
from ZODB.POSException import ConflictError

import pytest

WAITING, RUNNING, DONE, DEAD, CANCELLED = JobState

LATER = NOW + 100
OVER = NOW + LEASE + 1


def add(client, **changes):
    """Add a job for workers elsewhere, committed."""
    job = client.add(**{"elsewhere": True, "timeout": 3600.0, **changes})
    client.commit()
    return job


def claim(client, job, worker="w1", key="", now=NOW, limits=None):
    """Claim a job, committed."""
    claimed = leases.claim_elsewhere(client.store, job, worker, key, now, limits)
    client.commit()
    return claimed


def purge(client, now, **kept):
    """Look at all lanes."""
    look = Purge(Kept(**kept))
    for _ in client.store.lanes:
        look.look(client.store, now)


@pytest.fixture
def database(file_database):
    """One that resolves conflicts, and looks at what was only read."""
    return file_database


@pytest.fixture
def job(client):
    """A job that a worker has claimed at NOW."""
    made = add(client)
    claim(client, made, key="k")
    return made


# Claims


def test_a_claim_gives_the_job_for_as_long_as_the_lease_lasts(client, job):
    """To one worker; what it has is found by its key."""
    assert (job.state, job.runner, job.generation) == (RUNNING, "w1", 1)
    assert job.side.lease == NOW + LEASE
    (lease,) = leases.leases_of(client.store)
    assert (lease.job, lease.worker, lease.key) == (job, "w1", "k")


def test_the_same_key_gives_the_same_claim_while_it_is_held(client, job):
    """The answer was lost."""
    assert claim(client, job, key="k").generation == 1
    assert leases.find_lease(client.store, "w1", "k").job is job
    for worker, key in [("w2", "k"), ("w1", "other"), ("w1", "")]:
        assert leases.find_lease(client.store, worker, key) is None
        with pytest.raises(NotInThatState):
            claim(client, job, worker, key)
    leases.release(client.store, job, 1, NOW)
    client.commit()
    assert leases.find_lease(client.store, "w1", "k") is None
    assert claim(client, job, key="k").generation == 2


def test_a_job_for_runners_is_not_claimed(client):
    """Nor one that has ended."""
    job = add(client, elsewhere=False)
    with pytest.raises(NotInThatState):
        claim(client, job)


def test_a_claim_waits_for_its_queue_and_its_lock(client):
    """As one of a runner."""
    first, second = add(client, lock="l"), add(client, lock="l")
    assert claim(client, first) is not None
    assert claim(client, second) is None
    third = add(client)
    limits = {"default": 1}
    assert claim(client, third, limits=limits) is not None
    assert claim(client, add(client), limits=limits) is None
    desk.pause_queue(client.store, "default", NOW)
    assert claim(client, add(client)) is None


def test_claims_of_different_jobs_do_not_conflict(client, open_client):
    """Not even the first two of a database."""
    other = open_client()
    one, two = add(client), add(client)
    other.look()
    leases.claim_elsewhere(client.store, one, "w1", "", NOW)
    leases.claim_elsewhere(other.store, other.see(two), "w2", "", NOW)
    client.commit()
    other.commit()
    assert {lease.worker for lease in leases.leases_of(other.store)} == {"w1", "w2"}


def test_two_claims_of_one_job_conflict(client, open_client):
    """One worker gets it."""
    other, job = open_client(), add(client)
    other.look()
    leases.claim_elsewhere(client.store, job, "w1", "", NOW)
    leases.claim_elsewhere(other.store, other.see(job), "w2", "", NOW)
    client.commit()
    with pytest.raises(ConflictError):
        other.commit()


def test_a_store_of_an_older_version_gets_its_leases_with_the_first_claim(client):
    """It has none until then."""
    del client.store.leases
    client.commit()
    assert client.store.leases is None
    assert list(leases.leases_of(client.store)) == leases.expired(client.store, NOW) == []
    assert not leases.clean(client.store)
    assert leases.find_lease(client.store, "w1", "k") is None
    job = add(client)
    claim(client, job, key="k")
    assert isinstance(client.store.leases, OOBTree)
    assert [lease.job for lease in leases.leases_of(client.store)] == [job]


def test_a_runner_leaves_jobs_elsewhere_out_and_claims_take_only_those(client):
    """Each index has the jobs of its own."""
    add(client, queue="ocr")
    add(client, queue="ocr", elsewhere=False)
    for is_elsewhere in (False, True):
        index = Index(elsewhere=is_elsewhere)
        index.read(client.store)
        assert len(index) == 1
        assert index.take(NOW).entry.elsewhere is is_elsewhere


# Heartbeats


def test_a_heartbeat_prolongs_the_lease(job, client):
    """It writes nothing if the lease was prolonged a moment ago."""
    assert not leases.renew(job, 1, NOW + 4)
    assert job.side.lease == NOW + LEASE
    assert leases.renew(job, 1, LATER)
    assert job.side.lease == LATER + LEASE
    client.commit()
    assert leases.expired(client.store, OVER) == []


def test_a_heartbeat_never_conflicts_with_the_end(client, open_client, job):
    """Even if both come at the same time."""
    other = open_client()
    leases.renew(other.see(job), 1, LATER)
    leases.complete(client.store, job, 1, None, LATER)
    other.commit()
    client.commit()
    assert job.state is DONE


def test_a_heartbeat_that_comes_before_the_rescue_wins(client, open_client, job):
    """The rescue finds a lease that lasts."""
    other = open_client()
    leases.rescue(other.store, other.see(job), OVER)
    assert leases.renew(job, 1, OVER)
    client.commit()
    with pytest.raises(ConflictError):
        other.commit()
    other.look()
    assert other.see(job).state is RUNNING
    assert leases.expired(other.store, OVER) == []


def test_a_rescue_that_comes_before_the_heartbeat_wins(client, open_client, job):
    """The worker is told that it has lost the job."""
    other = open_client()
    leases.rescue(other.store, other.see(job), OVER)
    leases.renew(job, 1, OVER)
    other.commit()
    with pytest.raises(ConflictError):
        client.commit()
    client.look()
    with pytest.raises(ClaimLost):
        leases.renew(job, 1, OVER)


def test_a_lease_lasts_no_longer_than_an_attempt(client):
    """However often the worker says that it lives."""
    job = add(client, timeout=150.0)
    claim(client, job)
    leases.renew(job, 1, LATER)
    assert job.side.lease == NOW + 150
    with pytest.raises(AttemptTimeout):
        leases.renew(job, 1, NOW + 150)


def test_progress_is_told_with_a_heartbeat(job):
    """Not more often."""
    assert not leases.tell(job, 1, 0.1, "1 of 10", NOW + 1)
    assert leases.tell(job, 1, 0.2, "2 of 10", NOW + 6)
    assert (job.side.progress, job.side.words, job.side.lease) == (0.2, "2 of 10", NOW + 6 + LEASE)


# Ends


def test_complete_writes_the_result_once(client, job):
    """Again it is the same answer, and the first result stays."""
    leases.complete(client.store, job, 1, {"n": 1}, LATER)
    assert leases.complete(client.store, job, 1, {"n": 2}, LATER) is None
    assert (job.state, job.result) == (DONE, {"n": 1})


def test_a_result_that_is_too_large_changes_nothing(client, job):
    """The worker may still fail."""
    with pytest.raises(ResultRefused):
        leases.complete(client.store, job, 1, "x" * 300_000, LATER)
    assert (job.state, job.said) == (RUNNING, "")


def test_fail_is_an_attempt_and_again_is_none(client, job):
    """A lost answer costs no attempt."""
    for _ in range(2):
        leases.fail(client.store, job, 1, "no paper", LATER, retry_after=7)
    assert (job.state, job.attempt, job.error, job.due) == (WAITING, 1, "no paper", LATER + 7)


def test_fail_without_hope_is_dead(client, job):
    """Whatever attempts are left."""
    leases.fail(client.store, job, 1, "not an image", LATER, is_hopeless=True)
    assert (job.state, job.error) == (DEAD, "not an image")


def test_fail_of_a_secret_task_tells_no_text(client):
    """An argument may be in it."""
    job = add(client, secret=True)
    claim(client, job)
    leases.fail(client.store, job, 1, "the password", LATER, is_hopeless=True)
    assert "password" not in job.error + job.traceback


def test_release_is_no_attempt(client, job):
    """Somebody else may have it at once."""
    for _ in range(2):
        leases.release(client.store, job, 1, LATER)
    assert (job.state, job.attempt, job.deaths, job.due) == (WAITING, 0, 0, LATER)


def test_a_job_that_somebody_wants_to_end_is_cancelled_when_its_worker_lets_go(client, job):
    """It was asked by the answer to a heartbeat."""
    desk.cancel(job, LATER)
    leases.release(client.store, job, 1, LATER)
    assert job.state is CANCELLED


ENDS = {
    "complete": lambda store, job, n: leases.complete(store, job, n, None, LATER),
    "fail": lambda store, job, n: leases.fail(store, job, n, "no", LATER),
    "release": lambda store, job, n: leases.release(store, job, n, LATER),
    "renew": lambda store, job, n: leases.renew(job, n, LATER),
    "tell": lambda store, job, n: leases.tell(job, n, 0.5, "", LATER),
}


@pytest.mark.parametrize("what", ENDS)
def test_an_older_claim_changes_nothing(client, job, what):
    """Somebody else has the job."""
    leases.release(client.store, job, 1, NOW)
    claim(client, job, "w2")
    with pytest.raises(ClaimLost):
        ENDS[what](client.store, job, 1)
    assert (job.state, job.runner, job.generation) == (RUNNING, "w2", 2)


@pytest.mark.parametrize("what", ENDS)
def test_a_lease_that_was_lost_changes_nothing(client, job, what):
    """Though nobody else has the job yet."""
    leases.rescue(client.store, job, OVER)
    with pytest.raises(ClaimLost):
        ENDS[what](client.store, job, 1)
    assert job.state is WAITING


@pytest.mark.parametrize("first", ["complete", "fail", "release"])
@pytest.mark.parametrize("second", ["complete", "fail", "release"])
def test_only_the_same_end_may_be_told_again(client, job, first, second):
    """Another one would be a lie."""
    ENDS[first](client.store, job, 1)
    before = job.state, job.attempt, job.said
    if first == second:
        ENDS[second](client.store, job, 1)
    else:
        with pytest.raises(ClaimLost):
            ENDS[second](client.store, job, 1)
    assert (job.state, job.attempt, job.said) == before


# Workers that are silent


def test_a_job_whose_lease_is_over_waits_again(client, job):
    """At once, and that was no attempt."""
    assert leases.expired(client.store, NOW + LEASE - 1) == []
    assert leases.expired(client.store, OVER) == [job]
    leases.rescue(client.store, job, OVER)
    assert (job.state, job.attempt, job.deaths) == (WAITING, 0, 1)
    assert leases.expired(client.store, OVER) == []


def test_a_job_that_silences_three_workers_is_dead(client):
    """In words that are about workers."""
    job = add(client)
    for number in (1, 2, 3):
        claim(client, job)
        leases.rescue(client.store, job, OVER)
        assert job.deaths == number
    assert job.state is DEAD
    assert "worker elsewhere" in job.error
    assert "silent 3 times" in job.error
    assert job.id in client.store.dead


def test_an_attempt_that_takes_too_long_has_failed(client):
    """It counts, as one of a runner."""
    job = add(client, timeout=10.0)
    claim(client, job)
    leases.rescue(client.store, job, NOW + 11)
    assert (job.state, job.attempt, job.deaths) == (WAITING, 1, 0)
    assert "took longer than 10 s" in job.error


def test_a_silent_worker_of_a_job_that_was_to_end_is_not_waited_for(client, job):
    """The job is cancelled."""
    desk.cancel(job, LATER)
    leases.rescue(client.store, job, OVER)
    assert job.state is CANCELLED


def test_leases_that_hold_no_more_are_forgotten(client):
    """All but one, so that the tree is never empty again."""
    jobs = [add(client) for _ in range(4)]
    for job in jobs:
        claim(client, job)
    for job in jobs[:3]:
        leases.complete(client.store, job, 1, None, LATER)
    client.commit()
    assert leases.clean(client.store)
    assert len(client.store.leases) == 2
    assert [lease.job for lease in leases.leases_of(client.store)] == [jobs[3]]
    assert not leases.clean(client.store)


def test_a_process_looks_when_a_lease_may_be_over(client, job):
    """And not sooner than it has to; never if there is none."""
    look = Leases()
    assert look.is_time(NOW)
    assert look.look(client.store, NOW) == []
    assert not look.is_time(NOW + 4)
    assert not look.is_due(NOW + LEASE - 1)
    assert look.is_due(NOW + LEASE)
    assert look.look(client.store, OVER) == [job]
    leases.rescue(client.store, job, OVER)
    assert look.look(client.store, OVER) == []
    assert not look.is_due(OVER + 1e6)


def test_a_lease_that_is_given_right_after_a_look_is_seen_in_a_database_that_is_quiet_then(client):
    """Nothing else changes there until it is over."""
    look = Leases()
    look.look(client.store, NOW)
    claim(client, add(client))
    client.commit()
    assert not look.is_time(NOW + 1)
    look.put_off()
    assert not look.is_due(NOW + 4)
    assert look.is_due(NOW + LOOK_EVERY)
    assert look.look(client.store, NOW + LOOK_EVERY) == []
    assert not look.is_due(NOW + LEASE - 1)
    assert look.is_due(NOW + LEASE)
    look.put_off()
    assert look.is_due(NOW + LEASE)


def test_a_silent_worker_is_found_within_half_a_minute(client, job):
    """Whenever its heartbeats ended."""
    look = Leases()
    look.look(client.store, NOW)
    leases.renew(job, 1, NOW + 60)
    client.commit()
    now = NOW
    while not (look.is_due(now) and look.look(client.store, now)):
        now += 1
    assert job.side.lease <= now <= job.side.lease + 15


def test_whoever_looks_rescues_and_tells(client, database, job, caplog):
    """In a transaction of its own."""
    figures = Figures()
    ends = Ends(Changes(database), figures)
    ends.rescue_elsewhere(Leases(), OVER)
    client.look()
    assert (job.state, figures.totals["rescued"]) == (WAITING, 1)
    assert "the worker that had it is silent" in caplog.text


def test_a_rescue_that_others_were_faster_than_each_time_is_tried_again_soon(
    client, database, job, monkeypatch
):
    """The loop goes on, and nothing is told that is not so."""

    def change(store):
        raise ConflictError

    figures, look = Figures(), Leases()
    ends = Ends(Changes(database), figures)
    with monkeypatch.context() as patch:
        patch.setattr(leases, "clean", change)
        ends.rescue_elsewhere(look, OVER)
    client.look()
    assert (job.state, figures.totals["rescued"]) == (RUNNING, 0)
    assert look.is_due(OVER + LOOK_EVERY)
    ends.rescue_elsewhere(look, OVER + LOOK_EVERY)
    client.look()
    assert (job.state, figures.totals["rescued"]) == (WAITING, 1)


def test_a_job_that_was_forgotten_leaves_no_lease(client, job):
    """Else its record would stay."""
    leases.complete(client.store, job, 1, None, NOW)
    client.commit()
    lane = client.lane()
    lane.made = NOW - 1e6
    purge(client, NOW + 1e6, done=1.0)
    assert job.id not in client.store.leases


@pytest.mark.parametrize("has_lease", [True, False])
def test_a_job_that_an_undo_has_brought_back_as_running_is_buried(client, job, has_lease):
    """If no worker has it; after an hour, as one of a runner."""
    if not has_lease:
        del client.store.leases[job.id]
    client.lane().made = NOW - 1e6
    client.commit()
    for now in (NOW + 10, NOW + 3601):
        purge(client, now)
        assert job.state is (DEAD if not has_lease and now > NOW + 3600 else RUNNING)


def test_an_overdue_job_that_nobody_claims_is_buried(client):
    """As those of runners."""
    job = add(client)
    client.lane().made = NOW - 1e6
    purge(client, NOW + 1001)
    assert job.state is DEAD
    assert wanted().deadline == NOW + 1000
