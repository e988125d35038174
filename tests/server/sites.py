"""A site in one of the storages, with a server on it that a test stops, starts and kills."""

from contextlib import contextmanager
from pathlib import Path
from processes import Server
from processes import START_SECONDS
from processes import wait_until
from storages import STORAGES

import os
import signal
import time


class Site:
    """A site in a storage, and the server on it, which can be stopped and started again."""

    flags = ()

    def __init__(self, storage, folder, start):
        self.storage = storage
        self.folder = folder
        self.workers = storage.workers
        self.published = folder / "published"
        self._start = start
        self.start()

    def start(self):
        flags = ("-w", str(self.workers), *self.flags)
        self.server = Server(*self._start(*flags, env=self.environment(), folder=self.folder))
        self.pids = self.once_on_each_worker(self._pids)

    def environment(self):
        """Return what the server has in its environment beside what every server has."""
        return {"HOLDTESTS_PUBLISHED": str(self.published)}

    def stop(self):
        self.server.process.stop()

    def children(self):
        """Return the process ids of the workers, also of those that only begin to load."""
        pid = self.server.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self):
        """Kill the whole server at once."""
        workers = self.children()
        self.server.process.signal(signal.SIGKILL)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self.server.process.wait()

    def once_on_each_worker(self, ask):
        """Call *ask*, which returns what workers answered, until each has; return them."""
        until = time.monotonic() + START_SECONDS
        workers = set()
        while len(workers) < self.workers:
            assert time.monotonic() < until, f"only {workers} answered"
            workers.update(ask())
        return workers

    def wait_for_workers(self):
        """Wait until as many workers serve as there should be."""
        wait_until(self.server.serves, START_SECONDS)
        self.once_on_each_worker(self._pids)

    def _pids(self):
        return self.server.together([lambda s: s.state()["pid"]] * 10)


@contextmanager
def open_site(kind, page, folder, start, **options):
    """Put the site of the instance in *folder* into the storage of *page*, and serve it."""
    storage = STORAGES[page]()
    site = None
    try:
        storage.put(folder)
        site = kind(storage, folder, start, **options)
        yield site
    finally:
        if site is not None:
            site.stop()
        storage.stop()
