"""Views that publish messages, and a task that takes some."""

from .jobs import shelf
from .views import View
from collective.wsgifutures import current_job
from collective.wsgifutures import task
from collective.wsgifutures.amqp import publish
from collective.wsgifutures.amqp.duty import sign_of
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import find_store
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from zope.interface import alsoProvides

import json


@task(name="holdtests.taken")
def take(context, body, message):
    """Write down who took what."""
    taken = shelf(context, "holdtests_taken")
    told = (api.user.get_current().getId(), message["message_id"], current_job().id)
    taken[str(body)] = (*taken.get(str(body), ()), told)


class Prepare(View):
    """Make what the tests count in."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        shelf(self.context, "holdtests_taken")
        return "{}"


class Publish(View):
    """Publishes messages."""

    def __call__(self):
        form = self.request.form
        alsoProvides(self.request, IDisableCSRFProtection)
        names, key = form["names"].split(), form.get("key", "")
        jobs = [publish("", form["queue"], name, key=key, mandatory=False) for name in names]
        return json.dumps([job.id for job in jobs])


class Look(View):
    """Tells what was taken, the states of jobs, and the relay's last sign."""

    def __call__(self):
        store = find_store(self.context._p_jar)
        ids = self.request.form.get("ids", "").split()
        return json.dumps(
            {
                "taken": dict(shelf(self.context, "holdtests_taken")),
                "states": {id: find_job(store, id).state.value for id in ids},
                "sign": sign_of(self.context._p_jar),
            }
        )
