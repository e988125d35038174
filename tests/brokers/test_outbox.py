"""Messages of ``amqp.publish`` at a real broker: all of them, in order for each key."""

from collective.wsgifutures.amqp import outbox
from collective.wsgifutures.amqp.publishing import outgoing
from collective.wsgifutures.jobs import desk
from letters import Reader
from letters import relaying
from letters import wait_until

import json
import kombu
import pytest
import time

pytestmark = pytest.mark.brokers


@pytest.fixture
def queue(broker, name):
    """A queue that is there, and who reads it."""
    with kombu.Connection(broker.url) as connection:
        connection.default_channel.queue_declare(queue=name, durable=True, auto_delete=False)
    with Reader(broker.url, name) as reader:
        yield reader


@pytest.fixture
def full(rabbitmq):
    """A queue that refuses what does not fit."""
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    with kombu.Connection(rabbitmq.url) as connection:
        made = connection.default_channel.queue_declare(
            durable=False, auto_delete=True, exclusive=False, arguments=arguments
        )
        with Reader(rabbitmq.url, made.queue) as reader:
            reader.name = made.queue
            yield reader


@pytest.fixture
def quick(monkeypatch):
    """The next attempt comes soon."""
    monkeypatch.setattr(outgoing, "backoff", 0.4)


def test_messages_leave_as_they_were_published(broker, post, name, queue):
    """With their id, which is that of no job, and their headers."""
    post.publish({"a": ["ä", 1, None]}, routing_key=name, headers={"x": [1]}, id="abc")
    with relaying(post, broker.url):
        (message,) = queue.take(1)
        wait_until(lambda: post.count("done") == 1)
    assert json.loads(message.body) == {"a": ["ä", 1, None]}
    assert message.content_type == "application/json"
    assert message.properties["message_id"] == "abc"
    assert message.headers == {"x": [1]}


def test_messages_of_a_key_leave_in_order(broker, post, name, queue):
    """Also over several batches and transactions, among others."""
    for n in range(30):
        post.publish([n, 0], [n, 1], routing_key=name, key="k")
        post.publish([n], routing_key=name)
    with relaying(post, broker.url):
        told = queue.read(90)
        wait_until(lambda: post.count("done") == 90)
    of_key = [each for each in told if len(each) == 2]
    assert of_key == [[n, k] for n in range(30) for k in (0, 1)]


def test_thousands_leave_quickly(rabbitmq, post, name, monkeypatch):
    """A batch is one transaction."""
    commits = []
    plain = outbox.Outbox._write
    monkeypatch.setattr(outbox.Outbox, "_write", lambda *args: commits.append(1) or plain(*args))
    with kombu.Connection(rabbitmq.url) as connection:
        connection.default_channel.queue_declare(queue=name, durable=True, auto_delete=False)
    post.publish(*range(3000), routing_key=name)
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.count("done") == 3000, 60)
    with Reader(rabbitmq.url, name) as reader:
        assert sorted(reader.read(3000)) == list(range(3000))
    assert len(commits) < 3000 / outbox.AT_ONCE + 3


def test_a_message_that_nobody_gets_is_a_failed_attempt(rabbitmq, post, name, quick):
    """And dead at last, with the reason; the others go on."""
    (lost,) = post.publish("lost", routing_key=f"{name}-nobody")
    (nowhere,) = post.publish("nowhere", exchange=f"{name}-nowhere")
    (dropped,) = post.publish("dropped", routing_key=f"{name}-nobody", mandatory=False)
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.look_at(lost, "attempt") and post.look_at(nowhere, "attempt"))
        wait_until(lambda: post.states()[dropped] == "done")
        assert "no queue is bound there" in post.look_at(lost, "error")
        assert "no exchange" in post.look_at(nowhere, "error")
        with kombu.Connection(rabbitmq.url) as connection:
            connection.default_channel.queue_declare(queue=f"{name}-nobody", durable=True)
        wait_until(lambda: post.states()[lost] == "done")


def test_a_message_without_hope_is_dead_after_its_attempts(rabbitmq, post, name, monkeypatch):
    """Nothing is dropped in silence."""
    monkeypatch.setattr(outgoing, "backoff", 0.001)
    (id,) = post.publish("lost", routing_key=f"{name}-nobody")
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.states()[id] == "dead", 40)
    assert post.look_at(id, "attempt") == 10


def test_what_comes_behind_a_refused_message_waits_for_it(rabbitmq, post, full, quick):
    """The order of a key is kept, also by a relay that is started meanwhile."""
    post.publish("filler", "filler", routing_key=full.name)
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.count("done") == 2)
        ids = post.publish(1, 2, 3, routing_key=full.name, key="k")
        wait_until(lambda: post.look_at(ids[0], "attempt"))
    time.sleep(0.5)
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.look_at(ids[0], "attempt") >= 2)
        assert [post.look_at(id, "attempt") for id in ids[1:]] == [0, 0]
        assert full.read(2) == ["filler", "filler"]
        assert full.read(3, seconds=30) == [1, 2, 3]


def test_a_message_that_is_cancelled_meanwhile_is_nobodys_error(rabbitmq, post, name):
    """It may have left; the rest of the batch is done."""
    ids = post.publish(1, 2, routing_key=name, mandatory=False)
    post.change(lambda store, job: desk.cancel(job, time.time()), ids[0])
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.states()[ids[1]] == "done")
    assert post.states()[ids[0]] == "cancelled"


def test_what_nobody_could_send_in_time_is_dead(rabbitmq, post, name):
    """With the reason."""
    with desk.changing(post.database) as connection:
        job = post._add(
            connection, 0, task=outgoing.name, queue=outgoing.queue, deadline=time.time() - 1
        )
        id = job.id
    with relaying(post, rabbitmq.url):
        wait_until(lambda: post.states()[id] == "dead")
    assert "was not done within" in post.look_at(id, "error")
