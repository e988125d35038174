"""Who waits for which job: offers, in order, and one for each job."""

from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.submitting import listeners
from collective.wsgifutures.kernel.calls import NOTHING
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.hold import HoldState
from collective.wsgifutures.kernel.passes import wait_first
from collective.wsgifutures.workers import waiting
from collective.wsgifutures.workers.waiting import Asked
from collective.wsgifutures.workers.waiting import KNOWN
from collective.wsgifutures.workers.waiting import line_of
from collective.wsgifutures.workers.waiting import OFFERED
from collective.wsgifutures.workers.waiting import Ticket
from collective.wsgifutures.workers.waiting import ticket_of
from collective.wsgifutures.workers.waiting import wait_of
from collective.wsgifutures.workers.waiting import Waiters
from collective.wsgifutures.workers.waiting import waiters_in
from jobs.made import Client
from jobs.made import NOW
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

import pytest
import time

ORIGIN = Origin(site="/site", site_uid="uid")
LONG = 1e9
TICKET = Ticket("k", b"d")


def line(queue="default", path="/site"):
    return line_of("uid", path, queue)


def asked(*queues, worker="w1", seconds=50.0, ticket=None, good_until=LONG * 10):
    lines = frozenset(line(queue) for queue in queues or ("default",))
    return Asked(lines, worker, seconds, good_until, ticket)


class Line:
    """A line whose looks are made by hand, and what it has offered to whom."""

    def __init__(self, database, limits=None):
        self.waiters = Waiters(database, limits)
        self.waiters._looks = True  # nobody but the test looks
        self.told = []

    def enter(self, name, *queues, until=LONG, **more):
        hold = Hold(0.0)
        call = wait_of(hold, asked(*queues, **more))
        call.args = (call.args[0], until)
        return self.waiters.start(call, lambda outcome: self.told.append((name, outcome.get())))

    def look(self, now=NOW):
        """Look; return who was offered what since the last look."""
        self.waiters._look(now)
        told, self.told = self.told, []
        return told


@pytest.fixture
def database(tmp_path):
    """A database without a job."""
    made = DB(FileStorage(str(tmp_path / "Data.fs")))
    yield made
    made.close()


@pytest.fixture
def client(database):
    """One client of the database."""
    made = Client(database)
    assert made.store is not None
    made.commit()
    yield made
    made.close()


@pytest.fixture
def lined(database):
    made = Line(database)
    yield made
    listeners.remove(made.waiters._wake.set)


def add(client, **changes):
    job = client.add(**{"elsewhere": True, "origin": ORIGIN, "deadline": 10 * LONG, **changes})
    client.commit()
    return job


def claim(client, job):
    leases.claim_elsewhere(client.store, job, "w1", "", NOW, {"full": 1})
    client.commit()


# Offers


def test_who_came_first_gets_the_first_job(lined, client):
    """One job is offered to one of them; the others go on waiting."""
    for name in "abc":
        lined.enter(name)
    assert lined.look() == []
    first, second = add(client), add(client)
    assert lined.look() == [("a", first._p_oid), ("b", second._p_oid)]
    assert len(lined.waiters) == 1
    assert lined.look() == []


def test_a_job_that_nobody_took_is_offered_again(lined, client):
    """Its client has left, or its worker was withdrawn."""
    job = add(client)
    for name in "ab":
        lined.enter(name)
    assert lined.look() == [("a", job._p_oid)]
    assert lined.look(NOW + OFFERED - 0.1) == []
    assert lined.look(NOW + OFFERED + 0.1) == [("b", job._p_oid)]


def test_a_job_that_was_taken_is_not_offered_again(lined, client):
    """By whomever."""
    job = add(client)
    lined.enter("a")
    lined.look()
    claim(client, job)
    lined.enter("b")
    assert lined.look(NOW + 60) == []
    assert len(lined.waiters._index) == 0


def test_a_job_is_offered_to_those_of_its_queue_and_site(lined, client):
    """A copy of a site has the same UID."""
    add(client, queue="other")
    add(client, origin=Origin(site="/copy", site_uid="uid"))
    add(client, origin=Origin(site="/site", site_uid="another"))
    add(client, elsewhere=False)
    lined.enter("a")
    assert lined.look() == []
    job = add(client)
    assert lined.look() == [("a", job._p_oid)]


def test_jobs_come_by_priority_and_when_they_are_due(lined, client):
    """And the queues take turns."""
    later, low, high = (
        add(client, due=NOW + 50),
        add(client, priority=-600),
        add(client, priority=9),
    )
    for name in "abc":
        lined.enter(name)
    assert lined.look() == [("a", high._p_oid), ("b", low._p_oid)]
    claim(client, high)
    claim(client, low)
    assert lined.look(NOW + 51) == [("c", later._p_oid)]


def test_nothing_of_a_paused_or_full_queue_is_offered(database, client):
    """Nor while a lock is held."""
    lined = Line(database, {"full": 1})
    held = add(client, lock="l")
    claim(client, held)
    claim(client, add(client, queue="full"))
    desk.pause_queue(client.store, "paused", NOW)
    client.commit()
    jobs = [add(client, lock="l"), add(client, queue="full"), add(client, queue="paused")]
    lined.enter("a", "default", "full", "paused")
    assert lined.look() == lined.look(NOW + 5) == []
    desk.resume_queue(client.store, "paused")
    client.commit()
    assert lined.look(NOW + 7) == [("a", jobs[2]._p_oid)]
    leases.complete(client.store, held, 1, None, NOW)
    client.commit()
    lined.enter("b")
    assert lined.look(NOW + 9) == [("b", jobs[0]._p_oid)]


def test_an_overdue_job_is_buried_and_not_offered(lined, client):
    """In sight, with the reason."""
    job = add(client, deadline=NOW - 1)
    lined.enter("a")
    assert lined.look() == []
    client.look()
    assert job.state is JobState.DEAD
    assert len(lined.waiters._index) == 0


def test_whose_time_is_over_is_sent_away(lined, client):
    """With nothing; the others stay."""
    lined.enter("a", until=time.monotonic() - 1)
    lined.enter("b")
    lined.waiters._look(NOW)
    assert lined.told == [("a", None)]
    assert len(lined.waiters) == 1


def test_whoever_leaves_gets_nothing(lined, client):
    """The client has gone."""
    lined.enter("a").cancel()
    job = add(client)
    lined.enter("b")
    assert lined.look() == [("b", job._p_oid)]


def test_the_database_is_opened_only_if_it_has_changed(lined, client, database, monkeypatch):
    """However many wait."""
    add(client, queue="other")
    lined.enter("a")
    lined.look()
    opened = []
    monkeypatch.setattr(database, "open", lambda *args: opened.append(args))
    for _ in range(10):
        lined.look()
    assert opened == []


def test_a_look_that_fails_is_made_again(lined, database, monkeypatch, caplog):
    """The database is away."""
    lined.enter("a")

    def fail():
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(database, "lastTransaction", fail)
        assert lined.waiters._look_safely() == 5.0
    assert "could be looked for" in caplog.text
    assert lined.waiters._look_safely() == 1.0


# At once


def test_a_pass_takes_what_is_there_at_once(lined, client):
    """If nobody came before it."""
    job = add(client)
    assert lined.waiters.take_at_once([line()], lambda oid: True) == job._p_oid
    assert lined.waiters.take_at_once([line()], lambda oid: True) is None
    add(client)
    lined.enter("a")
    assert lined.waiters.take_at_once([line()], lambda oid: True) is None
    other = add(client, queue="other")
    assert lined.waiters.take_at_once([line("other")], lambda oid: True) == other._p_oid


def test_a_pass_takes_no_job_that_its_transaction_does_not_see(lined, client):
    """It began before the job was committed."""
    add(client)
    assert lined.waiters.take_at_once([line()], lambda oid: False) is None


def test_where_others_were_faster_a_process_keeps_out_of_their_way(lined, client):
    """It takes one of the next places, not always the first; none is passed over for ever."""
    jobs = [add(client) for _ in range(40)]
    lined.waiters.was_in_vain()
    got = [lined.waiters.take_at_once([line()], lambda oid: True) for _ in jobs]
    assert got != [job._p_oid for job in jobs]
    assert set(got) == {job._p_oid for job in jobs}


# Those who ask again


def test_a_claim_that_came_to_nothing_is_recognized_once(lined):
    """By the same words and token, for a while."""
    lined.enter("a", ticket=TICKET, until=time.monotonic() - 1)
    lined.look()
    assert lined.waiters.recognize(Ticket("other", b"d")) is None
    assert lined.waiters.recognize(TICKET).lines == {line()}
    assert lined.waiters.recognize(TICKET) is None


def test_a_claim_that_got_an_offer_is_not_recognized(lined, client):
    """Its answer may have been lost, and then it gets the same claim."""
    add(client)
    lined.enter("a", ticket=TICKET)
    lined.look()
    assert lined.waiters.recognize(TICKET) is None


@pytest.mark.parametrize("more", [{"good_until": 0.0}, {"ticket": None}])
def test_a_claim_whose_token_ends_or_that_is_too_large_is_not_recognized(lined, more):
    """It is asked who it is."""
    lined.enter("a", **{"ticket": TICKET, "until": time.monotonic() - 1, **more})
    lined.look()
    assert lined.waiters.recognize(TICKET) is None


def test_claims_are_forgotten_after_a_while(lined, monkeypatch):
    """The worker has gone."""
    lined.enter("a", ticket=TICKET, until=time.monotonic() - 1)
    lined.look()
    assert len(lined.waiters._known) == 1
    later = time.monotonic() + KNOWN + 1
    monkeypatch.setattr(waiting.time, "monotonic", lambda: later)
    assert lined.waiters.recognize(TICKET) is None
    lined.waiters._known["u"] = (later - 1, asked())
    lined.look()
    assert lined.waiters._known == {}


def test_a_claim_of_that_key_in_other_words_is_not_recognized_and_nor_is_the_first_one_then(lined):
    """It may have got a job meanwhile, and the answer was lost."""
    lined.enter("a", ticket=TICKET, until=time.monotonic() - 1)
    lined.look()
    assert lined.waiters.recognize(TICKET._replace(digest=b"e")) is None
    assert lined.waiters.recognize(TICKET) is None


def test_a_ticket_depends_on_the_whole_request():
    """And on the key of the claim."""
    one, two = b'{"key": "k"}', b'{"key": "k", "wait": 1}'
    sent = [("/a", "b", one), ("/ab", "", one), ("/a", "", one), ("/a", "b", two)]
    assert len({ticket_of(*each) for each in sent}) == 4
    assert {ticket_of(*each).key for each in sent} == {"k"}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"key": 1}', b"x", b"[" * 4000, b'{"key": "%s"}' % (b"k" * 5000)]
)
def test_a_claim_without_a_key_has_no_ticket(body):
    """Nor one that is too large."""
    assert ticket_of("/a", "b", body) is None


# The hold


def test_a_hold_lasts_as_long_as_the_wait_in_it(client):
    """Whatever the deadline of visitors is; it is no slow request, and its worker's."""
    hold = Hold(100.0, deadline=20.0)
    wait_of(hold, asked(seconds=300.0))
    assert (hold.since, hold.ends_at) == (100.0, 405.0)
    assert (hold.client, hold.is_for_work) == (("worker", "w1"), True)
    wait_of(hold, asked(seconds=3.0), 1)
    assert (hold.since, hold.ends_at) == (100.0, 405.0)


def test_a_hold_may_wait_before_its_first_pass():
    """And tells whether that came to nothing."""
    hold = Hold(time.monotonic())
    call = wait_of(hold, asked())
    wait_first(hold, call, time.monotonic())
    assert (hold.state, hold.take_starts()) == (HoldState.WAITING, [call])
    assert not hold.came_to_nothing
    hold.settle(call, NOTHING)
    assert hold.came_to_nothing


# The process


def test_a_process_has_one_line_for_its_database(database, client, monkeypatch):
    """Another database gets another one."""
    monkeypatch.setattr(waiting, "_waiters", None)
    before = list(listeners)
    first = waiters_in(database, {"a": 1})
    assert waiters_in(database, {}) is first
    assert listeners == [*before, first._wake.set]
    listeners.remove(first._wake.set)


def test_a_commit_with_jobs_wakes_whoever_looks(lined):
    """At once, in this process."""
    lined.waiters._wake.clear()
    for listener in listeners:
        listener()
    assert lined.waiters._wake.is_set()
