"""The workers that a site knows."""

from .made import commit
from .made import has_written
from .made import look
from .made import Outside
from collective.wsgifutures.workers import registry
from collective.wsgifutures.workers.events import WorkerApproved
from collective.wsgifutures.workers.events import WorkerForgotten
from collective.wsgifutures.workers.events import WorkerIntroduced
from collective.wsgifutures.workers.events import WorkerWithdrawn
from collective.wsgifutures.workers.registry import approve
from collective.wsgifutures.workers.registry import check_label
from collective.wsgifutures.workers.registry import check_queues
from collective.wsgifutures.workers.registry import find_worker
from collective.wsgifutures.workers.registry import forget
from collective.wsgifutures.workers.registry import introduce
from collective.wsgifutures.workers.registry import TooManyPending
from collective.wsgifutures.workers.registry import withdraw
from collective.wsgifutures.workers.registry import Worker
from collective.wsgifutures.workers.registry import workers_of
from collective.wsgifutures.workers.registry import WorkerState
from ZODB.POSException import ConflictError

import logging
import pytest
import time

NOW = 1_000_000.0
NAMES = ("ocr", "thumbs")


def meet(place, outside=None, name="ocr on host7"):
    """Return a worker that has introduced itself."""
    return introduce(place, (outside or Outside()).public, name, NAMES)


def meet_after(place, act, outside=None):
    """Return a worker that was approved or withdrawn, or, with None, that waits for it."""
    worker = meet(place, outside)
    if act == "approve":
        approve(place, worker, NAMES, "somebody")
    elif act == "withdraw":
        withdraw(place, worker, "somebody")
    return worker


@pytest.fixture
def clock(monkeypatch):
    """What time it is: the first item."""
    now = [NOW]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


# Being introduced


def test_a_new_worker_is_pending(place, clock):
    """With what it says of itself, and no queue."""
    outside = Outside()
    worker = meet(place, outside)
    assert worker.id == outside.id
    assert (worker.jwk, worker.name) == (outside.jwk, "ocr on host7")
    assert (worker.queues_wanted, worker.queues) == (NAMES, ())
    assert worker.state is WorkerState.PENDING
    assert (worker.introduced, worker.since, worker.by, worker.seen) == (NOW, NOW, "", None)
    assert find_worker(place, outside.id) is worker
    assert workers_of(place) == [worker]


@pytest.mark.parametrize("act", [None, "approve", "withdraw"])
def test_a_worker_that_is_known_stays_as_it_is(place, act):
    """Whoever it says that it is now; and nothing is written."""
    outside = Outside()
    worker = meet_after(place, act, outside)
    commit(place)
    before = dict(worker.__getstate__())
    assert introduce(place, outside.public, "another name", ("secrets",)) is worker
    assert worker.__getstate__() == before
    assert not has_written(place)


def test_a_site_that_knows_no_worker_is_asked_without_writing(place):
    """Nothing is made for a question."""
    assert workers_of(place) == []
    assert find_worker(place, Outside().id) is None
    assert not has_written(place)


def test_only_so_many_wait(place):
    """Past that nothing is written."""
    for _ in range(registry.MOST_PENDING):
        meet(place)
    commit(place)
    with pytest.raises(TooManyPending, match="20 workers wait"):
        meet(place)
    assert not has_written(place)
    assert len(workers_of(place)) == registry.MOST_PENDING


def test_those_that_are_approved_do_not_count(place):
    """They do not wait."""
    for _ in range(registry.MOST_PENDING + 5):
        approve(place, meet(place), ("ocr",), "admin")
    assert meet(place).state is WorkerState.PENDING


def test_two_that_come_at_the_same_time_are_not_too_many(open_place):
    """One has a conflict, and finds the site full."""
    one, two = open_place(), open_place()
    for _ in range(registry.MOST_PENDING - 1):
        meet(one)
    commit(one)
    look(two)
    for place in (one, two):
        meet(place)
    commit(one)
    with pytest.raises(ConflictError):
        commit(two)
    look(two)
    with pytest.raises(TooManyPending):
        meet(two)


def test_who_waits_for_a_day_is_forgotten(place, clock):
    """Its place is free for the next one."""
    old = [meet(place) for _ in range(registry.MOST_PENDING)]
    clock[0] += registry.FORGET_AFTER
    assert len(workers_of(place)) == registry.MOST_PENDING
    clock[0] += 1
    assert workers_of(place) == []
    assert find_worker(place, old[0].id) is None
    worker = meet(place)
    assert workers_of(place) == [worker]
    assert dict(registry.make_workers(place).pending) == {worker.id: worker}


@pytest.mark.parametrize("act", ["approve", "withdraw"])
def test_who_was_decided_on_is_not_forgotten(place, clock, act):
    """Neither who is approved, nor who is not to ask again."""
    worker = meet_after(place, act)
    clock[0] += 100 * registry.FORGET_AFTER
    assert find_worker(place, worker.id) is worker


def test_sites_know_different_workers(open_place):
    """One of the same database, a copy, one that was imported beside."""
    worker = meet(open_place())
    assert find_worker(open_place(path="/imported"), worker.id) is None
    assert workers_of(open_place(uid="another")) == []


# What administrators do


@pytest.mark.parametrize("before", [None, "approve", "withdraw"])
def test_approve_in_each_state(place, clock, before):
    """Also again, with other queues; and who was withdrawn."""
    worker = meet_after(place, before)
    clock[0] += 10
    approve(place, worker, ("ocr",), "admin")
    assert (worker.state, worker.queues) == (WorkerState.APPROVED, ("ocr",))
    assert (worker.by, worker.since) == ("admin", NOW + 10)
    assert workers_of(place) == [worker]


@pytest.mark.parametrize("before", [None, "approve", "withdraw"])
def test_withdraw_in_each_state(place, clock, before):
    """Who was pending may not ask again."""
    worker = meet_after(place, before)
    clock[0] += 10
    withdraw(place, worker, "admin")
    assert worker.state is WorkerState.WITHDRAWN
    assert (worker.by, worker.since) == ("admin", NOW + 10)
    assert workers_of(place) == [worker]


@pytest.mark.parametrize("before", [None, "approve", "withdraw"])
def test_forget_in_each_state(place, before):
    """It may introduce itself again, and waits then."""
    outside = Outside()
    worker = meet_after(place, before, outside)
    forget(place, worker, "admin")
    assert workers_of(place) == []
    assert find_worker(place, outside.id) is None
    assert meet(place, outside).state is WorkerState.PENDING


def test_an_approval_and_a_withdrawal_at_the_same_time_conflict(open_place):
    """The second one is decided on what is there then."""
    one, two = open_place(), open_place()
    worker = meet(one)
    approve(one, worker, NAMES, "admin")
    commit(one)
    look(two)
    approve(one, worker, ("ocr",), "admin")
    withdraw(two, find_worker(two, worker.id), "boss")
    commit(one)
    with pytest.raises(ConflictError):
        commit(two)


def test_the_newest_worker_is_the_first(place, clock):
    """Whatever its state is."""
    workers = []
    for _ in range(4):
        clock[0] += 1
        workers.insert(0, meet(place))
    approve(place, workers[2], ("ocr",), "admin")
    assert workers_of(place) == workers


def test_a_worker_is_seen_once_an_hour():
    """More is not written."""
    worker = Worker(Outside().public, "ocr", NAMES, NOW)
    noted = []
    for minutes in range(0, 130, 10):
        worker.is_seen(NOW + 60 * minutes)
        noted.append(worker.seen)
    assert sorted(set(noted)) == [NOW, NOW + 3600, NOW + 7200]


def test_what_happens_is_told(place, events, caplog):
    """To subscribers, and in the log: without a key."""
    caplog.set_level(logging.INFO)
    outside = Outside()
    worker = meet(place, outside)
    meet(place, outside)  # is known
    approve(place, worker, ("ocr",), "admin")
    withdraw(place, worker, "boss")
    forget(place, worker, "boss")
    assert events == [
        WorkerIntroduced("/plone", worker.id, "", "ocr on host7"),
        WorkerApproved("/plone", worker.id, "admin", ("ocr",)),
        WorkerWithdrawn("/plone", worker.id, "boss"),
        WorkerForgotten("/plone", worker.id, "boss"),
    ]
    assert caplog.messages == [
        f"A worker waits to be approved: {worker.id} (ocr on host7).",
        f"The worker {worker.id} was approved by admin: ocr.",
        f"The worker {worker.id} was withdrawn by boss.",
        f"The worker {worker.id} was forgotten by boss.",
    ]
    assert outside.jwk["x"] not in caplog.text


# What they are called


@pytest.mark.parametrize("name", ["ocr on host7", "x", "Größe 7", "x" * 100])
def test_a_name_is_a_printable_text(name):
    """In any language."""
    assert check_label(name) == name


@pytest.mark.parametrize(
    "name", [None, 7, b"ocr", [], "", "x" * 101, "a\nb", "a\x00", "a\x1b[2J", "\ud800", "\u202egnp"]
)
def test_a_name_that_could_deceive_is_refused(name):
    """It stands in logs and on pages."""
    with pytest.raises(ValueError, match="printable"):
        check_label(name)


def test_queues_are_names_each_once():
    """In the order in which they were given."""
    assert check_queues(["b", "a", "b"]) == ("b", "a")
    assert len(check_queues([str(number) for number in range(50)])) == 50


@pytest.mark.parametrize(
    "queues",
    [
        None, "ocr", {}, ("ocr",), [], [""], [None], [7], [["ocr"]], ["a,b"], ["a\nb"],
        ["x" * 101], [str(number) for number in range(51)], ["ocr", "collective.wsgifutures.amqp"],
    ],
)  # fmt: skip
def test_what_are_no_queues_is_refused(queues):
    """At least one, and not too many."""
    with pytest.raises(ValueError):
        check_queues(queues)
