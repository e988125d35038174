"""Workers elsewhere under ``kill -9``: of workers, relay, broker, and web workers.

    .venv-storages/bin/python benchmarks/workers_kills.py [--jobs 10000] [--broker redis]

A site on ZEO with two web workers, ``wsgifutures relay``, a RabbitMQ, and three workers elsewhere
with four threads each, which only the broker tells of jobs. While jobs are submitted, and until all
is done, something of that is killed at random moments and started again: workers only until most is
done, since what they had comes back when its lease is over. Then the database tells which jobs were
asked for, and how often the result of each was stored by its ``then=``. Takes ten minutes; two
cores; ``make .venv-storages/.ready`` makes the environment. Prints a table in reStructuredText, and
fails if anything is lost, stored twice, or not done in time.
"""

from queues import ask
from queues import children
from queues import sites
from serving import BIN
from serving import ROOT
from serving import say
from serving import table

import argparse
import collections
import itertools
import os
import random
import signal
import sys
import threading
import time

sys.path.append(str(ROOT / "tests" / "brokers"))

from brokers import BROKERS

#: How many workers elsewhere there are, and how many jobs each does at a time.
WORKERS, THREADS = 3, 4

#: How many jobs are submitted in one transaction, and how many wait at most.
AT_ONCE, WAITING = 20, 1000

#: The share of the jobs that was worked on when no more workers elsewhere are killed.
FIRST_PART = 0.7

#: Seconds between two looks at what is done: it costs the site something to tell.
LOOK_EVERY = 5.0

#: What is killed, and how likely.
VICTIMS = {"worker elsewhere": 4, "relay": 3, "broker": 2, "web worker": 2}


class Elsewhere:
    """A site, a relay, a broker and workers elsewhere.

    Args:
        site: A site on ZEO.
        broker: The broker.
    """

    def __init__(self, site, broker):
        self._site = site
        self._broker = broker
        self._logs = itertools.count()
        self._file = site.folder / "worked-on"
        self._file.touch()
        site.serve(workers=2)
        self._relay = self._start_relay()
        self._workers = [self._start_worker() for _ in range(WORKERS)]

    def kill(self, victim):
        """Kill one of *victim* at once, and start it again."""
        getattr(self, f"_kill_{victim.replace(' ', '_')}")()

    def read(self):
        """Return the numbers of the jobs that were worked on, in order."""
        return self._file.read_text().split()

    def is_up(self):
        """Tell whether the relay and each web worker have started."""
        web = len(children(self._site.server)) == 2
        return web and "The relay sends to" in self._relay.output

    def _start_relay(self):
        paste = self._site.folder / "etc" / "zope.ini"
        command = [BIN / "wsgifutures", "relay", "--paste", paste]
        return self._site.run(command, f"relay-{next(self._logs)}.log", broker=self._broker.url)

    def _start_worker(self):
        command = [BIN / "python", ROOT / "benchmarks" / "scanner.py", self._site.url]
        command += [self._broker.url, self._file, THREADS]
        return self._site.run(command, f"scanner-{next(self._logs)}.log")

    def _kill_worker_elsewhere(self):
        worker = self._workers.pop(0)
        worker.signal(signal.SIGKILL)
        worker.wait()
        self._workers.append(self._start_worker())

    def _kill_relay(self):
        self._relay.signal(signal.SIGKILL)
        self._relay.wait()
        self._relay = self._start_relay()

    def _kill_broker(self):
        self._broker.kill()
        self._broker.start()

    def _kill_web_worker(self):
        os.kill(random.choice(children(self._site.server)), signal.SIGKILL)


class Run:
    """One run: jobs are submitted and done while things are killed.

    Args:
        site: A site on ZEO.
        broker: The broker.
        options: The options of the command line.
    """

    def __init__(self, site, broker, options):
        self.kills = dict.fromkeys(VICTIMS, 0)
        self._site = site
        self._options = options
        self._elsewhere = Elsewhere(site, broker)
        self._random = random.Random(options.seed)
        self._over = threading.Event()
        self._worked = collections.Counter()  # how often each job was worked on
        self._told = {"asked": [], "done": []}
        ask(site.url, "prepare", count=options.jobs)

    def run(self):
        """Do it; return the figures."""
        began = time.monotonic()
        threads = [threading.Thread(target=each) for each in (self._submit, self._kill)]
        for thread in threads:
            thread.start()
        try:
            self._wait(began + 60 * self._options.minutes)
        finally:
            seconds = time.monotonic() - began
            self._over.set()
            for thread in threads:
                thread.join()
        self._look()
        return self._figures(seconds)

    def _wait(self, until):
        """Wait until all is done, or for as long as it may take."""
        while time.monotonic() < until and not self._is_done():
            say(f"{len(self._worked)} worked on, {self.kills}")
            time.sleep(LOOK_EVERY)

    def _is_done(self):
        """Tell whether all is done. The site is only asked when all was worked on."""
        self._worked = collections.Counter(self._elsewhere.read())
        if len(self._worked) < self._options.jobs:
            return False
        self._look()
        return all(self._told["done"])

    def _look(self):
        self._told = self._ask("tell", first=0, count=self._options.jobs)

    def _ask(self, view, **form):
        """Ask until there is an answer: the web worker may be killed."""
        while True:
            try:
                return ask(self._site.url, view, timeout=60, **form)
            except OSError:
                time.sleep(0.5)

    def _submit(self):
        for first in range(0, self._options.jobs, AT_ONCE):
            while first - len(self._worked) > WAITING:
                if self._over.wait(0.5):
                    return
            count = min(AT_ONCE, self._options.jobs - first)
            self._ask("ask-elsewhere", first=first, count=count)

    def _kill(self):
        while not self._over.wait(self._random.uniform(0.0, 2.0) * self._options.every):
            victim = self._choose()
            self._elsewhere.kill(victim)
            self.kills[victim] += 1
            while not self._elsewhere.is_up() and not self._over.wait(0.2):
                pass

    def _choose(self):
        weights = dict(VICTIMS)
        if len(self._worked) > FIRST_PART * self._options.jobs:
            del weights["worker elsewhere"]
        return self._random.choices(list(weights), weights.values())[0]

    def _figures(self, seconds):
        asked, done = self._told["asked"], self._told["done"]
        missing = [n for n, times in enumerate(done) if not times]
        if missing:
            say(f"missing: {missing[:50]}, states: {self._ask('count')}")
        return {
            "jobs that were committed": sum(map(bool, asked)),
            "done and stored once": sum(len(times) == 1 for times in done),
            "lost": len(missing),
            "stored twice": sum(len(times) > 1 for times in done),
            "worked on again, after a kill": sum(times > 1 for times in self._worked.values()),
            **{f"kills of a {name}": count for name, count in self.kills.items()},
            "minutes": f"{seconds / 60:.0f}",
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--broker", choices=list(BROKERS), default="rabbitmq")
    parser.add_argument(
        "--every", type=float, default=4.0, help="seconds until one that runs is killed"
    )
    parser.add_argument("--minutes", type=float, default=40.0, help="how long it may take")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    with sites() as make, make("zeo") as site:
        broker = BROKERS[options.broker]()
        try:
            found = Run(site, broker, options).run()
        finally:
            broker.stop()
    print(f"\n{table([['', 'workers elsewhere'], *found.items()])}\n")
    if found["done and stored once"] != options.jobs:
        sys.exit("Not each job was done once.")


if __name__ == "__main__":
    main()
