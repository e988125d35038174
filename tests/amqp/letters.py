"""Databases with jobs for workers elsewhere and with messages, and relays on them: no site."""

from collective.wsgifutures.amqp.broker import Broker
from collective.wsgifutures.amqp.duty import Watch
from collective.wsgifutures.amqp.messages import Message
from collective.wsgifutures.amqp.publishing import NAME
from collective.wsgifutures.amqp.publishing import pack
from collective.wsgifutures.amqp.publishing import QUEUE
from collective.wsgifutures.amqp.relay import Relay
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.records import Lane
from collective.wsgifutures.jobs.records import Wanted
from collective.wsgifutures.jobs.store import add_job
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import make_store
from contextlib import contextmanager

import json
import os
import pickle
import pytest
import threading
import time
import ZODB

#: What nobody reads at a broker.
SECRET = "argum3nt"

#: The site of all jobs.
SITE = Origin(
    user="editor", folder="/Plone", site="/Plone", site_uid="8a2f3c5e6d7b4a1c9e0f1a2b3c4d5e6f"
)

#: Another one of the same database.
OTHER = Origin(user="editor", folder="/Other", site="/Other", site_uid="f" * 32)


def at_broker(queue, site=SITE):
    """Return what the queue of a site's jobs is called at the broker."""
    return f"wsgifutures.{site.site_uid}.{queue}"


class Post:
    """A database, seen by whoever submits."""

    def __init__(self, storage=None):
        self.database = ZODB.DB(storage)
        with desk.changing(self.database) as connection:
            make_store(connection).lanes.setdefault("a", Lane("a", time.time()))

    def submit(self, *queues, due=0.0, **changes):
        """Submit a job for each of *queues*, in one transaction; return their ids."""
        with desk.changing(self.database) as connection:
            return [self._add(connection, due, queue=queue, **changes).id for queue in queues]

    def publish(self, *bodies, exchange="", routing_key="out", key="", due=0.0, **options):
        """Publish messages, in one transaction; return the ids of their jobs."""
        made = [
            Message(exchange, routing_key, json.dumps(body).encode(), **options) for body in bodies
        ]
        with desk.changing(self.database) as connection:
            jobs = [
                self._add(
                    connection,
                    due,
                    task=NAME,
                    queue=QUEUE,
                    attempts=10,
                    arguments=pack(message),
                    lock=key,
                )
                for message in made
            ]
            return [job.id for job in jobs]

    def _add(self, connection, due, **changes):
        now = time.time()
        plain = {
            "task": "ocr",
            "title": f"Title of {SECRET}",
            "arguments": pickle.dumps(((SECRET,), {})),
            "context": f"uid-of-{SECRET}",
            "origin": SITE,
            "queue": "ocr",
            "priority": 0,
            "attempts": 3,
            "timeout": 60.0,
            "submitted": now,
            "deadline": now + 86400,
            "elsewhere": True,
        }
        store = find_store(connection)
        return add_job(store.lanes["a"], Wanted(**{**plain, **changes}), due or now)

    def states(self):
        """Return the states of all jobs, by their ids."""
        with desk.changing(self.database) as connection:
            entries = jobs_of(find_store(connection))
            return {entry.job.id: entry.job.state.value for entry in entries}

    def count(self, state):
        """Return how many jobs are in a state."""
        return list(self.states().values()).count(state)

    def look_at(self, id, name):
        """Return an attribute of a job."""
        with desk.changing(self.database) as connection:
            return getattr(find_job(find_store(connection), id), name)

    def change(self, change, *ids):
        """Change jobs, in a transaction of its own: *change* gets the store and one of them."""
        with desk.changing(self.database) as connection:
            store = find_store(connection)
            return [change(store, find_job(store, id)) for id in ids]

    def claim(self, *ids):
        """Claim jobs as a worker does."""
        self.change(lambda store, job: job.claim("a worker", time.time()), *ids)

    def last_tid(self):
        """Return the number of the last transaction."""
        return self.database.lastTransaction()


@pytest.fixture
def post():
    """A database."""
    post = Post()
    yield post
    post.database.close()


@pytest.fixture
def name():
    """The name of a queue of this test's own."""
    return f"q{os.urandom(4).hex()}"


@contextmanager
def relaying(post, url, **options):
    """Let a relay run in a thread, maybe on another machine."""
    stop = threading.Event()
    relay = Relay(post.database, Broker(url, stop.is_set, **options.pop("broker", {})), stop)
    if "machine" in options:
        relay._watch = Watch(relay.id, (options["machine"], 1))
    with in_thread(relay, stop):
        yield relay


@contextmanager
def in_thread(work, stop):
    """Let *work* run in a thread, until it is told to *stop*."""
    thread = threading.Thread(target=work.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(true, seconds=60):
    """Wait until *true* gives something, and return that."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "that was not so in time"
        time.sleep(0.02)
    return found


class Reader:
    """Whoever reads a queue at a broker: plain kombu, as a worker has it."""

    def __init__(self, url, queue):
        import kombu

        self._connection = kombu.Connection(url, connect_timeout=5)
        self._queue = queue
        self.messages = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.collect()

    def read(self, count, seconds=20):
        """Return the bodies of so many messages, which are acknowledged."""
        return [json.loads(message.body) for message in self.take(count, seconds)]

    def take(self, count, seconds=20):
        """Return so many messages, acknowledged, as soon as they are there."""
        found, until = [], time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} came"
            found += self.rest(count - len(found))
            time.sleep(0.02)
        self.messages += found
        return found

    def rest(self, most=1_000_000):
        """Return what is there now."""
        found = []
        channel = self._connection.default_channel
        while len(found) < most:
            try:
                message = channel.basic_get(self._queue, no_ack=True)
            except self._connection.channel_errors + self._connection.connection_errors:
                self._connection.collect()  # there is no such queue yet, or it is being made
                return found
            if message is None:
                return found
            found.append(
                channel.message_to_python(message) if isinstance(message, dict) else message
            )
        return found
