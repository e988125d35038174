"""Work of the add-on that goes on after the answer, and the page that asks for it."""

from acme.views import answer
from collective.wsgifutures import current_job
from collective.wsgifutures import task
from plone.protect.interfaces import IDisableCSRFProtection
from Products.Five import BrowserView
from zope.interface import alsoProvides


@task(title="Make a report", queue="reports")
def make_report(context, seconds):
    current_job().progress(0.4, "40 of 100 pages")
    answer(seconds, "hello")


@task(title="Import orders", queue="imports", attempts=1)
def import_orders(context, seconds):
    raise LookupError("The order 4711 has no customer.")


@task(name="acme.newsletter", title="Send the newsletter", queue="mail", timed=True)
def send_newsletter(context, seconds=0):
    pass


scan = task(name="acme.scan", title="Read a scan", queue="scans", elsewhere=True)
film = task(name="acme.film", title="Make a preview of a film", queue="film", elsewhere=True)

TASKS = {
    "report": make_report,
    "import": import_orders,
    "newsletter": send_newsletter,
    "scan": scan,
}


class Submit(BrowserView):
    """Submits ``number`` jobs of a task."""

    def __call__(self):
        form = self.request.form
        alsoProvides(self.request, IDisableCSRFProtection)
        task = TASKS[form["task"]].using(delay=float(form.get("delay", 0)))
        jobs = [
            task.submit(self.context, float(form.get("seconds", 0)))
            for _ in range(int(form.get("number", 1)))
        ]
        return " ".join(job.id for job in jobs)
