"""What a runner needs around it: a site, and an application that publishes jobs as Zope does."""

from .made import Client
from .made import NOW
from collections import Counter
from collective.wsgifutures.jobs.publishing import JOB
from collective.wsgifutures.jobs.runner import Runner
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from persistent import Persistent
from transaction import TransactionManager

#: How often the work of each task was tried, by what it was given.
tried = Counter()


class Site(Persistent):
    """The site at /site."""

    error = None  #: what looking for it raises

    def unrestrictedTraverse(self, path, default=None):
        """The root of Zope gives the site, and nothing else."""
        if self.error is not None:
            raise self.error
        return self if path == "site" else default


class Publisher:
    """Publishes jobs in transactions of their own, without users and without traversal."""

    def __init__(self, database):
        self.database = database

    def __call__(self, environ, start_response):
        """One pass: the work, "done", the commit."""
        run, manager = environ[JOB], TransactionManager()
        connection = self.database.open(manager)
        run.begin()
        run.transaction = manager.begin()
        run.status = 200
        try:
            run.done(connection, run.function(connection.root(), None))
            manager.commit()
        except Exception as error:
            run.fail(error)
            manager.abort()
        finally:
            connection.close()
        start_response("200 OK", [])
        return [b""]


class ByHand(Runner):
    """A runner whose looks and attempts begin when a test says so."""

    def __init__(self, database, slots=8, **options):
        worker = Worker(Publisher(database), Settings(slots=slots))
        super().__init__(worker, database, **options)
        self._place = (f"machine of {self.id}", 1)
        self.begun = []  # what was claimed and does not run yet

    def _begin(self, run):
        self.begun.append(run)

    def look(self, now=NOW):
        """Look once; return how many jobs it claimed."""
        before = len(self.begun)
        self._look(now)
        return len(self.begun) - before

    def end_one(self):
        """Run the first attempt that was claimed, to its end."""
        self.begun.pop(0)()

    def end_all(self):
        """Run all of them."""
        while self.begun:
            self.end_one()


def make_site(client: Client):
    """Make the site, and what the tasks write into."""
    client.connection.root()["Application"] = Site()
    client.connection.root()["written"] = ()
    client.commit()
