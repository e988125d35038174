"""Where jobs are kept, found and added."""

from .made import NOW
from .made import wanted
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.store import add_job
from collective.wsgifutures.jobs.store import CLOSED
from collective.wsgifutures.jobs.store import COMMON
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import FULL
from collective.wsgifutures.jobs.store import is_closed
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import Lanes
from collective.wsgifutures.jobs.store import main_connection
from collective.wsgifutures.jobs.store import make_store
from collective.wsgifutures.jobs.store import OLD
from collective.wsgifutures.jobs.store import open_lane
from ZODB.DB import DB
from ZODB.MappingStorage import MappingStorage

import pytest
import threading
import transaction


def renew(lanes, client, now=NOW):
    """Renew the lanes, as a runner does; tell whether something was written."""
    written = lanes.renew(client.store, now)
    client.commit()
    if written:
        lanes.renewed()
    return written


def with_lanes(client, number=2):
    """Return lanes of which so many are free."""
    lanes = Lanes()
    lanes.wanted = number
    lanes.take()  # somebody asks, and finds none
    renew(lanes, client)
    return lanes


# Lanes


def test_a_process_has_its_lanes_before_its_first_job(client):
    """So processes that begin together do not meet in the common one. One look makes them."""
    lanes = Lanes()
    assert lanes.take() == COMMON  # before the first look
    assert renew(lanes, client)
    assert len(client.store.lanes) == 2
    assert not renew(lanes, client)
    assert lanes.take() != COMMON


def test_lanes_that_could_not_be_committed_are_made_again(client):
    """Those that they were to replace are gone by then."""
    lanes = with_lanes(client, 2)
    for lane in client.store.lanes.values():
        lane.made = 0.0  # old
    assert lanes.renew(client.store, NOW)  # a conflict: ``renewed`` is not called
    assert lanes.renew(client.store, NOW)
    lanes.renewed()
    assert {lanes.take() for _ in range(2)}.isdisjoint({COMMON})


def test_a_lane_is_in_one_transaction_at_a_time(client):
    """The common one is for the rest."""
    lanes = with_lanes(client, 2)
    first, second, third = lanes.take(), lanes.take(), lanes.take()
    assert len({first, second, COMMON}) == 3
    assert third == COMMON
    lanes.give_back(third)
    lanes.give_back(first)
    assert lanes.take() == first
    assert lanes.take() == COMMON


def test_nobody_makes_more_lanes_than_are_wanted(client):
    """Those in use count."""
    lanes = with_lanes(client, 2)
    lanes.take()
    lanes.take()
    lanes.take()
    assert not renew(lanes, client)
    assert len(client.store.lanes) == 3


def test_a_full_lane_is_replaced(client):
    """Its jobs stay where they are."""
    lanes = with_lanes(client, 1)
    full = lanes.take()
    for _ in range(FULL):
        client.add(full)
    client.commit()
    assert not renew(lanes, client)  # it is in use
    lanes.give_back(full)
    assert renew(lanes, client)
    assert lanes.take() not in (full, COMMON)
    assert find_job(client.store, f"{full}-{FULL - 1}") is not None


def test_an_old_lane_is_replaced(client):
    """Long before others think that nobody adds to it."""
    lanes = with_lanes(client, 1)
    assert not renew(lanes, client, NOW + OLD)
    assert renew(lanes, client, NOW + OLD + 1)
    assert OLD < CLOSED


def test_lanes_that_a_purge_has_dropped_are_replaced(client):
    """Or those of another database, in tests."""
    lanes = with_lanes(client, 1)
    (id,) = (id for id in client.store.lanes if id != COMMON)
    del client.store.lanes[id]
    assert renew(lanes, client)
    assert lanes.take() != id


def test_somebody_looks_now_and_then_or_if_one_was_missing(client):
    """A look costs a transaction."""
    lanes = with_lanes(client, 1)
    assert (lanes.need_some(NOW + 1), lanes.need_some(NOW + 61)) == (False, True)
    lanes.take()
    lanes.take()
    assert lanes.need_some(NOW + 1)


def test_a_lane_that_the_transaction_cannot_see_yet_is_not_used(open_client):
    """It began before the lane was made."""
    one, other = open_client(), open_client()
    other.look()
    lanes = with_lanes(one, 1)
    id = lanes.take()
    assert open_lane(other.store, id, NOW).id == COMMON
    other.look()
    assert open_lane(other.store, id, NOW).id == id


def test_a_closed_lane_is_not_used(client):
    """After a quiet night the lanes are old, and a purge may just drop them."""
    client.lane("a")
    assert open_lane(client.store, "a", NOW + CLOSED).id == "a"
    assert open_lane(client.store, "a", NOW + CLOSED + 1).id == COMMON


def test_the_common_lane_is_never_closed(client):
    """Scripts add to it."""
    assert not is_closed(client.store.lanes[COMMON], NOW + 10 * CLOSED)


# Looking up


def test_a_job_is_found_by_its_id(client):
    """Also in the common lane."""
    jobs = [client.add("a"), client.add("a"), client.add(COMMON)]
    assert [find_job(client.store, job.id) for job in jobs] == jobs
    assert [job.id for job in jobs] == ["a-0", "a-1", "0-0"]


@pytest.mark.parametrize(
    "id",
    [
        "",
        "-",
        "a",
        "a-",
        "a-1",
        "a--0",
        "a-+0",
        "a- 0",
        "a-0 ",
        "a-0x",
        "a-00",
        "a-\u0660",
        "a-\u00b2",
        "a-" + "9" * 18,
        "a-" + "9" * 5000,
        "b-0",
        "a-0-0",
        "\ud800-0",
        "a\x00-0",
        "../a-0",
    ],
)
def test_an_id_that_is_no_jobs_finds_none(client, id):
    """It may come from anybody."""
    client.add("a")
    assert find_job(client.store, id) is None


def test_without_a_store_there_is_no_job():
    """Nobody has ever submitted one."""
    assert find_job(None, "a-0") is None
    assert list(jobs_of(None)) == []


def test_all_jobs_are_found_the_newest_first(client):
    """Of each lane, the newest lane first; each place says whose job it is."""
    jane, john = Origin(user="jane", folder="/site"), Origin(user="john", folder="/site")
    client.lane("old", NOW - 10)
    for lane, origin in [("a", jane), ("a", john), ("a", jane), ("old", jane)]:
        client.add(lane, origin=origin)
    client.add(COMMON)
    entries = list(jobs_of(client.store))
    assert [entry.job.id for entry in entries] == ["a-2", "a-1", "a-0", "old-0", "0-0"]
    jane_s = [entry.job.id for entry in entries if entry.user == "/site:jane"]
    assert jane_s == ["a-2", "a-0", "old-0"]


# Databases


def test_looking_makes_no_store(database):
    """Only whoever writes does."""
    connection = database.open(transaction.TransactionManager())
    assert find_store(connection) is None
    store = make_store(connection)
    assert find_store(connection) is store is make_store(connection)
    connection.transaction_manager.abort()
    connection.close()


def test_jobs_are_in_the_main_database():
    """Whichever database the site is in."""
    databases = {}
    main = DB(MappingStorage(), databases=databases, database_name="main")
    other = DB(MappingStorage(), databases=databases, database_name="other")
    connection = other.open(transaction.TransactionManager())
    assert main_connection(connection).db() is main
    connection.close()
    main.close()
    other.close()


def test_a_database_of_another_name_is_the_main_one_where_it_is_alone(client, database):
    """As in tests."""
    assert main_connection(client.connection) is client.connection


# Side by side


@pytest.mark.concurrency
def test_eight_who_submit_at_once_never_conflict(file_database, open_client):
    """Each in a lane of its own, to which nobody else adds."""
    client = open_client(file_database)
    lanes, jobs, errors = with_lanes(client, 8), 200, []

    def submit():
        manager = transaction.TransactionManager()
        connection = file_database.open(manager)
        for _ in range(jobs):
            manager.begin()
            id = lanes.take()
            try:
                add_job(open_lane(find_store(connection), id, NOW), wanted(), NOW)
                manager.commit()
            except Exception as error:
                errors.append(error)
                manager.abort()
            finally:
                lanes.give_back(id)
        connection.close()

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.look()
    numbers = [len(lane.jobs) for lane in client.store.lanes.values() if lane.id != COMMON]
    assert (errors, sum(numbers), len(client.store.lanes[COMMON].jobs)) == ([], 8 * jobs, 0)
