"""Views that the benchmarks of jobs ask for, and the tasks that they submit.

What a task notes is in an object of its own, so no job conflicts with another one by what it does.
"""

from .views import View
from BTrees.IOBTree import IOBTree
from collections import Counter
from collective.wsgifutures import future
from collective.wsgifutures import task
from collective.wsgifutures.jobs.joint import runners
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.store import jobs_of
from collective.wsgifutures.jobs.store import make_store
from persistent import Persistent
from plone import api
from plone.app.textfield.value import RichTextValue
from plone.protect.interfaces import IDisableCSRFProtection
from transaction.interfaces import TransientError
from zope.interface import alsoProvides

import functools
import itertools
import json
import os
import time
import transaction

ROOT = "holdtests_notes"

#: When the transactions were committed that submitted jobs in this process, by the job's number.
committed = {}

_numbers = itertools.count()


class Note(Persistent):
    """What is known of one job."""

    asked = False
    done = ()  #: when it was done, each time


def notes(context):
    """Return the notes, by the numbers of the jobs."""
    return context._p_jar.root()[ROOT]


@task(attempts=100, backoff=0.5)
def note(context, number, seconds=0.0):
    """Note when the job was done, after so many seconds of work."""
    work_on(notes(context), number, seconds)


def work_on(kept, number, seconds):
    """Work for so many seconds, and note that."""
    began = time.time()
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    kept[number].done = (*kept[number].done, began)


@task
def nothing(context, number):
    """Change nothing."""


@future(timeout=86_400)
def sleep_long():
    """Wait beside everything else."""
    time.sleep(86_000)


@task(timeout=86_400)
def hold(context, number):
    """Run for a day, without a slot."""
    sleep_long()


#: Done by whoever claims it, without Plone.
scan = task(name="holdtests.scan", queue="scans", elsewhere=True, attempts=100)


@task(name="holdtests.store", attempts=100, backoff=0.5)
def store(context, number):
    """Note when the result of a job was stored that was done elsewhere."""
    work_on(notes(context), number, 0.0)


scan_and_store = task(
    name="holdtests.scan_and_store", queue="scans", elsewhere=True, then=store, attempts=100
)

TASKS = {"note": note, "nothing": nothing, "hold": hold, "scan": scan}


class Change(View):
    """A view that changes something, for whoever asks."""

    def __call__(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return json.dumps(self.change(**self.request.form))


class Prepare(Change):
    """Makes so many notes."""

    def change(self, count):
        made = self.context._p_jar.root()[ROOT] = IOBTree()
        for number in range(int(count)):
            made[number] = Note()


class Create(Change):
    """Creates a page, as an add form does, and submits a job that waits, or does not."""

    def change(self, submit):
        title = f"Page {next(_numbers)}"
        text = RichTextValue("<p>Words</p>", "text/html", "text/x-html-safe")
        page = api.content.create(self.context, "Document", title=title, text=text)
        if submit == "on":
            nothing.using(delay=86400).submit(page, 0)


class Submit(Change):
    """Submits so many jobs in one transaction."""

    def change(self, first=0, count=1, task="note", args="[]", **options):
        numbers = range(int(first), int(first) + int(count))
        options = {name: json.loads(value) for name, value in options.items()}
        chosen = TASKS[task].using(**options)
        for number in numbers:
            chosen.submit(self.context, number, *json.loads(args))
        transaction.get().addAfterCommitHook(_note_commit, (numbers,))


def _note_commit(success, numbers):
    if success:
        committed.update(dict.fromkeys(numbers, time.time()))


class Ask(Change):
    """Submits one job, and notes that in the same transaction."""

    def change(self, number, seconds):
        notes(self.context)[int(number)].asked = True
        note.submit(self.context, int(number), float(seconds))


class AskElsewhere(Change):
    """Submits so many jobs for workers elsewhere, once however often it is asked."""

    def change(self, first, count):
        kept = notes(self.context)
        for number in range(int(first), int(first) + int(count)):
            if not kept[number].asked:
                kept[number].asked = True
                scan_and_store.submit(self.context, number)


class AskAfterwards(Change):
    """Notes the same, and tells huey after the commit."""

    def change(self, number, seconds):
        notes(self.context)[int(number)].asked = True
        arguments = (int(number), float(seconds))
        transaction.get().addAfterCommitHook(_tell_huey, arguments)


def _tell_huey(success, number, seconds):
    from holdtests.load_huey import note as by_huey

    if success:
        by_huey(number, seconds)


class Tell(View):
    """Tells what was noted of so many jobs, and when their submissions were committed."""

    def __call__(self):
        first, count = (int(self.request.form[name]) for name in ("first", "count"))
        found = notes(self.context).values(first, first + count - 1)
        return json.dumps(
            {
                "asked": [one.asked for one in found],
                "done": [one.done for one in found],
                "committed": [committed.get(first + number) for number in range(count)],
            }
        )


class Runner(View):
    """Tells what this process's runner knows, and the last transaction of the database."""

    def __call__(self):
        runner, database = runners[0], self.context._p_jar.db()
        return json.dumps(
            {
                "waiting": len(runner.index),
                "running": len(runner.running),
                "counts": runner.figures.totals,
                "pid": os.getpid(),
                "last": database.lastTransaction().hex(),
                "size": database.getSize(),
            }
        )


class Count(View):
    """Counts all jobs by their states."""

    def __call__(self):
        entries = jobs_of(find_store(self.context._p_jar))
        return json.dumps(Counter(entry.job.state.value for entry in entries))


class Pause(Change):
    """Stops a queue, or lets it go on."""

    def change(self, queue, on):
        store = make_store(self.context._p_jar)
        if on == "on":
            store.paused[queue] = time.time()
        else:
            store.paused.pop(queue, None)


class Pack(View):
    """Packs the database."""

    def __call__(self):
        self.context._p_jar.db().pack(time.time())
        return "{}"


def count_conflicts(folder):
    """Let each transaction that this process cannot commit add a letter to a file in *folder*."""
    commit = transaction.Transaction.commit

    @functools.wraps(commit)
    def counted(txn):
        try:
            return commit(txn)
        except TransientError:
            with open(os.path.join(folder, f"conflicts-{os.getpid()}"), "a") as file:
                file.write("c")
            raise

    transaction.Transaction.commit = counted


if "HOLDTESTS_CONFLICTS" in os.environ:
    count_conflicts(os.environ["HOLDTESTS_CONFLICTS"])
