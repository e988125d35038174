"""Whatever is broken, nothing is lost: each job is told of, each message arrives, in order."""

from collective.wsgifutures.amqp import hints
from collective.wsgifutures.amqp import trouble
from collective.wsgifutures.amqp.duty import sign_of
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from contextlib import contextmanager
from letters import at_broker
from letters import Post
from letters import Reader
from letters import relaying
from letters import wait_until
from pathlib import Path
from ZODB.FileStorage import FileStorage

import kombu
import logging
import pytest
import signal
import subprocess
import sys
import threading
import time
import ZODB

pytestmark = pytest.mark.brokers


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The relay tries again after short pauses."""
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", 2.0)


@pytest.fixture
def said(caplog):
    """What the relay says of the broker."""
    caplog.set_level(logging.INFO)
    return lambda: [r.getMessage() for r in caplog.records if "The broker at" in r.getMessage()]


def make_queue(url, name):
    with kombu.Connection(url) as connection:
        connection.default_channel.queue_declare(
            queue=name, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"}
        )


def has_tried(relay, times):
    """Tell whether a relay has tried so often in vain, one time after the other."""
    return lambda: relay.trouble._times >= times


# The relay


@contextmanager
def alone(storage, url, *point):
    """Run a relay as a process of its own."""
    script = Path(__file__).with_name("relay_alone.py")
    process = subprocess.Popen([sys.executable, script, storage, url, *point])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def on_disk(tmp_path):
    """Open the database, which one process has at a time."""

    @contextmanager
    def open_it():
        post = Post(FileStorage(str(tmp_path / "Data.fs")))
        try:
            yield post
        finally:
            post.database.close()

    def are_done():
        """Tell whether all jobs are done, while another process has the database."""
        database = ZODB.DB(FileStorage(str(open_it.path), read_only=True))
        try:
            with desk.changing(database) as connection:
                states = {entry.job.state.value for entry in jobs_of(find_store(connection))}
        finally:
            database.close()
        return states == {"done"}

    open_it.path = tmp_path / "Data.fs"
    open_it.are_done = are_done
    return open_it


def test_a_relay_that_is_killed_before_it_notes_sends_again(rabbitmq, name, on_disk):
    """With the same ids, and in the same order; at least once."""
    make_queue(rabbitmq.url, name)
    with on_disk() as post:
        post.publish(1, 2, 3, routing_key=name, key="k")
    for _ in range(2):
        with alone(on_disk.path, rabbitmq.url, "confirmed") as process:
            assert process.wait(30) == -signal.SIGKILL
        with on_disk() as post:
            assert set(post.states().values()) == {"waiting"}
    with alone(on_disk.path, rabbitmq.url), Reader(rabbitmq.url, name) as reader:
        bodies = [message.properties["message_id"] for message in reader.take(5)]
        wait_until(on_disk.are_done)
        bodies += [message.properties["message_id"] for message in reader.rest()]
    with on_disk() as post:
        assert set(post.states().values()) == {"done"}
    assert len(set(bodies)) == 3
    assert list(dict.fromkeys(reversed(bodies)))[::-1] == list(dict.fromkeys(bodies))


def test_a_relay_that_is_killed_after_its_note_sends_nothing_twice(rabbitmq, name, on_disk):
    """What is noted is done; its successor goes on at once."""
    make_queue(rabbitmq.url, name)
    with on_disk() as post:
        post.publish(*range(3), routing_key=name)
    with alone(on_disk.path, rabbitmq.url, "noted") as process:
        assert process.wait(30) == -signal.SIGKILL
    since = time.monotonic()
    with alone(on_disk.path, rabbitmq.url), Reader(rabbitmq.url, name) as reader:
        assert sorted(reader.read(3)) == [0, 1, 2]
        assert time.monotonic() - since < 15
        wait_until(on_disk.are_done)  # then nothing more is sent
        assert reader.rest() == []


def test_a_relay_that_is_killed_tells_its_successor_nothing(rabbitmq, name, on_disk):
    """All jobs that wait are told of again."""
    with on_disk() as post:
        (id,) = post.submit(name)
    with alone(on_disk.path, rabbitmq.url, "hinted") as process:
        assert process.wait(30) == -signal.SIGKILL
    with (
        alone(on_disk.path, rabbitmq.url),
        Reader(rabbitmq.url, at_broker(name)) as reader,
    ):
        assert [told["id"] for told in reader.read(2)] == [id, id]


def test_a_relay_ends_within_seconds(fragile, name, on_disk):
    """Also while the broker keeps silent."""
    with on_disk() as post:
        post.publish(*range(3), routing_key=name, mandatory=False)
    with alone(on_disk.path, fragile.url) as process:
        wait_until(on_disk.are_done)
        fragile.signal(signal.SIGSTOP)
        time.sleep(2)
        since = time.monotonic()
        process.terminate()
        process.wait(20)
        assert time.monotonic() - since < 15


# The broker


def test_a_broker_that_is_killed_and_comes_back_has_everything(fragile, post, name, said):
    """What it had confirmed is on its disk, and the rest is sent when it is back."""
    make_queue(fragile.url, name)
    post.publish(*range(100), routing_key=name)
    ids = post.submit(*[name] * 100)
    with relaying(post, fragile.url) as relay:
        wait_until(lambda: post.count("done") == 100)
        wait_until(lambda: relay._hints.count == 100)
        time.sleep(5)  # RabbitMQ 3.10 may lose a queue that is younger, for ever
        fragile.kill()
        post.publish(*range(100, 200), routing_key=name)
        ids += post.submit(*[name] * 100)
        wait_until(has_tried(relay, 3))
        assert post.count("done") == 100
        fragile.start()
        wait_until(lambda: post.count("done") == 200, 60)
        with Reader(fragile.url, name) as reader:
            assert sorted(set(reader.read(200))) == list(range(200))
        with Reader(fragile.url, at_broker(name)) as reader:
            told = set()
            wait_until(lambda: told.update(t["id"] for t in reader.read(1)) or told == set(ids))
    assert [line for line in said() if "is back" in line]
    assert len(said()) == 2


def test_a_broker_that_lost_its_disk_is_told_everything_again(fragile, post, name, monkeypatch):
    """When it is back, and not when a hint is sent again anyway.

    Hints of all jobs that wait; a queue that somebody else has made is theirs to make again.
    """
    monkeypatch.setattr(hints, "PAUSE", 600.0)
    ids = post.submit(*[name] * 300)
    with relaying(post, fragile.url) as relay:
        wait_until(lambda: relay._hints.count == 300)
        post.claim(ids[0])
        fragile.kill()
        fragile.lose_disk()
        fragile.start()
        with Reader(fragile.url, at_broker(name)) as reader:
            told = {each["id"] for each in reader.read(299, seconds=60)}
    assert told == set(ids[1:])


def test_a_broker_that_is_short_of_memory_gets_everything_later(fragile, post, name, said):
    """It takes no messages meanwhile, which the log says once; nothing fails."""
    make_queue(fragile.url, name)
    with relaying(post, fragile.url) as relay:
        post.publish("before", routing_key=name)
        wait_until(lambda: post.count("done") == 1)
        fragile.ctl("set_vm_memory_high_watermark", "0.00001")
        ids = post.publish(*range(50), routing_key=name)
        hinted = post.submit(name)
        wait_until(has_tried(relay, 3), 60)
        assert post.count("done") == 1
        assert len(said()) == 1
        assert "takes no messages" in said()[0]
        fragile.ctl("set_vm_memory_high_watermark", "0.4")
        wait_until(lambda: post.count("done") == 51, 60)
        with Reader(fragile.url, at_broker(name)) as reader:
            assert reader.read(1)[0]["id"] == hinted[0]
    assert {post.look_at(id, "attempt") for id in ids} == {0}
    assert len(said()) == 2


def test_a_broker_that_does_not_confirm_is_away(fragile, post, name, said):
    """After the time limit of confirms; what it took all the same comes twice at most."""
    make_queue(fragile.url, name)
    with relaying(post, fragile.url, broker={"confirm": 2.0}) as relay:
        post.publish("before", routing_key=name)
        wait_until(lambda: post.count("done") == 1)
        fragile.signal(signal.SIGSTOP)
        ids = post.publish(*range(50), routing_key=name)
        wait_until(has_tried(relay, 2), 60)
        assert post.count("done") == 1
        assert len(said()) == 1
        fragile.signal(signal.SIGCONT)
        wait_until(lambda: post.count("done") == 51, 60)
    assert {post.look_at(id, "attempt") for id in ids} == {0}
    with Reader(fragile.url, name) as reader:
        told = reader.rest()
    assert len({message.properties["message_id"] for message in told}) == 51


def test_a_queue_that_does_not_confirm_holds_up_nothing_else(fragile, post, name, said, caplog):
    """The broker answers; what waits for that queue goes on when it confirms again, in order."""
    make_queue(fragile.url, name)
    make_queue(fragile.url, "other")
    leader = f'whereis(list_to_atom("%2F_{name}"))'
    fragile.ctl("eval", f"sys:suspend({leader}).")
    with relaying(post, fragile.url, broker={"confirm": 1.0}) as relay:
        ids = post.publish(*range(5), routing_key=name, key="k")
        post.publish(5, routing_key="other", key="k")
        post.publish(*range(300), routing_key="other")
        wait_until(lambda: post.count("done") == 300, 40)
        tried = relay._outbox._silent._until
        wait_until(lambda: [times for _, times in tried.values() if times >= 2])
        assert post.count("done") == 300
        assert [line for line in caplog.messages if "does not confirm what is sent to" in line]
        assert said() == []
        fragile.ctl("eval", f"sys:resume({leader}).")
        wait_until(lambda: post.count("done") == 306, 40)
    assert {post.look_at(id, "attempt") for id in ids} == {0}
    with Reader(fragile.url, name) as reader:
        bodies = [str(message.body) for message in reader.rest()]
    assert list(dict.fromkeys(bodies)) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("wrong", ["password", "port"])
def test_a_broker_that_cannot_be_had_is_told_of_once_and_without_its_password(
    rabbitmq, post, name, said, caplog, wrong
):
    """In no line, at no level."""
    caplog.set_level(logging.DEBUG)
    url = rabbitmq.url.replace("s3cret", "wr0ng-s3cret")
    if wrong == "port":
        url = rabbitmq.url.replace(str(rabbitmq.port), "9")
    post.submit(name)
    with relaying(post, url) as relay:
        wait_until(has_tried(relay, 3))
    assert len(said()) == 1
    everything = "\n".join(f"{r.getMessage()} {r.args} {r.exc_text}" for r in caplog.records)
    assert "s3cret-0f" not in everything


def relay_on_duty(post):
    with desk.changing(post.database) as connection:
        return sign_of(connection)["relay"]


def test_two_relays_send_nothing_twice(rabbitmq, post, name):
    """One is on duty; the other one takes over when that one ends, and not before."""
    make_queue(rabbitmq.url, name)
    with relaying(post, rabbitmq.url) as first:
        post.publish(0, routing_key=name)
        wait_until(lambda: post.count("done") == 1)
        with relaying(post, rabbitmq.url, machine="another") as second:
            for n in range(1, 40):
                post.publish(n, routing_key=name)
                time.sleep(0.05)
            wait_until(lambda: post.count("done") == 40)
            assert second._outbox.count == 0
            first._stop.set()
            wait_until(lambda: not relay_on_duty(post))
            post.publish(40, routing_key=name)
            wait_until(lambda: second._outbox.count == 1)
    with Reader(rabbitmq.url, name) as reader:
        assert sorted(reader.read(41)) == list(range(41))
        assert reader.rest() == []


def test_a_relay_takes_over_from_one_that_is_silent(rabbitmq, post, name, monkeypatch):
    """It may run on another machine, where nobody sees whether it lives."""
    from collective.wsgifutures.amqp import duty

    monkeypatch.setattr(duty, "SILENCE", 4.0)
    watch = duty.Watch("other", ("another machine", 1))
    with desk.changing(post.database) as connection:
        watch.sign(connection, {})
    post.submit(name)
    since = time.monotonic()
    with (
        relaying(post, rabbitmq.url),
        Reader(rabbitmq.url, at_broker(name)) as reader,
    ):
        reader.read(1)
    assert time.monotonic() - since > 3.5


def test_a_visitors_commit_never_waits_for_the_broker(fragile, post, name):
    """The relay is the only one who does: a slow broker is not seen by whoever submits."""
    with relaying(post, fragile.url, broker={"confirm": 5.0}) as relay:
        post.submit(name)
        wait_until(lambda: relay._hints.count == 1)
        fragile.signal(signal.SIGSTOP)
        times = []
        for _ in range(100):
            since = time.monotonic()
            post.submit(name)
            times.append(time.monotonic() - since)
        fragile.signal(signal.SIGCONT)
    assert sorted(times)[98] < 0.2
    assert threading.active_count() < 20
