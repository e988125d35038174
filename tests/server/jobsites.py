"""Sites whose jobs are counted: what was asked for is done, once, whatever is killed."""

from contextlib import suppress
from processes import START_SECONDS
from processes import wait_until
from sites import Site

import itertools
import os
import random
import requests
import threading
import time

#: The states of a job that is not over.
UNSETTLED = ("waiting", "running")


class Books:
    """What was asked for and what was done, as the database has it."""

    def __init__(self, told):
        self.asked = told["asked"]  # ids of jobs by name, written in the submitting transaction
        self.done = told["done"]  # ids of jobs by name, written in the job's transaction
        self.jobs = told["jobs"]
        self.by = told["by"]  # the process that did it

    @property
    def lost(self):
        return {name for name, id in self.asked.items() if self._state(id) != "done"}

    @property
    def unsettled(self):
        return {id for id, (state, *_) in self.jobs.items() if state in UNSETTLED}

    @property
    def twice(self):
        return {name for name, id in self.asked.items() if self.done.get(name) != [id]}

    @property
    def phantoms(self):
        return self.done.keys() - self.asked.keys(), self.jobs.keys() - set(self.asked.values())

    def _state(self, id):
        return self.jobs[id][0] if id in self.jobs else "gone"

    def check(self):
        """None lost, none twice, none phantom."""
        assert not self.lost, {name: self.tell(name) for name in self.lost}
        assert not self.twice, {name: self.tell(name) for name in self.twice}
        assert self.phantoms == (set(), set()), self.phantoms

    def tell(self, name):
        """Return what the books have of a job, for a message."""
        id = self.asked[name]
        return id, self.jobs.get(id), self.done.get(name), self.by.get(name)

    def check_that_no_attempt_was_lost(self, but_for=()):
        """No job failed, and none is said to have killed its process."""
        new = {id: job for id, job in self.jobs.items() if id not in but_for}
        lost = {id: job for id, job in new.items() if job[1:3] != [0, 0]}
        assert not lost, lost


class JobSite(Site):
    """A site whose jobs are counted, and whose processes can be ended at named points."""

    flags = ("--timeout", "120")  # one that is stopped for a while is not to be killed

    def __init__(self, storage, folder, start, *, workers=None):
        self.kills = folder / "kills"
        self.kills.mkdir()
        self.conflicts = folder / "conflicts"
        storage.workers = workers or storage.workers
        super().__init__(storage, folder, start)
        self.server.post("@@jobs-prepare").raise_for_status()

    def environment(self):
        return {
            **super().environment(),
            "HOLDTESTS_KILLS": str(self.kills),
            "HOLDTESTS_CONFLICTS_LOG": str(self.conflicts),
        }

    def submit(self, *names, **form):
        """Submit jobs; return their ids, None if there was no answer."""
        with suppress(requests.RequestException):
            data = {"names": " ".join(names), **form}
            answer = self.server.post("@@jobs-submit", data=data, timeout=10)
            if answer.ok:
                return answer.json()
        return None

    def books(self):
        return Books(self.server.get("@@jobs-audit").json())

    def settled_books(self, seconds=60):
        """Wait until no job waits or runs."""
        wait_until(self.server.serves, START_SECONDS)
        until = time.monotonic() + seconds
        while (books := self.books()).unsettled and time.monotonic() < until:
            time.sleep(0.3)
        return books

    def tell(self, id):
        """Return what the database has of a job, as soon as there is an answer."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.server.get("@@jobs-tell-one", id=id).json()
            except requests.RequestException:
                assert time.monotonic() < until
                time.sleep(0.1)

    def end_at(self, point):
        """Let the next process end that comes to *point*; return what tells whether it did."""
        file = self.kills / point
        file.touch()
        return lambda: not file.exists()


class Clients:
    """Visitors who submit jobs all the time, whatever becomes of the server: a context.

    One whose request got no answer does not know whether there is a job.
    """

    def __init__(self, site, count=4, seconds=0.0):
        self._site = site
        self._args = f"[{seconds}]"
        self._stop = threading.Event()
        self._prefix = os.urandom(3).hex()
        self._threads = [threading.Thread(target=self._submit, args=(n,)) for n in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _submit(self, client):
        for n in itertools.count():
            if self._stop.wait(random.uniform(0, 0.1)):
                return
            names = (f"{self._prefix}-{client}-{n}-{k}" for k in range(random.randint(1, 6)))
            self._site.submit(*names, args=self._args)
