"""The worker on a real RabbitMQ and a real Redis: woken, restarted brokers, many jobs."""

from conftest import running
from conftest import wait_until
from contextlib import suppress
from pathlib import Path
from wsgifutures_worker import Worker

import json
import kombu
import pytest
import sys
import time
import uuid

pytestmark = pytest.mark.brokers

MANY = 300


@pytest.fixture(params=["rabbitmq", "redis"])
def broker(request):
    """One of both, of this test's own, as the repository's tests start it."""
    sys.path.append(str(Path(__file__).parents[2] / "tests" / "brokers"))
    from brokers import BROKERS

    started = BROKERS[request.param]()
    yield started
    started.stop()


@pytest.fixture
def name(broker):
    """The name of a queue, which the relay has made."""
    name = uuid.uuid4().hex[:8]
    declare(broker, name)
    return name


def declare(broker, name):
    with kombu.Connection(broker.url) as line:
        options = {"queue_arguments": {"x-queue-type": "quorum"}, "durable": True}
        kombu.Queue(f"wsgifutures.{name}", channel=line.default_channel, **options).declare()


def send(site, broker, name, *jobs):
    """Send a hint for each job, as the relay does."""
    with kombu.Connection(broker.url) as line:
        producer = line.Producer(serializer="json")
        for job in jobs:
            told = {"id": job.id, "queue": name, "capability": site.capability(job)}
            body = json.dumps(told).encode()
            options = {"content_type": "application/json", "content_encoding": "utf-8"}
            producer.publish(body, routing_key=f"wsgifutures.{name}", delivery_mode=2, **options)


def make_worker(site, broker, name, **options):
    worker = Worker(site.url, queues=[name], broker=broker.url, **options)
    worker.does("ocr")(lambda job: "woken")
    return worker


def depth(broker, name):
    with kombu.Connection(broker.url) as line:
        try:
            found = line.default_channel.queue_declare(f"wsgifutures.{name}", passive=True)
        except line.channel_errors:  # Redis has no queue without messages
            return 0
        return found.message_count


def test_many_jobs_are_done_once(site, broker, name):
    """Some hints twice; none is left."""
    jobs = [site.submit("ocr") for _ in range(MANY)]
    send(site, broker, name, *jobs, *jobs[:50])
    with running(make_worker(site, broker, name, concurrency=4)):
        wait_until(lambda: all(job.state == "done" for job in jobs), 60)
        wait_until(lambda: depth(broker, name) == 0)
    assert {job.generation for job in jobs} == {1}


def test_a_broker_that_was_away_is_used_again(site, broker, name, caplog):
    """The worker connects again by itself, also to one that has lost everything."""
    caplog.set_level("INFO", "wsgifutures_worker")
    with running(make_worker(site, broker, name)):
        first = site.submit("ocr")
        send(site, broker, name, first)
        wait_until(lambda: first.state == "done", 30)
        broker.kill()
        wait_until(lambda: "cannot be used" in caplog.text, 30)
        broker.start()
        second = site.submit("ocr")
        wait_until(lambda: send_again(site, broker, name, second), 60)
    assert "s3cret" not in caplog.text


def send_again(site, broker, name, job):
    """Do what the relay does while a job waits; return whether it is done."""
    with suppress(Exception):  # the broker starts
        declare(broker, name)
        send(site, broker, name, job)
    time.sleep(1)
    return job.state == "done"
