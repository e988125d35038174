"""Timed work for tests: entries, hosts with clocks of their own, and jobs without a site."""

from collective.wsgifutures.clock.entries import Entry
from collective.wsgifutures.clock.records import find
from collective.wsgifutures.clock.ticks import Ticker
from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.records import Lane
from collective.wsgifutures.jobs.records import Wanted
from collective.wsgifutures.jobs.store import add_job
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import make_store
from datetime import datetime
from transaction import TransactionManager
from zoneinfo import ZoneInfo

import threading
import time
import uuid

SITE = "/plone"

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def at(text, zone="UTC"):
    """Return a time, in seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def told(slots, zone="UTC"):
    """Return what the clocks on the walls of a zone show at these slots, and its offset."""
    local = ZoneInfo(zone)
    return [datetime.fromtimestamp(slot, local).strftime("%d %H:%M %z") for slot in slots]


def entry(**changes):
    """Return an entry that is due each hour, but for these changes."""
    return Entry(**{"name": "report", "cron": "0 * * * *", "task": "tests.report"} | changes)


def in_thread(function):
    """Call a function in a thread, which has transactions of its own."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


class Host:
    """A process that looks at an entry; *off* is by how much its clock is ahead, in seconds."""

    def __init__(self, database, off=0.0):
        self.off = off
        self.before = []  #: called in the next transactions, before their jobs
        self.fail = None  #: raised in place of a job
        self.submits = 0
        self.ticker = Ticker(database, self._submit)
        self._database = database
        self._lane = uuid.uuid4().hex[:8]
        self._read(lambda c: make_store(c).lanes.update({self._lane: Lane(self._lane, 0.0)}))

    def look(self, now, of=None):
        """Look when it is *now*; return how many jobs came of it."""
        return len(self.tick(now, of).jobs)

    def tick(self, now, of=None):
        return self.ticker.tick(SITE, of or entry(), now + self.off)

    def look_each(self, seconds, start, end, of=None):
        """Look again and again; return the slots that got a job."""
        now = start
        while now <= end:
            self.look(now, of)
            now += seconds
        return self.kept(of).ran

    def _submit(self, connection, site, entry, slot):
        self.submits += 1
        if self.before:
            in_thread(self.before.pop())
        if self.fail is not None:
            raise self.fail
        now = time.time()
        job = add_job(make_store(connection).lanes[self._lane], wanted(entry.task, now), now)
        connection.add(job)
        return job

    def kept(self, of=None):
        """Return what is kept of the entry now."""
        return self._read(lambda connection: find(connection, SITE, (of or entry()).name))

    def jobs(self):
        """Return how many jobs there are."""
        return self._read(lambda connection: len(list(jobs_of(make_store(connection)))))

    def end_job(self, state="finish", of=None):
        """Let the last job of the entry begin, or come to its end."""
        id = self.kept(of).job

        def move(connection):
            job = find_job(make_store(connection), id)
            claim = job.claim("r1", 0.0)
            if state == "finish":
                job.finish(claim, b"", 0.0)
            elif state == "bury":
                job.bury(0.0, "LookupError: no")

        self._read(move)

    def change(self, name="report", **values):
        """Set something of what is kept."""
        self._read(lambda c: [setattr(find(c, SITE, name), *one) for one in values.items()])

    def _read(self, function):
        manager = TransactionManager()
        connection = self._database.open(manager)
        found = function(connection)
        if hasattr(found, "_p_activate"):
            found._p_activate()
        manager.commit()
        connection.close()
        return found


def wanted(task, now):
    return Wanted(
        task=task,
        title="",
        arguments=b"",
        context="",
        origin=Origin(site=SITE),
        queue="default",
        priority=0,
        attempts=1,
        timeout=60.0,
        submitted=now,
        deadline=now + 1000,
    )
