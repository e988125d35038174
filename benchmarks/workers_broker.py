"""Jobs that a broker tells workers elsewhere of, beside jobs that they ask the site for.

    .venv-storages/bin/python benchmarks/workers_broker.py [--only rates starts away]

A site on ZEO, ``wsgifutures relay``, and RabbitMQ or Redis. *rates*: how many jobs are claimed and
completed in a second. *starts*: how long after the commit a worker has its job. *away*: POSTs that
submit a job while the broker is there, and while it is stopped. Takes six minutes and two cores,
which all processes share; ``make .venv-storages/.ready`` makes the environment. Prints a table in
reStructuredText for each.
"""

from arrivals import ms
from contextlib import contextmanager
from elsewhere import Elsewhere
from elsewhere import Line
from elsewhere import QUEUE
from queues import ask
from queues import Jobs
from queues import parser_of
from queues import print_parts
from queues import share
from queues import sites
from serving import BIN
from serving import ROOT
from serving import say

import json
import kombu
import queue
import secrets
import signal
import statistics
import sys
import threading
import time

sys.path.append(str(ROOT / "tests" / "brokers"))

from brokers import BROKERS

#: How many workers there are.
WORKERS = 4

#: The names of the brokers, by those of the tests.
TITLES = {"rabbitmq": "RabbitMQ", "redis": "Redis"}

#: The most times that a POST may take longer while the broker is away.
LONGER = 1.1


class Told:
    """Workers that a broker wakes.

    Args:
        url: The address of the site.
        broker: The address of the broker.
        note: Called with each claim.
    """

    def __init__(self, url, broker, note):
        self._url = url
        self._broker = broker
        self._note = note
        self._stop = threading.Event()
        name = Line(url).get("@jwks")["issuer"].removeprefix("urn:uuid:")
        self._queue = f"wsgifutures.{name}.{QUEUE}"
        self._threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self):
        with kombu.Connection(self._broker) as connection:
            found = queue.SimpleQueue()
            while not self._stop.is_set():
                try:
                    self._consume(connection, found)
                except connection.connection_errors + connection.channel_errors:
                    time.sleep(0.5)  # the relay makes the queue

    def _consume(self, connection, found):
        queues = [kombu.Queue(self._queue, no_declare=True)]
        with kombu.Consumer(
            connection.channel(), queues, prefetch_count=1, on_message=found.put, auto_declare=False
        ):
            while not self._stop.is_set():
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue
                while not found.empty():
                    self._claim(found.get())

    def _claim(self, message):
        line = Line(self._url)
        capability = json.loads(message.body)["capability"]
        try:
            claimed = line.post(
                "@jobs/claim", {"key": secrets.token_hex(8)}, f"Bearer {capability}"
            )
        except RuntimeError:  # somebody else has it
            claimed = None
        message.ack()
        if claimed is not None:
            self._note(claimed)
            line.complete(claimed)


class Asking:
    """Workers that ask the site: as ``Told``, without a broker."""

    def __init__(self, url, note):
        self._url = url
        self._note = note
        self._token = Elsewhere(url).token()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]

    __enter__, __exit__ = Told.__enter__, Told.__exit__

    def _work(self):
        line = Line(self._url)
        while not self._stop.is_set():
            claimed = line.claim(self._token, wait=1.0)
            if claimed is not None:
                self._note(claimed)
                line.complete(claimed)


@contextmanager
def a_site(make):
    """Give a site that leaves its jobs to others."""
    with make("zeo") as site:
        site.serve(jobs="off")
        yield site


@contextmanager
def a_relay(site, name):
    """Give the broker of that name, with a relay between it and *site*."""
    broker = BROKERS[name]()
    try:
        command = [BIN / "wsgifutures", "relay", "--paste", site.folder / "etc" / "zope.ini"]
        relay = site.run(command, f"relay-{name}.log", broker=broker.url)
        relay.wait_for(lambda: "The relay sends to" in relay.output)
        yield broker
        relay.stop(signal.SIGTERM)
    finally:
        broker.stop()


def ways(make):
    """Yield each way to get jobs: its title, a site, and what makes workers of a note."""
    with a_site(make) as site:
        yield "by REST", site, lambda note: Asking(site.url, note)
        for name, title in TITLES.items():
            with a_relay(site, name) as broker:
                yield f"by {title}", site, lambda note, url=broker.url: Told(site.url, url, note)


def measure_rates(make, options):
    """Yield the rows of how many jobs are claimed and completed in a second."""
    yield [f"{WORKERS} workers, told", "jobs per second"]
    for title, site, workers in ways(make):
        jobs, rates = Jobs(site.url, most=100_000), []
        for _ in range(options.rounds):
            rates.append(_rate(jobs, workers, options.jobs))
        say(f"{title}: {rates}")
        yield [title, f"{statistics.median(rates):.0f}"]


def _rate(jobs, workers, count):
    done = []
    jobs.submit(count, task="scan")
    began = time.monotonic()
    with workers(lambda claimed: done.append(claimed["job"])):
        while len(set(done)) < count:
            time.sleep(0.02)
        return count / (time.monotonic() - began)


def measure_starts(make, options):
    """Yield the rows of how long a job waits for a worker."""
    yield ["from the commit to the claim's answer", "p50", "p99"]
    for title, site, workers in ways(make):
        jobs, found = Jobs(site.url), {}
        with workers(lambda claimed, found=found: found.update({claimed["args"][0]: time.time()})):
            times = jobs.claims(options.starts, found, task="scan")
        yield [title, ms(share(times, 50)), ms(share(times, 99))]


def measure_away(make, options):
    """Yield the rows of POSTs that submit a job, with and without the broker."""
    yield ["a POST that submits a job", "broker there", "stopped", "times longer"]
    with a_site(make) as site, a_relay(site, "rabbitmq") as broker:
        jobs, there, away = Jobs(site.url, most=100_000), [], []
        _posts(site, jobs, options.posts)
        for _ in range(options.rounds):
            there += _posts(site, jobs, options.posts)
            broker.signal(signal.SIGSTOP)
            away += _posts(site, jobs, options.posts)
            broker.signal(signal.SIGCONT)
        for percent, most in ((50, ""), (99, f" (at most {LONGER})")):
            sides = [share(side, percent) for side in (there, away)]
            yield [f"p{percent}", *map(ms, sides), f"{sides[1] / sides[0]:.2f}{most}"]


def _posts(site, jobs, count):
    first, times = jobs.take(count), []
    for number in range(first, first + count):
        began = time.monotonic()
        ask(site.url, "submit", first=number, task="scan")
        times.append(time.monotonic() - began)
    return times


PARTS = {"rates": measure_rates, "starts": measure_starts, "away": measure_away}


def main():
    parser = parser_of(__doc__, PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=400, help="in each round")
    parser.add_argument("--starts", type=int, default=60, help="how many are measured")
    parser.add_argument("--posts", type=int, default=200, help="in each round")
    options = parser.parse_args()
    with sites() as make:
        print_parts(PARTS, make, options)


if __name__ == "__main__":
    main()
