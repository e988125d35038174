"""What a runner knows of the jobs that wait: which one is next."""

from .made import NOW
from .made import wanted
from collections import Counter
from collective.wsgifutures.jobs.index import Index
from collective.wsgifutures.jobs.options import PRIORITIES
from collective.wsgifutures.jobs.purge import Kept
from collective.wsgifutures.jobs.purge import Purge
from collective.wsgifutures.jobs.records import Entry
from collective.wsgifutures.jobs.records import entry_of
from collective.wsgifutures.jobs.records import Job
from collective.wsgifutures.jobs.store import COMMON
from collective.wsgifutures.jobs.store import make_store
from collective.wsgifutures.jobs.store import ROOT
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import RuleBasedStateMachine

import itertools
import transaction


class Record:
    """A job's record, of which an index keeps the name only."""

    def __init__(self, name):
        self._p_oid = name


def add(index, name, **changes):
    """Add a place for a job of that name."""
    due = changes.pop("due", NOW)
    changes["priority"] = PRIORITIES[changes.get("priority", "normal")]
    entry = entry_of(Job("lane-1", wanted(**changes), due))
    index.add(entry._replace(job=Record(name.encode())))


def take(index, now=NOW, **share):
    """Take the next place; return the name of its job, or None."""
    place = index.take(now, **share)
    return None if place is None else place.oid.decode()


def take_all(index, now=NOW, **share):
    """Take until nothing is left; return the names in order."""
    return list(iter(lambda: take(index, now, **share), None))


# Order


def test_jobs_come_in_the_order_in_which_they_are_due():
    """Whatever the order is in which they were read."""
    index = Index()
    for name, due in [("c", NOW - 1), ("a", NOW - 3), ("b", NOW - 2)]:
        add(index, name, due=due)
    assert take_all(index) == ["a", "b", "c"]


def test_jobs_that_are_due_at_the_same_time_come_as_they_were_read():
    """Nothing of their content decides."""
    index = Index()
    for name in "cab":
        add(index, name)
    assert take_all(index) == ["c", "a", "b"]


def test_a_priority_is_a_head_start():
    """Among jobs of about the same age the high ones come first."""
    index = Index()
    for name in ("low", "normal", "high"):
        add(index, name, priority=name)
    assert take_all(index) == ["high", "normal", "low"]


def test_a_low_one_that_waited_long_enough_comes_first():
    """So none starves, however many high ones come."""
    index = Index()
    add(index, "low", priority="low", due=NOW - 1201)
    add(index, "high", priority="high", due=NOW)
    add(index, "newer", priority="high", due=NOW - 1)
    assert take_all(index) == ["low", "newer", "high"]


def test_a_job_does_not_come_before_it_is_due():
    """Not even if it has a head start."""
    index = Index()
    add(index, "late", due=NOW + 10, priority="high")
    assert (take(index), index.next_look(), len(index)) == (None, NOW + 10, 1)
    assert take(index, NOW + 9.9) is None
    assert (take(index, NOW + 10), index.next_look(), len(index)) == ("late", None, 0)


def test_queues_take_turns():
    """A queue with many jobs does not keep others waiting."""
    index = Index()
    for name in ("a1", "a2", "a3", "b1", "c1", "c2"):
        add(index, name, queue=name[0])
    assert take_all(index) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_only_the_queues_of_this_runner_are_kept():
    """Other places cost it nothing."""
    index = Index(["texts"])
    add(index, "a", queue="texts")
    add(index, "b", queue="mail")
    assert (len(index), take_all(index)) == (1, ["a"])


def test_a_closed_queue_offers_nothing_and_others_go_on():
    """It is full or paused: its places are not asked one by one."""
    index = Index()
    for name in ("a1", "b1", "a2"):
        add(index, name, queue=name[0])
    index.close("a", NOW + 5)
    assert (take_all(index), index.offers(NOW), len(index)) == (["b1"], False, 2)
    assert take_all(index, NOW + 4.9) == []
    assert index.offers(NOW + 5)
    assert take_all(index, NOW + 5) == ["a1", "a2"]


def test_a_queue_that_is_opened_offers_its_jobs_at_once():
    """One of its jobs has ended, so there is a place."""
    index = Index()
    add(index, "a1", queue="a")
    index.close("a", NOW + 5)
    assert take(index) is None
    index.open("a")
    index.open("never closed")
    assert take(index) == "a1"


# Locks


def test_of_the_jobs_with_a_lock_only_the_first_is_offered():
    """The next one comes when the first has ended."""
    index = Index()
    for name in ("1", "2", "3"):
        add(index, name, lock="book", due=NOW - 10 + int(name))
    add(index, "other", lock="page")
    assert take_all(index) == ["1", "other"]
    index.drop("book")
    assert take_all(index) == ["2"]
    index.drop("book")
    assert take_all(index) == ["3"]
    index.drop("book")
    index.drop("page")
    assert (take_all(index), len(index), index._locks) == ([], 0, {})


def test_jobs_with_a_lock_come_in_the_order_of_their_queue():
    """Those behind the first too."""
    index = Index()
    for name in ("2", "1", "3"):
        add(index, name, lock="book", due=NOW - 10 + int(name))
    order = []
    while name := take(index):
        order.append(name)
        index.drop("book")
    assert order == ["1", "2", "3"]


def test_a_place_with_a_lock_that_is_put_off_stays_the_first():
    """Nobody overtakes it; it comes again by itself."""
    index = Index()
    add(index, "1", lock="book", due=NOW - 2)
    add(index, "2", lock="book", due=NOW - 1)
    place = index.take(NOW)
    index.put_off(place, NOW + 1)
    assert (take(index), index.next_look()) == (None, NOW + 1)
    assert take_all(index, NOW + 1) == ["1"]
    index.drop("book")
    assert take_all(index, NOW + 1) == ["2"]


def test_jobs_without_a_lock_do_not_wait_for_each_other():
    """No lock is no lock of that name."""
    index = Index()
    for name in "abc":
        add(index, name)
    assert take_all(index) == ["a", "b", "c"]
    index.drop("")
    assert index._locks == {}


# Several runners


def test_runners_want_different_jobs_first():
    """So they seldom conflict."""
    names = [str(number) for number in range(100)]
    wanted_first = []
    for share in (0, 1):
        index = Index()
        for name in names:
            add(index, name)
        wanted_first.append({take(index, share=share, shares=2) for _ in range(12)})
    assert not wanted_first[0] & wanted_first[1]


def test_nothing_is_lost_if_a_runner_dies():
    """What is nobody's share comes last, and comes."""
    index = Index()
    names = [str(number) for number in range(300)]
    for name in names:
        add(index, name)
    taken = take_all(index, share=1, shares=3)
    assert (sorted(taken), len(index)) == (sorted(names), 0)


def test_a_job_of_another_share_comes_soon_if_nobody_takes_it():
    """A runner looks no farther ahead than its window."""
    index = Index()
    for number in range(1000):
        add(index, str(number))
    taken = take_all(index, share=0, shares=2)
    late = [taken.index(str(number)) - number for number in range(1000)]
    assert max(late) < 100


# Lines


def line(client, index):
    """Let *index* read what *client* has committed; return the names of the jobs it takes."""
    index.read(client.store)
    jobs = iter(lambda: index.take(NOW), None)
    return [client.connection.get(place.oid).id for place in jobs]


def test_each_look_reads_what_is_new(client):
    """In all lanes, and of the jobs that wait once more."""
    index = Index()
    first = client.add("a")
    client.commit()
    assert line(client, index) == ["a-0"]
    client.add("a")
    client.add("b")
    first.claim("r1", NOW)
    first.again(NOW, NOW)
    client.store.line_up(first)
    client.commit()
    assert line(client, index) == ["a-1", "b-0", "a-0"]
    assert line(client, index) == []


def test_a_new_reader_begins_where_jobs_wait(client):
    """It does not read what is over."""
    for _ in range(10):
        client.add("a")
    client.store.lanes["a"].low = 7
    client.commit()
    assert line(client, Index()) == ["a-7", "a-8", "a-9"]


def test_a_lane_that_is_gone_is_forgotten(client):
    """What a reader keeps does not grow with the days."""
    index = Index()
    client.add("a")
    client.commit()
    line(client, index)
    del client.store.lanes["a"]
    client.commit()
    line(client, index)
    assert index._seen.keys() == {"0"}


def test_a_number_that_an_undo_lets_be_given_again_is_read_again(file_database, open_client):
    """The job that gets it is another one, and would never run."""
    client, index = open_client(file_database), Index()
    client.lane("a")
    client.commit()
    client.add("a")
    client.commit()
    index.read(client.store)
    assert len(index) == 1
    file_database.undo(file_database.undoInfo(0, 1)[0]["id"])
    transaction.commit()
    client.look()
    index.read(client.store)
    second = client.add("a")
    client.commit()
    index.read(client.store)
    assert second.id == "a-0"
    assert second._p_oid in {index.take(NOW).oid, index.take(NOW).oid}


def test_the_lines_of_another_store_are_read_from_their_begin(client):
    """A person has removed all jobs, and others were submitted."""
    index = Index()
    for _ in range(3):
        client.add(COMMON).cancel(NOW)
    client.commit()
    index.read(client.store)
    while index.take(NOW):
        pass
    del client.connection.root()[ROOT]
    make_store(client.connection)
    client.add(COMMON)
    client.commit()
    assert line(client, index) == ["0-0"]


def test_a_purge_beside_a_reader_takes_nothing_from_it(client):
    """Neither from what it has read, nor from what it reads next."""
    index, purge = Index(), Purge(Kept(done=10, dead=10))
    for number in range(4):
        job = client.add("a", deadline=NOW + 10**6)
        if number != 2:
            job.cancel(NOW)
    client.commit()
    index.read(client.store)
    for _ in range(len(client.store.lanes)):  # one at a time
        purge.look(client.store, NOW + 90_000)
        client.commit()
    assert [entry.id for (entry, *_) in client.store.lanes["a"].jobs.values()] == ["a-2"]
    assert len(line(client, Index())) == 1
    assert "a-2" in line(client, index)


# Whatever happens


class AnyOrder(RuleBasedStateMachine):
    """Places that come, are taken, put off and dropped, as the model of a plain list has them."""

    def __init__(self):
        super().__init__()
        self.index = Index()
        self.names = itertools.count(1)
        self.now = NOW
        self.waiting = {}  # by name: the entry, and until when it is put off
        self.out = {}  # by name: the place
        self.closed = {}

    @rule(
        queue=st.sampled_from("ab"),
        lock=st.sampled_from(["", "", "x", "y"]),
        delay=st.sampled_from([0, 0, 1, 30]),
        priority=st.sampled_from(list(PRIORITIES.values())),
    )
    def come(self, queue, lock, delay, priority):
        name = str(next(self.names)).encode()
        due = self.now + delay
        entry = Entry(Record(name), 0, queue, priority, due, lock, False, 0.0, "", "t")
        self.index.add(entry)
        self.waiting[name] = entry, due

    @rule(seconds=st.sampled_from([0.5, 1, 40]))
    def wait(self, seconds):
        self.now += seconds

    @rule(queue=st.sampled_from("ab"), seconds=st.sampled_from([0, 1, 20]))
    def close(self, queue, seconds):
        self.index.close(queue, self.now + seconds)
        self.closed[queue] = self.now + seconds

    @rule(queue=st.sampled_from("ab"))
    def open(self, queue):
        self.index.open(queue)
        self.closed.pop(queue, None)

    @rule(share=st.sampled_from([(0, 1), (0, 2), (1, 2), (2, 3)]))
    def take(self, share):
        place = self.index.take(self.now, *share)
        if place is None:
            assert not self._free()
            return
        entry, until = self.waiting.pop(place.oid)
        assert until <= self.now
        assert entry.due <= self.now
        assert self.closed.get(entry.queue, 0) <= self.now
        assert not entry.lock or entry.lock not in self._held()
        if share == (0, 1):
            better = [e for e, _ in self._free() if e.queue == entry.queue and not e.lock]
            assert all(place.rank <= e.due - e.priority for e in better)
        self.out[place.oid] = place

    def _held(self):
        return {place.entry.lock for place in self.out.values()} - {""}

    def _free(self):
        """Return what may begin, as far as locks do not decide."""
        return [
            (entry, until)
            for entry, until in self.waiting.values()
            if until <= self.now and self.closed.get(entry.queue, 0) <= self.now and not entry.lock
        ]

    @precondition(lambda self: self.out)
    @rule(data=st.data(), seconds=st.sampled_from([0, 1, 20]))
    def put_off(self, data, seconds):
        name = data.draw(st.sampled_from(sorted(self.out)))
        place = self.out.pop(name)
        self.index.put_off(place, self.now + seconds)
        self.waiting[name] = place.entry, self.now + seconds

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def end(self, data):
        name = data.draw(st.sampled_from(sorted(self.out)))
        self.index.drop(self.out.pop(name).entry.lock)

    @invariant()
    def counts_are_right(self):
        queues = Counter(entry.queue for entry, _ in self.waiting.values())
        assert +self.index.waiting == queues
        assert len(self.index) == len(self.waiting)

    def teardown(self):
        """Nothing is lost: all come, each once, and nothing is kept of them."""
        self.now += 10_000
        for place in self.out.values():
            self.index.drop(place.entry.lock)
        came = []
        while (place := self.index.take(self.now)) is not None:
            came.append(place.oid)
            self.index.drop(place.entry.lock)
        assert sorted(came) == sorted(self.waiting)
        assert (len(self.index), self.index._locks, self.index.next_look()) == (0, {}, None)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
