"""Tasks that are done elsewhere, a worker that is approved for them, and what became of it."""

from .jobs import shelf
from .views import View
from collective.wsgifutures import task
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.keys.public import thumbprint
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.workers import registry
from collective.wsgifutures.workers import waiting
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from zope.interface import alsoProvides

import json
import os

QUEUES = ("far", "farther")


@task(name="holdtests.keep")
def keep(context, result):
    """Count how often a result was kept."""
    kept = shelf(context, "holdtests_kept")
    kept[result["name"]] = kept.get(result["name"], 0) + 1


far = task(name="far", queue="far", elsewhere=True, then=keep)


class Prepare(View):
    """Approve a new worker, and tell its token."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        shelf(self.context, "holdtests_kept")
        site, public = api.portal.get(), os.urandom(32)
        id = thumbprint(public)
        worker = registry.introduce(site, public, "a test", QUEUES)
        registry.approve(site, worker, QUEUES, "admin")
        claims = {"sub": id, "client_id": id, "scope": "claim"}
        return json.dumps({"id": id, "token": mint(site, ACCESS, claims, 3600)})


class Withdraw(View):
    """Withdraw a worker."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        site = api.portal.get()
        registry.withdraw(site, registry.find_worker(site, self.request.form["id"]), "admin")
        return "{}"


class Submit(View):
    """Submits jobs for workers elsewhere."""

    def __call__(self):
        form = self.request.form
        alsoProvides(self.request, IDisableCSRFProtection)
        chosen = far.using(queue=form.get("queue", "far"), priority=form.get("priority", "normal"))
        return json.dumps([chosen.submit(self.context, name).id for name in form["names"].split()])


class Look(View):
    """Tells who waits, what is open, and what was kept."""

    def __call__(self):
        database = self.context._p_jar.db()
        opened = [one for one in database.connectionDebugInfo() if one["opened"]]
        entries = list(jobs_of(find_store(self.context._p_jar)))
        return json.dumps(
            {
                "pid": os.getpid(),
                "waiting": 0 if waiting._waiters is None else len(waiting._waiters),
                "opened": len(opened),
                "kept": dict(shelf(self.context, "holdtests_kept")),
                "states": {entry.job.id: entry.job.state.value for entry in entries},
            }
        )
