"""The parts of a relay that decide, one by one, with kombu's broker in memory."""

from collective.wsgifutures.amqp import hints
from collective.wsgifutures.amqp import trouble
from collective.wsgifutures.amqp.addresses import hide
from collective.wsgifutures.amqp.addresses import mask
from collective.wsgifutures.amqp.broker import Broker
from collective.wsgifutures.amqp.confirms import Sent
from collective.wsgifutures.amqp.duty import sign_of
from collective.wsgifutures.amqp.duty import Watch
from collective.wsgifutures.amqp.errors import BrokerAway
from collective.wsgifutures.amqp.errors import BrokerRefused
from collective.wsgifutures.amqp.messages import Message
from collective.wsgifutures.amqp.outbox import Letter
from collective.wsgifutures.amqp.outbox import waves
from collective.wsgifutures.amqp.trouble import Silent
from collective.wsgifutures.amqp.trouble import Trouble
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.records import JobState
from letters import at_broker
from letters import OTHER
from letters import Reader
from letters import relaying
from letters import wait_until

import logging
import os
import pytest
import sys
import time

MEMORY = "memory://"


# Addresses


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://plone:pa/s@s@host:5672/v", "amqp://plone:**@host:5672/v"),
        ("redis://:secret@host/0", "redis://:**@host/0"),
        ("amqp://a:one@h1//;amqp://b:two@h2//", "amqp://a:**@h1//;amqp://b:**@h2//"),
        ("amqp://host", "amqp://host"),
    ],
)
def test_an_address_is_shown_without_its_password(url, shown):
    """Whatever the password has in it, and however many brokers there are."""
    assert mask(url) == shown


def test_no_error_tells_a_password():
    """Neither as it is written in the address nor as it is meant."""
    url = "amqp://plone:p%40ss@host//"
    assert hide(url, f"cannot {url}: p@ss, p%40ss") == "cannot amqp://plone:**@host//: **, **"


@pytest.mark.parametrize("url", ["", "rabbit", "nosuch://host"])
def test_what_is_no_address_is_refused_at_once(url):
    """With a sentence."""
    with pytest.raises(BrokerRefused, match="broker"):
        Broker(url)


def test_without_kombu_the_relay_says_what_to_install(monkeypatch):
    """And does not end with a traceback."""
    monkeypatch.setitem(sys.modules, "kombu", None)
    with pytest.raises(BrokerRefused, match=r"pip install collective.wsgifutures\[broker\]"):
        Broker("amqp://host")


def test_kombu_is_imported_when_a_relay_connects_and_not_before():
    """Web workers never load it."""
    import subprocess

    code = (
        "import sys, collective.wsgifutures.amqp.relay, collective.wsgifutures.amqp.intake;"
        "sys.exit('kombu' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_broker_that_is_not_there_is_away():
    """Within seconds."""
    broker = Broker("amqp://plone:secret@127.0.0.1:9//")
    with pytest.raises(BrokerAway, match="cannot be had") as raised:
        broker.connect()
    assert "secret" not in str(raised.value)
    assert not broker.is_connected


# Hints and messages, by a broker in memory


def test_the_same_code_speaks_with_another_transport(post, name):
    """Hints and messages."""
    (id,) = post.submit(name)
    post.publish({"a": 1}, routing_key=f"{name}-out", headers={"x": "y"})
    with relaying(post, MEMORY), Reader(MEMORY, at_broker(name)) as reader:
        assert [told["id"] for told in reader.read(1)] == [id]
        with Reader(MEMORY, f"{name}-out") as out:
            assert out.read(1) == [{"a": 1}]
        wait_until(lambda: post.count("done") == 1)


def test_each_site_has_queues_of_its_own(post, name):
    """Its workers read no hint of another one; what people see is by the queue of the jobs."""
    mine, other = post.submit(name)[0], post.submit(name, origin=OTHER)[0]
    with (
        relaying(post, MEMORY) as relay,
        Reader(MEMORY, at_broker(name)) as reader,
        Reader(MEMORY, at_broker(name, OTHER)) as others,
    ):
        wait_until(lambda: relay._hints.count == 2)
        relay._hints.look_at_depths()
        assert relay.report()["depths"] == {name: 2}
        assert [told["id"] for told in reader.read(1)] == [mine]
        assert [told["id"] for told in others.read(1)] == [other]
        assert reader.rest() == others.rest() == []
        relay._hints.look_at_depths()
        assert relay.report()["depths"] == {name: 0}


def test_jobs_of_runners_are_nobodys_hint(post, name):
    """Only those for workers elsewhere are told of."""
    post.submit(name, elsewhere=False)
    (id,) = post.submit(name)
    with relaying(post, MEMORY), Reader(MEMORY, at_broker(name)) as reader:
        assert [told["id"] for told in reader.read(1)] == [id]
        (later,) = post.submit(name)  # by then it has looked at all that was there before
        assert [told["id"] for told in reader.read(1)] == [later]
        assert reader.rest() == []


def test_jobs_of_a_paused_queue_are_not_told_of(post, name, monkeypatch):
    """Until it goes on."""
    looks, is_open = [], desk.is_open
    monkeypatch.setattr(desk, "is_open", lambda *args: looks.append(1) or is_open(*args))
    monkeypatch.setattr(hints, "SOON", 0.3)
    (id,) = post.submit(name)
    post.change(lambda store, job: desk.pause_queue(store, name, time.time()), id)
    with relaying(post, MEMORY), Reader(MEMORY, at_broker(name)) as reader:
        wait_until(lambda: len(looks) >= 3)
        assert reader.rest() == []
        post.change(lambda store, job: desk.resume_queue(store, name), id)
        assert reader.read(1)[0]["id"] == id


def test_jobs_with_a_lock_are_told_of_one_after_the_other(post, name, monkeypatch):
    """The next one when the one before is claimed, at its next look."""
    monkeypatch.setattr(hints, "PAUSE", 0.3)
    ids = post.submit(name, name, lock="one")
    with relaying(post, MEMORY), Reader(MEMORY, at_broker(name)) as reader:
        first = reader.read(1)[0]["id"]
        assert first == ids[0]
        post.claim(first)
        wait_until(lambda: reader.read(1)[0]["id"] == ids[1])


def test_a_job_whose_capability_cannot_be_made_holds_up_no_other(post, name, caplog):
    """Its site may be broken."""
    bad, good = post.submit(name, name)

    def capability(connection, job, now):
        if job.id == bad:
            raise LookupError("no site")
        return "a token"

    with relaying(post, MEMORY) as relay, Reader(MEMORY, at_broker(name)) as reader:
        relay._hints._capability = capability
        relay._hints.begin_anew()
        wait_until(lambda: reader.read(1)[0]["id"] == good)


def test_pauses_between_hints_grow_and_are_bounded():
    """A job that nobody takes for days is told of every quarter of an hour."""
    assert [hints.pause(n) for n in (1, 2, 3)] == [30, 60, 120]
    assert hints.pause(100) == hints.LONGEST_PAUSE


def test_an_error_of_the_database_is_logged_and_the_relay_goes_on(post, name, monkeypatch, caplog):
    """What was being looked at is not forgotten."""
    from collective.wsgifutures.amqp import relay as module

    monkeypatch.setattr(module, "AFTER_ERROR", 0.2)
    post.submit(name)
    errors = [LookupError("the database is away")] * 2
    plain = module.Hints.read

    def read(self, store, now):
        found = plain(self, store, now)
        if errors and found:
            raise errors.pop()
        return found

    monkeypatch.setattr(module.Hints, "read", read)
    with relaying(post, MEMORY), Reader(MEMORY, at_broker(name)) as reader:
        reader.read(1)
    assert "could not look for jobs" in caplog.text


def letter(key, n):
    return Letter(None, key, Message("", "q", str(n).encode()))


def test_of_a_key_one_message_is_on_its_way_at_a_time():
    """The others do not wait for each other."""
    letters = [letter("a", 1), letter("", 2), letter("a", 3), letter("b", 4), letter("", 5)]
    told = [[each.message.body for each in wave] for wave in waves(letters)]
    assert told == [[b"1", b"2", b"4", b"5"], [b"3"]]


# Troubles


def test_a_trouble_is_told_once_and_tried_again_after_growing_pauses(caplog):
    """Until it is over."""
    caplog.set_level(logging.INFO)
    what = Trouble("The broker")
    pauses, now = [], 1000.0
    for _ in range(12):
        what.begins("it is away", now)
        assert not what.is_over(now)
        pauses.append(what._until - now)
        now = what._until
    assert what
    assert pauses[0] <= trouble.PAUSE
    assert trouble.LONGEST_PAUSE / 2 <= pauses[-1] <= trouble.LONGEST_PAUSE
    what.ends(now)
    assert not what
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_of_a_silent_place_one_message_tries_again():
    """The others wait for it."""
    silent = Silent()
    assert silent.until("q", 0.0) == 0.0
    until = silent.begins("q", 0.0)
    assert silent.until("q", until - 0.1) == until
    assert silent.until("q", until) == 0.0
    assert silent.until("q", until) > until
    assert silent.until("another", until) == 0.0
    silent.ends("q")
    assert silent.until("q", until) == 0.0


# Who is on duty


@pytest.fixture
def watches(post):
    def sign(watch):
        with desk.changing(post.database) as connection:
            watch.sign(connection, {"hints": 1})

    def may(watch):
        with desk.changing(post.database) as connection:
            return watch.may_send(connection)

    return sign, may


def test_one_relay_is_on_duty(post, watches, monkeypatch):
    """Another one takes over from one that is silent for long, by its own clock."""
    sign, may = watches
    first, second = Watch("1", ("here", 1)), Watch("2", ("there", 1))
    assert may(first)
    assert may(second)
    sign(first)
    assert may(first)
    assert not may(second)
    clock = time.monotonic
    for seconds in range(10, 60, 10):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: clock() + seconds)
        assert not may(second)
    sign(first)
    for seconds in range(60, 120, 10):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: clock() + seconds)
        assert not may(second)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 121)
    assert may(second)


def test_a_relay_that_was_paused_looks_anew(watches, monkeypatch):
    """It has not seen what the other one did meanwhile."""
    sign, may = watches
    first, second = Watch("1", ("here", 1)), Watch("2", ("there", 1))
    sign(first)
    assert not may(second)
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 1000)
    assert not may(second)


def test_the_place_of_a_process_that_is_gone_is_free_at_once(watches):
    """A relay that was killed is started again where it was."""
    sign, may = watches
    machine = "a machine"
    sign(Watch("1", (machine, 2**22 + 1)))
    assert may(Watch("2", (machine, os.getpid())))
    assert not may(Watch("3", ("another machine", os.getpid())))


def test_the_last_sign_is_there_for_others_to_read(post, name):
    """Live status and metrics."""
    with desk.changing(post.database) as connection:
        assert sign_of(connection) is None
    post.submit(name)
    with relaying(post, MEMORY):
        wait_until(lambda: Reader(MEMORY, at_broker(name)).rest())
    with desk.changing(post.database) as connection:
        told = sign_of(connection)
    assert told["broker"] == "memory://"
    assert told["relay"] == ""  # it has ended
    assert time.time() - told["at"] < 30
    for each in ("trouble", "since", "hints", "messages", "unsent", "waiting", "depths"):
        assert each in told


def test_a_message_that_is_done_was_claimed_by_the_relay(post, name):
    """In one transaction with its end, so that no runner ever rescues it."""
    (id,) = post.publish(1, routing_key=name)
    with relaying(post, MEMORY):
        wait_until(lambda: post.look_at(id, "state") is JobState.DONE)
    assert post.look_at(id, "runner") == "relay"


def test_a_message_that_is_cancelled_while_it_is_sent_is_nobodys_error(
    post, name, monkeypatch, caplog
):
    """It has left; the rest of its batch is noted."""
    ids = post.publish(1, 2, routing_key=name)
    plain = Broker.send

    def send(self, messages, sent):
        if post.states()[ids[0]] == "waiting":
            post.change(lambda store, job: desk.cancel(job, time.time()), ids[0])
        plain(self, messages, sent)

    monkeypatch.setattr(Broker, "send", send)
    with relaying(post, MEMORY):
        wait_until(lambda: post.states()[ids[1]] == "done")
    assert post.states()[ids[0]] == "cancelled"
    assert "not noted" not in caplog.text


def test_a_transport_without_confirms_has_confirmed_what_it_took():
    """The broker has answered."""
    broker, sent = Broker(MEMORY), Sent()
    broker.send([Message("", "q1", b"1"), Message("", "q1", b"2")], sent)
    assert sent.confirmed == {0, 1}
    assert broker.depth("q1") == 2
    broker.close()
