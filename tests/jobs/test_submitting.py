"""A job exists exactly if the transaction that submitted it is committed."""

from .made import Client
from .publisher import Site
from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures.jobs import submitting
from collective.wsgifutures.jobs.errors import ContextGone
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import COMMON
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import Lanes
from collective.wsgifutures.jobs.store import make_store
from collective.wsgifutures.jobs.tasks import task
from ZODB.DB import DB
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import ConflictError
from zope.component import getGlobalSiteManager
from zope.component.hooks import getSite
from zope.component.hooks import setSite

import pytest
import time
import transaction


@task(name="tests.submitted", queue="texts", title="Translate")
def submitted(context, *args):
    """Do nothing."""


@task(name="tests.locked", lock=lambda context, language: language)
def locked(context, language):
    """Do nothing."""


@task(name="tests.numbered", lock=lambda context, number: number)
def numbered(context, number):
    """Give a lock that is no text."""


class Here(Site):
    """The site that is being published."""

    def getSiteManager(self):
        return getGlobalSiteManager()


class Vote:
    """A data manager that refuses the transaction, or breaks it when it ends."""

    transaction_manager = transaction.manager

    def __init__(self, phase):
        self.phase = phase

    def _fail_in(self, phase):
        if phase == self.phase:
            raise ConflictError("refused")

    def sortKey(self):
        return "~~~last"

    def tpc_begin(self, txn):
        self._fail_in("tpc_begin")

    def commit(self, txn):
        self._fail_in("commit")

    def tpc_vote(self, txn):
        self._fail_in("tpc_vote")

    def tpc_finish(self, txn):
        """Do nothing."""

    tpc_abort = abort = tpc_finish


class Books:
    """The lanes and the listeners of this process, as a test sees them."""

    def __init__(self, client):
        self.told = 0
        self.client = client
        self.lanes = Lanes()
        self.lanes.wanted = 2
        self.lanes.take()
        self.lanes.renew(client.store, time.time())
        client.commit()
        self.lanes.renewed()

    def tell(self):
        """Be told of a commit: by then it is there for everybody."""
        self.client.look()
        self.told += 1
        self.seen = len(list(jobs_of(self.client.store)))

    def ids(self):
        """Return the ids of the jobs that are committed."""
        self.client.look()
        return sorted(entry.job.id for entry in jobs_of(self.client.store))

    @property
    def free(self):
        return len(self.lanes._free)


@pytest.fixture
def site(database):
    """A site, in the transactions of this thread."""
    connection = database.open()
    make_store(connection)
    site = connection.root()["Application"] = Here()
    transaction.commit()
    setSite(site)
    yield site
    setSite(None)
    transaction.abort()
    connection.close()


@pytest.fixture
def books(site, client, monkeypatch):
    made = Books(client)
    monkeypatch.setattr(submitting, "lanes", made.lanes)
    monkeypatch.setattr(submitting, "listeners", [made.tell])
    return made


def submit(**options):
    """Submit a job about the site."""
    return submitted.using(**options).submit(getSite())


# The end of the transaction


def test_nothing_is_there_before_the_commit(books):
    """Neither for others nor for the runner."""
    submit()
    assert (books.ids(), books.told, books.free) == ([], 0, 1)


def test_after_the_commit_it_is_there_and_the_runner_is_told(books):
    """In this order; and the lane is free for the next transaction."""
    transaction.begin()
    job = submit()
    transaction.commit()
    assert (books.ids(), books.told, books.seen, books.free) == ([job.id], 1, 1, 2)
    assert not job.id.startswith(f"{COMMON}-")


def test_an_abort_leaves_nothing(books):
    """Nobody is told, and the lane is free."""
    submit()
    transaction.abort()
    assert (books.ids(), books.told, books.free) == ([], 0, 2)


@pytest.mark.parametrize("phase", ["tpc_begin", "commit", "tpc_vote"])
def test_a_commit_that_fails_leaves_nothing(books, phase):
    """In whichever phase: a conflict leaves no job, and the next try submits it once."""
    transaction.begin()
    submit()
    transaction.get().join(Vote(phase))
    with pytest.raises(ConflictError):
        transaction.commit()
    transaction.abort()
    assert (books.ids(), books.told, books.free) == ([], 0, 2)
    submit()
    transaction.commit()
    assert (len(books.ids()), books.told, books.free) == (1, 1, 2)


def test_many_jobs_of_a_transaction_are_one_end(books):
    """They share its lane."""
    transaction.begin()
    ids = [submit().id for _ in range(5)]
    transaction.commit()
    assert (books.ids(), books.told, books.free) == (sorted(ids), 1, 2)
    assert len({id.partition("-")[0] for id in ids}) == 1


# Savepoints


def test_a_rollback_to_before_the_first_job_leaves_nothing(books):
    """Nobody is told of a commit without jobs."""
    transaction.begin()
    savepoint = transaction.savepoint()
    submit()
    savepoint.rollback()
    transaction.commit()
    assert (books.ids(), books.told, books.free) == ([], 0, 2)


def test_a_job_after_such_a_rollback_counts(books):
    """The transaction has joined again."""
    transaction.begin()
    savepoint = transaction.savepoint()
    submit()
    savepoint.rollback()
    job = submit()
    transaction.commit()
    assert (books.ids(), books.told, books.free) == ([job.id], 1, 2)


def test_a_rollback_takes_the_jobs_since_the_savepoint(books):
    """Those before it stay."""
    transaction.begin()
    first = submit()
    savepoint = transaction.savepoint()
    submit()
    savepoint.rollback()
    transaction.commit()
    assert (books.ids(), books.told, books.free) == ([first.id], 1, 2)


def test_a_savepoint_that_is_kept_changes_nothing(books):
    """An optimistic one neither."""
    transaction.begin()
    ids = [submit().id]
    transaction.savepoint(optimistic=True)
    ids.append(submit().id)
    transaction.savepoint().rollback()
    transaction.commit()
    assert (books.ids(), books.told, books.free) == (ids, 1, 2)


def test_rolled_back_again_and_again_no_lane_is_lost(books):
    """One transaction has one lane at most."""
    for _ in range(10):
        transaction.begin()
        savepoint = transaction.savepoint()
        for _ in range(3):
            submit()
            savepoint.rollback()
        transaction.abort()
    assert (books.free, books.lanes._in_use) == (2, 0)


# What is recorded


def test_what_is_recorded_is_what_was_asked_for(books):
    """With times in seconds since the epoch."""
    transaction.begin()
    before = time.time()
    job = submit(delay=100, priority="high", deadline=50, queue="other")
    wanted = job.wanted
    assert (wanted.task, wanted.title, wanted.queue) == ("tests.submitted", "Translate", "other")
    assert (wanted.priority, wanted.attempts, wanted.timeout) == (600, 5, 600.0)
    assert before <= wanted.submitted <= time.time()
    assert job.due == pytest.approx(wanted.submitted + 100)
    assert wanted.deadline == pytest.approx(job.due + 50)
    assert (job.state, job.since, wanted.context) == (JobState.WAITING, wanted.submitted, "")


def test_the_queue_is_that_of_the_task(books):
    """If the submission names no other."""
    assert submit().wanted.queue == "texts"


def test_a_job_may_begin_at_a_time(books):
    """Also at one that is over."""
    assert (submit(at=5.0).due, submit(at=5e9).due) == (5.0, 5e9)


def test_the_task_names_the_lock(books):
    """A function gets all arguments."""
    assert locked.submit(getSite(), "de").wanted.lock == " tests.locked de"  # below the site's path
    assert locked.submit(getSite(), "").wanted.lock == ""


def test_a_lock_that_is_no_text_is_refused(books):
    """0 would be no lock, in silence."""
    with pytest.raises(TypeError, match=r"tests.numbered: lock= gave 0, which is not a text"):
        numbered.submit(getSite(), 0)


def test_the_arguments_are_those_of_the_submission(books):
    """Whatever the caller does with them afterwards."""
    words = ["a"]
    job = submitted.submit(getSite(), words)
    words.append("b")
    assert submitted.unpack(job.wanted.arguments) == ((["a"],), {})


# Keys


def test_a_key_gives_the_first_job_while_it_is_not_over(books):
    """In one transaction or several."""
    transaction.begin()
    first = submit(key="k")
    assert submit(key="k") is first
    transaction.commit()
    assert submit(key="k") is first
    assert submit(key="other") is not first
    first.claim("r1", 0)
    assert submit(key="k") is first
    first.cancel(0)
    second = submit(key="k")
    assert second is not first
    assert submit(key="k") is second


def test_a_key_is_unique_for_a_while(books):
    """Even if the job is done."""
    first = submit(key="k", unique_for=100)
    first.cancel(0)
    assert submit(key="k") is first


def test_a_key_belongs_to_its_task(books):
    """Others do not know it."""
    first = submit(key="k")
    assert locked.using(key="k").submit(getSite(), "de") is not first


def test_two_who_submit_with_a_key_at_once_conflict(books, client):
    """The second one is published again, and gets the first job."""
    transaction.begin()
    client.look()
    first = submit(key="k")
    client.store.unique[" tests.submitted k"] = (client.add("b"), 0.0)
    client.commit()
    with pytest.raises(ConflictError):
        transaction.commit()
    transaction.abort()
    again = submit(key="k")
    assert (again.id, first.id in books.ids()) == ("b-0", False)


# Refused


def test_what_has_no_uid_is_refused(books):
    """It could not be found again."""
    with pytest.raises(ArgumentRefused, match="object has no UID"):
        submitted.submit(object())
    assert books.free == 2


def test_without_a_site_nothing_can_be_submitted(books):
    """The message names the task."""
    setSite(None)
    with pytest.raises(ContextGone, match=r"no site is being published where tests\.submitted"):
        submitted.submit(None)


def test_a_refused_submission_leaves_nothing(books):
    """Neither a job nor a lane."""
    transaction.begin()
    with pytest.raises(ArgumentRefused):
        submitted.submit(getSite(), object())
    transaction.commit()
    assert (books.ids(), books.told, books.free) == ([], 0, 2)


# A second database


def test_a_transaction_with_a_second_database_is_one(monkeypatch):
    """The job is in the main one, what it is about in another: both, or none."""
    databases = {}
    main = DB(MappingStorage(), databases=databases, database_name="main")
    other = DB(MappingStorage(), databases=databases, database_name="other")
    monkeypatch.setattr(submitting, "lanes", Lanes())
    connection = other.open()
    site = connection.root()["site"] = Here()
    make_store(connection.get_connection("main"))
    transaction.commit()
    setSite(site)
    try:
        site.title = "lost"
        lost = submit()
        transaction.get().join(Vote("tpc_vote"))
        with pytest.raises(ConflictError):
            transaction.commit()
        transaction.abort()
        site.title = "new"
        job = submit()
        transaction.commit()
    finally:
        setSite(None)
        connection.close()
    seen = Client(main)
    assert [entry.job.id for entry in jobs_of(seen.store)] == [job.id]
    assert find_job(seen.store, lost.id).wanted.submitted == job.wanted.submitted
    seen.close()
    main.close()
    other.close()
