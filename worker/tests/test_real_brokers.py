"""The worker on a real RabbitMQ and a real Redis: woken, restarted brokers, many jobs."""

from conftest import running
from conftest import wait_until
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from standin import serving
from standin import StandIn
from wsgifutures_worker import Worker

import json
import kombu
import pytest
import sys
import time
import uuid

pytestmark = pytest.mark.brokers

MANY = 300

#: Seconds. RabbitMQ 3.10 writes to its disk who leads a quorum queue after up to five. A queue that
#: is younger at a power cut has no leader afterwards, for ever: whoever reads it gets no answer.
OLD_ENOUGH = 6.0


@pytest.fixture(params=["rabbitmq", "redis"])
def broker(request):
    """One of both, of this test's own, as the repository's tests start it."""
    sys.path.append(str(Path(__file__).parents[2] / "tests" / "brokers"))
    from brokers import BROKERS

    started = BROKERS[request.param]()
    yield started
    started.stop()


@pytest.fixture
def name(site, broker):
    """A queue of jobs, for which the relay has made the site's own at the broker."""
    name = uuid.uuid4().hex[:8]
    declare(site, broker, name)
    return name


@contextmanager
def connected(broker):
    """Connect to a broker that may not answer: nothing is awaited for long, nor at the end."""
    line = kombu.Connection(broker.url, connect_timeout=5)
    try:
        line.connect()
        if line.transport_cls in ("amqp", "pyamqp"):
            line.connection.transport.sock.settimeout(5)
        yield line
    finally:
        line.collect(5)


def at_broker(site, name):
    return f"wsgifutures.{site.uid}.{name}"


def declare(site, broker, name):
    with connected(broker) as line:
        options = {"queue_arguments": {"x-queue-type": "quorum"}, "durable": True}
        kombu.Queue(at_broker(site, name), channel=line.default_channel, **options).declare()


def send(site, broker, name, *jobs):
    """Send a hint for each job, as the relay does."""
    with connected(broker) as line:
        producer = line.Producer(serializer="json")
        for job in jobs:
            told = {"id": job.id, "queue": name, "capability": site.capability(job)}
            body = json.dumps(told).encode()
            options = {"content_type": "application/json", "content_encoding": "utf-8"}
            producer.publish(body, routing_key=at_broker(site, name), delivery_mode=2, **options)
        line.default_channel.close()  # once the broker has read all that was sent


def make_worker(site, broker, name, **options):
    worker = Worker(site.url, queues=[name], broker=broker.url, **options)
    worker.does("ocr")(lambda job: "woken")
    return worker


def depth(site, broker, name):
    with connected(broker) as line:
        try:
            found = line.default_channel.queue_declare(at_broker(site, name), passive=True)
        except line.channel_errors:  # Redis has no queue without messages
            return 0
        return found.message_count


def test_many_jobs_are_done_once(site, broker, name):
    """Some hints twice; none is left."""
    jobs = [site.submit("ocr") for _ in range(MANY)]
    send(site, broker, name, *jobs, *jobs[:50])
    with running(make_worker(site, broker, name, concurrency=4)):
        wait_until(lambda: all(job.state == "done" for job in jobs), 60)
        wait_until(lambda: depth(site, broker, name) == 0)
    assert {job.generation for job in jobs} == {1}


def test_sites_that_share_a_broker_share_no_queue(site, broker, name, caplog):
    """Each job is done by a worker of its own site; no hint is rejected."""
    with serving(StandIn()) as other:
        declare(other, broker, name)
        pairs = [(one, one.submit("ocr")) for _ in range(50) for one in (site, other)]
        for one in (site, other):
            send(one, broker, name, *[job for its, job in pairs if its is one])
        with (
            running(make_worker(site, broker, name, concurrency=2)),
            running(make_worker(other, broker, name, concurrency=2)),
        ):
            wait_until(lambda: all(job.state == "done" for _, job in pairs), 60)
            wait_until(lambda: not depth(site, broker, name) + depth(other, broker, name))
    assert {job.generation for _, job in pairs} == {1}
    assert "rejected" not in caplog.text
    assert "refuses a capability" not in caplog.text


def test_a_broker_that_was_away_is_used_again(site, broker, name, caplog):
    """The worker connects again by itself, also to one that has lost everything."""
    caplog.set_level("INFO", "wsgifutures_worker")
    made = time.monotonic()
    with running(make_worker(site, broker, name)):
        first = site.submit("ocr")
        send(site, broker, name, first)
        wait_until(lambda: first.state == "done", 30)
        time.sleep(max(0.0, made + OLD_ENOUGH - time.monotonic()))
        broker.kill()
        wait_until(lambda: "cannot be used" in caplog.text, 30)
        broker.start()
        second = site.submit("ocr")
        wait_until(lambda: send_again(site, broker, name, second), 60)
    assert "s3cret" not in caplog.text


def send_again(site, broker, name, job):
    """Do what the relay does while a job waits; return whether it is done."""
    with suppress(Exception):  # the broker starts
        declare(site, broker, name)
        send(site, broker, name, job)
    time.sleep(1)
    return job.state == "done"


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
def test_a_queue_that_lost_its_leader_is_replaced_without_a_restart(site, broker, name, caplog):
    """RabbitMQ does not answer its readers. Somebody deletes it, as the log of the relay says."""
    caplog.set_level("INFO", "wsgifutures_worker")
    broker.kill()  # before the queue is OLD_ENOUGH
    broker.start()
    with running(make_worker(site, broker, name)):
        wait_until(lambda: "cannot be used (TimeoutError)" in caplog.text, 25)
        broker.ctl("delete_queue", at_broker(site, name))
        job = site.submit("ocr")
        wait_until(lambda: send_again(site, broker, name, job), 30)
