"""What the programs about jobs share: sites in each storage, and what is asked of them.

A site is a copy of a template, behind a gunicorn with one worker, with any number of processes
that run its jobs. The jobs and the views that submit them are in ``holdtests/load_jobs.py``.
"""

from contextlib import contextmanager
from pathlib import Path
from serving import a_site
from serving import BIN
from serving import HOLD
from serving import ROOT
from serving import table

import argparse
import base64
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request

TESTS = ROOT / "tests" / "server"
sys.path.append(str(TESTS))

from processes import copy_instance  # noqa: E402
from processes import free_port  # noqa: E402
from processes import Process  # noqa: E402
from storages import STORAGES  # noqa: E402

ADMIN = "Basic " + base64.b64encode(b"admin:admin").decode()

#: Seconds between two looks at whether jobs are done.
LOOK_EVERY = 0.2

#: Seconds until a server must answer: the machine may be busy.
START_SECONDS = 180

#: How many jobs are submitted in one transaction.
AT_ONCE = 250


def cores():
    """Return the cores of this machine: the first is the worker's, the next the load's."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        sys.exit("This takes two cores: one for the worker, one for the load.")
    return found


def ask(site, view, timeout=600, **form):
    """Post *form* to a view of ``holdtests.load_jobs`` as the admin; return what it answers."""
    body = urllib.parse.urlencode({name: str(value) for name, value in form.items()}).encode()
    url = f"{site}@@load-jobs-{view}"
    request = urllib.request.Request(url, data=body, headers={"Authorization": ADMIN})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read())


def cpu(pid):
    """Return the CPU that the process has used, in seconds, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(pid):
    """Return the resident memory of the process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def share(values, percent):
    """Return the value below which *percent* of *values* are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Site:
    """A site in one storage, and the processes that serve it.

    Args:
        template: The folder of the instance that is copied.
        storage: The name of a storage's page.
        cores: The cores that its processes may use; None for all.
    """

    def __init__(self, template, storage="filestorage", cores=None):
        self.folder = copy_instance(template, Path(tempfile.mkdtemp()) / "instance")
        self._storage = STORAGES[storage]()
        self._cores = cores
        self._environment = {
            "HOLDTESTS_CONFLICTS": str(self.folder),
            "HOLDTESTS_HUEY": str(self.folder / "huey.db"),
            "HOLDTESTS_SERVICE": "http://127.0.0.1:9",  # no job calls it
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        }
        self._processes = []
        self._storage.put(self.folder)

    def serve(self, workers=1, **settings):
        """Start the server, with so many web workers; return its process."""
        port = free_port()
        self.url = f"http://localhost:{port}/Plone/"
        command = [BIN / "gunicorn", "-k", "gevent", *HOLD, "-b", f"127.0.0.1:{port}"]
        command += ["-w", workers, "--timeout", "600", "--paste", self.folder / "etc" / "zope.ini"]
        self.server = self.run(command, "server.log", **settings)
        until = time.monotonic() + START_SECONDS
        while not self._serves():
            if time.monotonic() > until:
                sys.exit(self.server.output[-3000:])
            time.sleep(0.1)
        return self.server

    @property
    def worker(self):
        """The process id of the server's worker."""
        return children(self.server)[-1]

    def cpu(self):
        """Return the CPU that the worker has used, in seconds."""
        return cpu(self.worker)

    def work(self, slots, number=0, **settings):
        """Start a process that runs jobs, in so many *slots*; return it."""
        command = [BIN / "wsgifutures", "work", "--paste", self.folder / "etc" / "zope.ini"]
        command += ["--slots", slots]
        return self.run(command, f"work-{number}.log", **settings)

    def run(self, command, log, **settings):
        """Start a program beside the site, with settings of the process; return its process."""
        names = {f"WSGIFUTURES_{name.upper()}": str(value) for name, value in settings.items()}
        options = {"env": {**self._environment, **names}, "cwd": self.folder, "cores": self._cores}
        self._processes.append(Process(command, self.folder / log, **options))
        return self._processes[-1]

    def conflicts(self):
        """Return how many transactions could not be committed up to now."""
        return sum(file.stat().st_size for file in self.folder.glob("conflicts-*"))

    def stop(self):
        """End all processes, and drop the site."""
        for process in reversed(self._processes):
            process.stop(signal.SIGINT)
        self._storage.stop()
        shutil.rmtree(self.folder.parent)

    def _serves(self):
        try:
            return urllib.request.urlopen(self.url + "@@fast", timeout=60).status == 200
        except OSError:
            return False


@contextmanager
def sites(cores=None):
    """Make a template; give a context manager that makes a site in the storage that is named."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the contexts end what they started
    with a_site("collective.wsgifutures:default") as template:

        @contextmanager
        def make(storage="filestorage"):
            site = Site(template, storage, cores)
            try:
                yield site
            finally:
                site.stop()

        yield make


def parser_of(text, parts):
    """Return the parser of a program that measures *parts*, of whose docstring *text* is."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts))
    return parser


def print_parts(parts, make, options):
    """Print the table of each part that was asked for, as soon as it is measured."""
    for name in options.only:
        print(f"\n{table(list(parts[name](make, options)))}\n", flush=True)


def children(process):
    """Return the process ids of the workers of a server."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in pids.split()]


class Jobs:
    """Runs jobs in a site, each with a number of its own.

    Args:
        site: The address of the site.
        most: How many jobs there may be.
    """

    def __init__(self, site, most=10_000):
        self.site = site
        self._next = 0
        ask(site, "prepare", count=most)

    def take(self, count):
        """Return the first of *count* numbers that no job has had."""
        first, self._next = self._next, self._next + count
        return first

    def submit(self, count, **options):
        """Submit jobs, some hundreds in each transaction; return the first one's number."""
        first = self.take(count)
        for begin in range(first, first + count, AT_ONCE):
            some = min(AT_ONCE, first + count - begin)
            ask(self.site, "submit", first=begin, count=some, **options)
        return first

    def wait(self, first, count, seconds=600.0):
        """Wait until the jobs from *first* on are done; return what is known of them.

        Raises:
            TimeoutError: Some were not done in time.
        """
        until = time.monotonic() + seconds
        while not all((told := ask(self.site, "tell", first=first, count=count))["done"]):
            if time.monotonic() > until:
                raise TimeoutError(f"{sum(map(bool, told['done']))} of {count} jobs are done")
            time.sleep(LOOK_EVERY)
        return told

    def rate(self, count, **options):
        """Let *count* jobs begin together; return how many are done in a second."""
        at = time.time() + 1.0 + count / 500
        first = self.submit(count, at=at, **options)
        times = sorted(done[0] for done in self.wait(first, count)["done"])
        return (count - 1) / (times[-1] - times[0])

    def starts(self, count):
        """Submit jobs one after the other; return after how many seconds each has started."""
        self.rate(20)
        first, committed = self._submit_slowly(count, lambda number: self.wait(number, 1))
        done = ask(self.site, "tell", first=first, count=count)["done"]
        return [each[0] - when for each, when in zip(done, committed, strict=True)]

    def claims(self, count, found, **options):
        """Submit jobs one after the other; return after how many seconds each was claimed.

        Args:
            found: When each job was claimed, by its number; filled by whoever claims.
        """

        def wait(number):
            while number not in found:
                time.sleep(0.005)

        first, committed = self._submit_slowly(count, wait, **options)
        return [found[first + n] - when for n, when in enumerate(committed)]

    def _submit_slowly(self, count, wait, **options):
        """Submit jobs, each when *wait* has returned; return the first number, and the times."""
        first = self.take(count)
        for number in range(first, first + count):
            time.sleep(random.random())  # at any time between two looks of a runner
            ask(self.site, "submit", first=number, **options)
            wait(number)
        return first, ask(self.site, "tell", first=first, count=count)["committed"]
