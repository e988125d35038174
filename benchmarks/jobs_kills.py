"""Jobs under ``kill -9``, beside the usual way: a queue that is told after the commit.

    .venv-storages/bin/python benchmarks/jobs_kills.py [--jobs 500]

The same site on ZEO, the same web worker, the same work in a process beside it, twice: as jobs of
``wsgifutures work``, and as tasks of huey, which an after-commit hook sends to its queue in SQLite.
While requests come, and until all is done, the web worker and the process that works are killed at
random moments and started again. Then the database tells which work was asked for by a transaction
that was committed, and how often each was done. Takes ten minutes; two cores;
``make .venv-storages/.ready`` makes the environment. Prints a table in reStructuredText.
"""

from concurrent.futures import ThreadPoolExecutor
from queues import ask
from queues import children
from queues import sites
from serving import BIN
from serving import ROOT
from serving import say
from serving import table

import argparse
import itertools
import os
import random
import signal
import threading
import time

#: How many requests are made at a time.
CLIENTS = 4

#: What a process logs that has loaded the site.
READY = "Ready to handle requests"

#: Seconds without a change after which nothing more will be done.
QUIET = 45.0


class Way:
    """One way to have work done after a request.

    Args:
        site: A site on ZEO.
        options: The options of the command line.
    """

    title = "a job"
    view = "ask"

    def __init__(self, site, options):
        self.kills = {"web worker": 0, "process that works": 0}
        self._site = site
        self._options = options
        self._random = random.Random(options.seed)
        self._logs = itertools.count()
        site.serve(jobs="off")
        ask(site.url, "prepare", count=options.jobs)
        self._process = self.start(site)
        self._over = threading.Event()

    def start(self, site):
        """Start the process that works."""
        return site.work(2, next(self._logs))

    def run(self):
        """Let the work be asked for and done under kills; return the figures."""
        killer = threading.Thread(target=self._kill)
        killer.start()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for number in range(self._options.jobs):
                clients.submit(self._ask, number)
        self._wait(done=0.9)  # the last ones are done without kills
        self._over.set()
        killer.join()
        told = self._wait()
        pairs = list(zip(told["asked"], told["done"], strict=True))
        return {
            "committed": sum(asked for asked, _ in pairs),
            "lost": sum(asked and not done for asked, done in pairs),
            "done twice": sum(len(done) > 1 for _, done in pairs),
            "done without a commit": sum(bool(done) and not asked for asked, done in pairs),
            **{f"kills of the {name}": count for name, count in self.kills.items()},
        }

    def _ask(self, number):
        """Ask once. If the answer does not come, the database knows whether it was committed."""
        try:
            ask(self._site.url, self.view, number=number, seconds=self._options.work, timeout=60)
        except OSError:
            time.sleep(0.5)

    def _kill(self):
        while not self._over.is_set():
            self._wait_until_both_run()
            if self._over.wait(self._random.uniform(0.0, 2.0) * self._options.every):
                return
            if self._random.random() < 0.5:
                for pid in children(self._site.server):
                    os.kill(pid, signal.SIGKILL)
                self.kills["web worker"] += 1
            else:
                self._process.signal(signal.SIGKILL)
                self._process.wait()
                self.kills["process that works"] += 1
                self._process = self.start(self._site)

    def _wait_until_both_run(self):
        while READY not in self._process.output:
            time.sleep(0.2)
        self._tell()

    def _wait(self, done=1.0):
        """Wait until that share is done, or nothing changes; return what is known."""
        last, since = None, time.monotonic()
        while time.monotonic() < since + QUIET:
            told = self._tell()
            count = sum(map(bool, told["done"]))
            if count >= done * sum(told["asked"]):
                return told
            if count != last:
                last, since = count, time.monotonic()
            time.sleep(1)
        return told

    def _tell(self):
        while True:
            try:
                return ask(self._site.url, "tell", first=0, count=self._options.jobs)
            except OSError:  # it was killed just now
                time.sleep(0.5)


class Afterwards(Way):
    """The queue of huey, told after the commit."""

    title = "huey, told after the commit"
    view = "ask-afterwards"

    def start(self, site):
        command = [BIN / "python", ROOT / "benchmarks" / "consumer.py"]
        return site.run(
            [*command, site.folder / "etc" / "zope.conf"], f"consumer-{next(self._logs)}.log"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--work", type=float, default=0.05, help="seconds that a job computes")
    parser.add_argument(
        "--every", type=float, default=3.0, help="seconds until one that runs is killed"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    found = {}
    with sites() as make:
        for way in (Way, Afterwards):
            with make("zeo") as site:
                found[way.title] = way(site, options).run()
            say(f"{way.title}: {found[way.title]}")
    names = next(iter(found.values()))
    rows = [["", *found], *([name, *(side[name] for side in found.values())] for name in names)]
    print(f"\n{table(rows)}\n")


if __name__ == "__main__":
    main()
