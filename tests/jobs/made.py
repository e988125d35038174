"""Jobs and databases for tests: no site, no server, no clock."""

from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.jobs.records import Claim
from collective.wsgifutures.jobs.records import Job
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.records import Lane
from collective.wsgifutures.jobs.records import Wanted
from collective.wsgifutures.jobs.store import add_job
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import make_store
from transaction import TransactionManager

import pickle

#: What time it is, in seconds since the epoch.
NOW = 1_000_000.0


def wanted(**changes):
    """Return what was submitted, with these changes."""
    plain = {
        "task": "tests.write",
        "title": "",
        "arguments": pickle.dumps(((), {})),
        "context": "",
        "origin": Origin(site="/site"),
        "queue": "default",
        "priority": 0,
        "attempts": 3,
        "timeout": 60.0,
        "submitted": NOW,
        "deadline": NOW + 1000,
    }
    return Wanted(**{**plain, **changes})


def job_in(state, **changes):
    """Return a job without a database that came into *state* at NOW, and its claim."""
    job = Job("lane-1", wanted(**changes), NOW)
    if state is JobState.WAITING:
        return job, Claim(job.id, b"", 0)
    claim = job.claim("r1", NOW)
    if state is JobState.DONE:
        job.finish(claim, b"", NOW)
    elif state is JobState.DEAD:
        job.bury(NOW, "LookupError: no", "Traceback")
    elif state is JobState.CANCELLED:
        job.cancel(NOW)
    return job, claim


class Client:
    """What one process sees of a database: a connection with transactions of its own."""

    def __init__(self, database):
        self.manager = TransactionManager()
        self.connection = database.open(self.manager)

    @property
    def store(self):
        """The store of its transaction; a new one if there is none."""
        return find_store(self.connection) or make_store(self.connection)

    def lane(self, id="a", made=NOW):
        """Return the lane of that id, a new one if there is none."""
        return self.store.lanes.setdefault(id, Lane(id, made))

    def add(self, lane="a", due=NOW, **changes):
        """Add a job; its transaction goes on."""
        job = add_job(self.lane(lane), wanted(**changes), due)
        self.connection.add(job)
        return job

    def commit(self):
        """Commit, and see what the others have committed."""
        self.manager.commit()
        self.manager.begin()

    def look(self):
        """Drop what is not committed, and see what the others have committed."""
        self.manager.abort()
        self.manager.begin()

    def see(self, job):
        """Return this client's own view of the job of another one."""
        return self.connection.get(job._p_oid)

    def close(self):
        """Close the connection."""
        self.manager.abort()
        self.connection.close()
