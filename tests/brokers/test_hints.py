"""Hints at a real broker: a worker hears of each job, and of nothing else."""

from brokers import PASSWORD
from brokers import USER
from collective.wsgifutures.amqp import hints
from collective.wsgifutures.amqp.broker import Broker
from collective.wsgifutures.amqp.broker import queue_arguments
from collective.wsgifutures.amqp.messages import DEAD
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.keys.places import Place
from collective.wsgifutures.keys.tokens import CAPABILITY
from collective.wsgifutures.keys.tokens import verify
from letters import at_broker
from letters import Reader
from letters import relaying
from letters import SECRET
from letters import SITE
from letters import wait_until

import json
import kombu
import pytest
import re
import time

pytestmark = pytest.mark.brokers


@pytest.fixture
def soon(monkeypatch):
    """Hints are sent again after a moment."""
    monkeypatch.setattr(hints, "PAUSE", 0.3)
    monkeypatch.setattr(hints, "LONGEST_PAUSE", 1.0)


def test_a_worker_hears_of_each_job_once(broker, post, name):
    """Also of those that were there before the relay, and those that may begin later."""
    ids = post.submit(name, name)
    ids += post.submit(name, due=time.time() + 1.0)
    with relaying(post, broker.url), Reader(broker.url, at_broker(name)) as reader:
        ids += post.submit(name)
        told = reader.read(4)
        assert sorted(each["id"] for each in told) == sorted(ids)
        assert {each["queue"] for each in told} == {name}
        (later,) = post.submit(name)  # by then it has looked at all that was there before
        assert [each["id"] for each in reader.read(1)] == [later]
        assert reader.rest() == []


def test_a_hint_has_an_id_a_queue_and_a_capability_and_nothing_else(broker, post, name):
    """No argument, title, path, user; the capability is good for this job, until its deadline."""
    (id,) = post.submit(name)
    with relaying(post, broker.url), Reader(broker.url, at_broker(name)) as reader:
        (message,) = reader.take(1)
    told = json.loads(message.body)
    assert sorted(told) == ["capability", "id", "queue"]
    with desk.changing(post.database) as connection:
        claims = verify(Place(connection, SITE.site_uid, SITE.site), told["capability"], CAPABILITY)
    assert claims["sub"] == id
    assert claims["exp"] == int(post.look_at(id, "wanted").deadline)
    assert sorted(claims) == ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]
    everything = repr([message.body, message.properties, message.headers, claims])
    assert SECRET not in everything
    assert "editor" not in everything
    assert "/Plone" not in everything


def test_a_hint_that_is_lost_is_sent_again(broker, post, name, soon):
    """Until somebody claims the job; then never more."""
    (id,) = post.submit(name)
    with relaying(post, broker.url) as relay, Reader(broker.url, at_broker(name)) as reader:
        assert [each["id"] for each in reader.read(3)] == [id] * 3
        post.claim(id)
        wait_until(lambda: not relay._hints._sent)  # it has seen that
        reader.rest()
        (later,) = post.submit(name)
        assert {each["id"] for each in reader.read(3)} == {later}


def test_a_hint_that_nobody_took_is_not_sent_again(broker, post, name, soon):
    """More of them would only fill the broker."""
    post.submit(*[name] * 5)
    with relaying(post, broker.url) as relay, Reader(broker.url, at_broker(name)) as reader:
        # A new connection begins anew, with another count.
        wait_until(lambda: sum(n >= 4 for n in relay._hints._sent.values()) == 5)
        assert len(reader.rest()) == 5


def test_a_job_that_failed_is_told_again_at_once(rabbitmq, post, name):
    """It waits once more, which is news."""
    (id,) = post.submit(name)
    with relaying(post, rabbitmq.url), Reader(rabbitmq.url, at_broker(name)) as reader:
        reader.read(1)
        post.claim(id)
        post.change(lambda store, job: desk.let_go(store, job, time.time()), id)
        assert reader.read(1, seconds=5)[0]["id"] == id


def test_a_queue_that_is_deleted_is_made_again(rabbitmq, post, name):
    """Nobody has to restart the relay."""
    post.submit(name)
    with relaying(post, rabbitmq.url), Reader(rabbitmq.url, at_broker(name)) as reader:
        reader.read(1)
        rabbitmq.ctl("delete_queue", at_broker(name))
        (id,) = post.submit(name)
        wait_until(lambda: id in [each["id"] for each in reader.read(1)])


def test_queues_are_made_to_last(rabbitmq, post, name):
    """A quorum queue, with a limit of deliveries and somewhere for dead letters to go."""
    post.submit(name)
    with relaying(post, rabbitmq.url), Reader(rabbitmq.url, at_broker(name)) as reader:
        reader.read(1)
        told = rabbitmq.ctl("list_queues", "name", "type", "durable", "arguments").splitlines()
    (line,) = [line for line in told if line.startswith(f"{at_broker(name)}\t")]
    assert "\tquorum\ttrue\t" in line
    for argument in ('"x-delivery-limit",500', '"x-dead-letter-exchange","wsgifutures.dead"'):
        assert argument in line


ARGUMENTS = {
    "x-queue-type": {
        "arguments": {"x-dead-letter-exchange": DEAD, "x-dead-letter-routing-key": DEAD}
    },
    "x-dead-letter-exchange": {"arguments": {}},
    "x-message-ttl": {"arguments": {**queue_arguments(500), "x-message-ttl": 600_000}},
    "x-delivery-limit": {"arguments": queue_arguments(7)},
    "durable": {"arguments": {}, "durable": False},
}


@pytest.mark.parametrize("setting", ARGUMENTS)
def test_a_queue_with_other_settings_is_used_and_told_of_once(
    rabbitmq, post, name, setting, caplog
):
    """The log names the setting, and what to do; the next sign of the relay has it, too."""
    with kombu.Connection(rabbitmq.url) as connection:
        made = {"durable": True, "auto_delete": False, **ARGUMENTS[setting]}
        connection.default_channel.queue_declare(queue=at_broker(name), **made)
    (id,) = post.submit(name)
    with relaying(post, rabbitmq.url) as relay:
        with Reader(rabbitmq.url, at_broker(name)) as reader:
            assert reader.read(1)[0]["id"] == id
        relay._broker.close()  # a new connection looks again
        (id,) = post.submit(name)
        with Reader(rabbitmq.url, at_broker(name)) as reader:
            wait_until(lambda: id in [each["id"] for each in reader.read(1)])
        assert relay.report()["unlike"] == {at_broker(name): setting}
    said = [r.getMessage() for r in caplog.records if "is not as the relay makes it" in r.message]
    assert len(said) == 1
    assert f"The queue {at_broker(name)} at the broker" in said[0]
    assert f"its setting {setting} is another one" in said[0]
    assert "delete the queue while it is empty" in said[0]


@pytest.mark.parametrize(
    "policy",
    [
        {"message-ttl": 200},
        {"max-length": 1},
        {"max-length": 1, "overflow": "reject-publish"},
        {"delivery-limit": 1},
    ],
)
def test_a_policy_costs_time_and_no_job(rabbitmq, post, name, soon, policy, monkeypatch):
    """Whatever the broker drops or refuses is told again."""
    monkeypatch.setattr(hints, "SOON", 0.3)
    pattern = f"^{re.escape(at_broker(name))}$"
    rabbitmq.ctl("set_policy", "--apply-to", "queues", name, pattern, json.dumps(policy))
    waiting = set(post.submit(name, name, name))
    with relaying(post, rabbitmq.url), Reader(rabbitmq.url, at_broker(name)) as reader:
        time.sleep(1.5)
        while waiting:
            heard = {each["id"] for each in reader.read(1)} & waiting
            post.claim(*heard)
            waiting -= heard
    rabbitmq.ctl("clear_policy", name)


def test_an_exchange_of_that_name_is_told_with_what_to_do(fragile, post, name, caplog):
    """It is another application's, or was made by hand; the relay goes on when it is gone."""
    with kombu.Connection(fragile.url) as connection:
        connection.default_channel.exchange_declare("wsgifutures.dead", "topic", durable=True)
    (id,) = post.submit(name)
    with relaying(post, fragile.url) as relay:
        wait_until(lambda: relay.trouble.reason)
        assert "The exchange wsgifutures.dead" in relay.trouble.reason
        assert "its setting type is another one" in relay.trouble.reason
        assert "Delete it there: the relay makes it again." in caplog.text
        with kombu.Connection(fragile.url) as connection:
            connection.default_channel.exchange_delete("wsgifutures.dead")
        with Reader(fragile.url, at_broker(name)) as reader:
            assert reader.read(1)[0]["id"] == id


def test_the_queues_that_are_named_are_hinted_at(rabbitmq, post, name):
    """And no other; messages of amqp.publish are no hints."""
    other = f"{name}-other"
    post.submit(name, other)
    with relaying(post, rabbitmq.url) as relay:
        relay._hints._queues = (other,)
        relay._hints.begin_anew()
        with Reader(rabbitmq.url, at_broker(other)) as reader:
            reader.read(1)


def test_nothing_is_written_while_nothing_happens(rabbitmq, post, name):
    """Not even that the relay lives; hints are in memory."""
    post.submit(name)
    with relaying(post, rabbitmq.url), Reader(rabbitmq.url, at_broker(name)) as reader:
        reader.read(1)
        time.sleep(1)
        before = post.last_tid()
        time.sleep(3)
        assert post.last_tid() == before


def test_a_relay_needs_few_rights_where_all_queues_are_there(rabbitmq, post, name):
    """It may send and look, and make nothing."""
    Broker(rabbitmq.url).ensure_queue(at_broker(name))
    rabbitmq.ctl("add_user", name, "secret")
    rabbitmq.ctl("set_permissions", name, "^$", ".*", "^wsgifutures")
    (id,) = post.submit(name)
    url = rabbitmq.url.replace(f"{USER}:{PASSWORD}", f"{name}:secret")
    with relaying(post, url), Reader(rabbitmq.url, at_broker(name)) as reader:
        assert reader.read(1)[0]["id"] == id
