"""Messages that come from a real broker: each is a job or a dead letter, and never lost."""

from collective.wsgifutures.amqp import intake
from collective.wsgifutures.amqp import trouble
from collective.wsgifutures.amqp.broker import Broker
from collective.wsgifutures.amqp.consuming import Consumer
from collective.wsgifutures.amqp.errors import MessageUnfit
from collective.wsgifutures.amqp.intake import Intake
from collective.wsgifutures.amqp.messages import DEAD
from contextlib import contextmanager
from letters import in_thread
from letters import Reader
from letters import wait_until
from types import SimpleNamespace

import kombu
import pytest
import signal
import threading
import time

pytestmark = pytest.mark.brokers


@pytest.fixture
def recorded(monkeypatch):
    """What is recorded, in place of jobs: a job needs a site."""
    found = []

    def record(database, consumer, delivery):
        body = delivery.value()
        if body == "unfit":
            raise MessageUnfit("Nobody can use it.")
        found.append(delivery)
        return SimpleNamespace(id="a job")

    monkeypatch.setattr(intake, "record", record)
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", 1.0)
    return found


@contextmanager
def taking(url, *queues, **options):
    """Let a relay take messages, in a thread; its queues are there."""
    stop = threading.Event()
    consumers = [Consumer(queue, "t", "admin", "/Plone", **options) for queue in queues]
    taker = Intake(None, Broker(url, stop.is_set), stop, consumers)
    with in_thread(taker, stop):
        wait_until(
            lambda: set(queues) <= {known.split(" ")[0] for known in [*taker._broker._known]}
        )
        yield taker


def send(url, name, *bodies, exchange="", **options):
    with kombu.Connection(url) as connection:
        producer = connection.Producer(serializer="json")
        for body in bodies:
            producer.publish(body, routing_key=name, exchange=exchange, **options)


def waiting(url, name):
    """Return how many messages stand at the broker that nobody has taken."""
    with kombu.Connection(url) as connection:
        return connection.default_channel.queue_declare(queue=name, passive=True).message_count


def test_each_message_is_taken_and_acknowledged(broker, name, recorded):
    """Two queues, each with its own."""
    with taking(broker.url, name, f"{name}-2"):
        send(broker.url, name, {"a": 1}, headers={"x": "y"})
        wait_until(lambda: recorded)
        send(broker.url, f"{name}-2", "two")
        wait_until(lambda: len(recorded) == 2)
    told = {delivery.queue: delivery.value() for delivery in recorded}
    assert told[name] == {"a": 1}
    assert told[f"{name}-2"] == "two"
    assert recorded[0].headers["x"] == "y"
    with Reader(broker.url, name) as reader:
        assert reader.rest() == []


def test_what_cannot_become_a_job_is_a_dead_letter_with_its_reason(broker, name, recorded):
    """Once, whole; and the next one is taken."""
    with Reader(broker.url, DEAD) as dead, taking(broker.url, name) as taker:
        dead.rest()
        send(broker.url, name, "unfit", headers={"x": "y"}, message_id="the-id")
        send(broker.url, name, "fit")
        (letter,) = dead.take(1)
        wait_until(lambda: recorded)  # after the other one was acknowledged
        assert dead.rest() == []
        assert taker.dead == 1
    assert letter.body in (b'"unfit"', '"unfit"')
    assert letter.properties["message_id"] == "the-id"
    assert letter.headers["x"] == "y"
    assert letter.headers["x-wsgifutures-reason"] == "Nobody can use it."
    assert letter.headers["x-wsgifutures-queue"] == name
    with Reader(broker.url, name) as reader:
        assert reader.rest() == []


def test_while_the_database_is_away_messages_wait_unacknowledged(
    rabbitmq, name, recorded, monkeypatch
):
    """They are neither lost nor dead letters, and counted as delivered once."""
    away, tries = [True], []
    plain = intake.record

    def record(*args):
        tries.append(args)
        if away:
            raise OSError("the database is away")
        return plain(*args)

    monkeypatch.setattr(intake, "record", record)
    with taking(rabbitmq.url, name):
        send(rabbitmq.url, name, 1, 2, 3)
        wait_until(lambda: len(tries) >= 3)
        assert recorded == []
        away.clear()
        wait_until(lambda: len(recorded) == 3)
    assert [delivery.redelivered for delivery in recorded] == [False] * 3


def test_messages_that_were_not_acknowledged_come_again(rabbitmq, name, recorded, monkeypatch):
    """The relay was stopped with them, or died."""
    tries = []
    monkeypatch.setattr(intake, "record", lambda *args: tries.append(1) or 1 / 0)
    with taking(rabbitmq.url, name):
        send(rabbitmq.url, name, 1, 2)
        wait_until(lambda: tries)
    monkeypatch.undo()
    monkeypatch.setattr(
        intake, "record", lambda *args: recorded.append(args[2]) or SimpleNamespace(id="")
    )
    with taking(rabbitmq.url, name):
        wait_until(lambda: len(recorded) == 2)
    assert [delivery.value() for delivery in recorded] == [1, 2]
    assert recorded[0].redelivered


def test_a_few_messages_are_here_at_a_time(rabbitmq, name, recorded, monkeypatch):
    """However many wait at the broker."""
    held = threading.Event()
    monkeypatch.setattr(intake, "record", lambda *args: held.wait(60) and SimpleNamespace(id=""))
    with taking(rabbitmq.url, name):
        send(rabbitmq.url, name, *range(100))
        wait_until(lambda: waiting(rabbitmq.url, name) == 100 - intake.PREFETCH)
        time.sleep(1)
        assert waiting(rabbitmq.url, name) == 100 - intake.PREFETCH
        held.set()


def test_a_queue_that_is_there_is_used_as_it_is(rabbitmq, name, recorded):
    """Somebody else has made it, with arguments of theirs."""
    with kombu.Connection(rabbitmq.url) as connection:
        connection.default_channel.queue_declare(
            queue=name, durable=True, auto_delete=False, arguments={"x-max-priority": 3}
        )
    send(rabbitmq.url, name, 1)
    with taking(rabbitmq.url, name):
        wait_until(lambda: recorded)


def test_a_queue_is_bound_to_the_exchange_that_is_named(rabbitmq, name, recorded):
    """By its key."""
    with kombu.Connection(rabbitmq.url) as connection:
        connection.default_channel.exchange_declare(
            exchange=f"{name}-x", type="topic", durable=True, auto_delete=False
        )
    with taking(rabbitmq.url, name, exchange=f"{name}-x", routing_key="plone.*"):
        send(rabbitmq.url, "other.added", "no", exchange=f"{name}-x")
        send(rabbitmq.url, "plone.added", "yes", exchange=f"{name}-x")
        wait_until(lambda: recorded)
    assert [(d.value(), d.routing_key) for d in recorded] == [("yes", "plone.added")]


def test_it_goes_on_when_the_broker_is_back(fragile, name, recorded):
    """With a new connection."""
    with taking(fragile.url, name):
        time.sleep(6)
        send(fragile.url, name, 1)
        wait_until(lambda: recorded)
        fragile.kill()
        time.sleep(1)
        fragile.start()
        send(fragile.url, name, 2)
        wait_until(lambda: len(recorded) == 2, 40)


def test_a_connection_without_messages_stays(fragile, name, recorded, monkeypatch):
    """Heartbeats go both ways: collective.zamqp needed pings for that."""
    from collective.wsgifutures.amqp import broker as module

    monkeypatch.setattr(module, "HEARTBEAT", 2)
    with taking(fragile.url, name):
        time.sleep(9)
        assert "missed heartbeats" not in "".join(
            path.read_text() for path in (fragile.folder / "log").glob("*.log")
        )
        send(fragile.url, name, 1)
        wait_until(lambda: recorded)


def test_a_broker_that_is_silent_is_left(fragile, name, recorded, monkeypatch):
    """Within two heartbeats."""
    from collective.wsgifutures.amqp import broker as module

    monkeypatch.setattr(module, "HEARTBEAT", 2)
    with taking(fragile.url, name) as taker:
        fragile.signal(signal.SIGSTOP)
        wait_until(lambda: taker._trouble, 15)
        fragile.signal(signal.SIGCONT)
        wait_until(lambda: not taker._trouble, 15)
        send(fragile.url, name, 1)
        wait_until(lambda: recorded)
