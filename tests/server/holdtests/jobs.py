"""Views that submit jobs, and tasks that write down what they did, in one transaction with it."""

from .kills import end_here
from .kills import Phases
from .views import slow
from .views import View
from AccessControl import getSecurityManager
from BTrees.OOBTree import OOBTree
from collections import Counter
from collective.wsgifutures import current_job
from collective.wsgifutures import task
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from plone.protect.interfaces import IDisableCSRFProtection
from zope.interface import alsoProvides

import json
import os
import time
import transaction


def shelf(context, name):
    """Return what the tests keep in the root, as a BTree for each first letters of a key."""
    root = context._p_jar.root()
    if name not in root:
        root[name] = OOBTree()
    return root[name]


@task(attempts=3, backoff=0.2)
def write_down(context, name, seconds=0.0):
    """Count in the database how often the job was done."""
    if seconds:
        slow(seconds, name)
    done = shelf(context, "holdtests_done")
    done[name] = (*done.get(name, ()), (current_job().id, os.getpid()))
    transaction.get().join(Phases("done"))
    end_here("work")


@task(queue="another", attempts=3, backoff=0.2)
def write_down_in_another(context, name):
    """Count as well, in a queue of its own."""
    write_down(context, name)


@task(attempts=3, backoff=0.2)
def sleep_in_place(context, name, seconds):
    """Keep the slot, as careless code does."""
    time.sleep(seconds)
    write_down(context, name)


@task(attempts=3)
def end_the_process(context):
    """Crash, as C code does."""
    os._exit(70)


@task(attempts=3, backoff=0.2)
def tell_user(context, name):
    """Return who does it, and whether they may do what a manager may."""
    user = getSecurityManager().getUser()
    return json.dumps([user.getId(), bool(user.has_permission("Manage users", context))])


@task
def do_nothing(context):
    """Write nothing but the end of the job."""


TASKS = {
    "write_down": write_down,
    "write_down_in_another": write_down_in_another,
    "sleep_in_place": sleep_in_place,
    "tell_user": tell_user,
}


class Prepare(View):
    """Make what the tests count in."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        shelf(self.context, "holdtests_done")
        shelf(self.context, "holdtests_asked")
        return "{}"


class Submit(View):
    """Submits jobs, and writes their names down in the same transaction."""

    def __call__(self):
        form = self.request.form
        alsoProvides(self.request, IDisableCSRFProtection)
        chosen = TASKS[form.get("task", "write_down")].using(delay=float(form.get("delay", 0)))
        args = json.loads(form.get("args", "[]"))
        ids = []
        for name in form["names"].split():
            ids.append(chosen.submit(self.context, name, *args).id)
            shelf(self.context, "holdtests_asked")[name] = ids[-1]
        transaction.get().join(Phases("submit"))
        if "then" in form:  # an error after the submission: nothing is committed
            raise RuntimeError(form["then"])
        return json.dumps(ids)


class SubmitOnly(View):
    """Submits a job, and writes nothing else."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return json.dumps({"id": do_nothing.submit(self.context).id, "pid": os.getpid()})


class ChangeUser(View):
    """Changes a user of Zope's root."""

    def __call__(self):
        form = self.request.form
        alsoProvides(self.request, IDisableCSRFProtection)
        folder = self.context.getPhysicalRoot().acl_users
        getattr(self, form["how"].replace("-", "_"))(folder, form["name"], form["password"])
        return "{}"

    def added(self, folder, name, password):
        folder.users.addUser(name, name, password)
        folder.roles.assignRoleToPrincipal("Manager", name)

    def demoted(self, folder, name, password):
        folder.roles.removeRoleFromPrincipal("Manager", name)

    def renamed(self, folder, name, password):
        folder.users.updateUser(name, f"{name}-now")

    def deleted(self, folder, name, password):
        folder.users.removeUser(name)

    def replaced(self, folder, name, password):
        folder.users.removeUser(name)
        folder.users.addUser(f"{name}-other", name, password)

    def left_alone(self, folder, name, password):
        """Change nothing."""


class Crash(View):
    """Submits the job that ends its process."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return json.dumps([end_the_process.submit(self.context).id])


class Tell(View):
    """Tells the states of all jobs, and what was done."""

    def __call__(self):
        store = find_store(self.context._p_jar)
        jobs = [entry.job for entry in jobs_of(store)]
        done = dict(shelf(self.context, "holdtests_done"))
        return json.dumps(
            {
                "states": Counter(job.state.value for job in jobs),
                "asked": sorted(shelf(self.context, "holdtests_asked")),
                "done": {name: len(times) for name, times in done.items()},
                "pid": os.getpid(),
            }
        )


class Audit(View):
    """Tells what was asked for, what was done, and of each job."""

    def __call__(self):
        jobs = [entry.job for entry in jobs_of(find_store(self.context._p_jar))]
        done = dict(shelf(self.context, "holdtests_done"))
        return json.dumps(
            {
                "asked": dict(shelf(self.context, "holdtests_asked")),
                "done": {name: [id for id, _ in times] for name, times in done.items()},
                "by": {name: times[-1][1] for name, times in done.items()},
                "jobs": {
                    job.id: [job.state.value, job.attempt, job.deaths, job.error] for job in jobs
                },
            }
        )


class TellOne(View):
    """Tells of one job, and which process ran it last."""

    def __call__(self):
        store = find_store(self.context._p_jar)
        job = find_job(store, self.request.form["id"])
        runner = store.runners.get(job.runner)
        return json.dumps(
            {
                "state": job.state.value,
                "attempt": job.attempt,
                "deaths": job.deaths,
                "error": job.error,
                "since": job.since,
                "submitted": job.wanted.submitted,
                "result": job.result,
                "pid": runner and runner.place[1],
            }
        )
