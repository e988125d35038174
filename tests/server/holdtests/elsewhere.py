"""Tasks that the distribution ``wsgifutures-worker`` does, and what became of them."""

from .jobs import shelf
from .views import View
from collective.wsgifutures import current_job
from collective.wsgifutures import task
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from zope.interface import alsoProvides

import json


@task(name="elsewhere.keep")
def keep(context, result):
    """Keep a result with its files, who kept it, and how often."""
    kept, files = shelf(context, "holdtests_elsewhere"), {}
    for name, file in current_job().files.items():
        with file.open() as opened:
            files[name] = [file.content_type, opened.read().decode()]
    told = {"result": result, "files": files, "user": api.user.get_current().getId()}
    told["times"] = kept.get(result["name"], {}).get("times", 0) + 1
    kept[result["name"]] = told


words = task(
    name="words",
    queue="words",
    elsewhere=True,
    then=keep,
    may=["GET"],
    attempts=2,
    backoff=0.2,
)


class Prepare(View):
    """Makes a page, and what the tests keep; once in a site."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        shelf(self.context, "holdtests_elsewhere")
        if "about" not in self.context:
            api.content.create(self.context, "Document", "about", title="Two words")
        return "ok"


class Submit(View):
    """Submits a job about the page ``about``."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        form = self.request.form
        context = self.context.unrestrictedTraverse(form["about"])
        return json.dumps(words.submit(context, *json.loads(form.get("args", "[]"))).id)


class Look(View):
    """Tells the states of the jobs, their progress, and what was kept."""

    def __call__(self):
        jobs = [entry.job for entry in jobs_of(find_store(self.context._p_jar))]
        return json.dumps(
            {
                "states": {job.id: job.state.value for job in jobs},
                "errors": {job.id: str(job.error or "") for job in jobs},
                "attempts": {job.id: job.attempt for job in jobs},
                "words": {job.id: job.side.words for job in jobs},
                "kept": dict(shelf(self.context, "holdtests_elsewhere")),
            }
        )
