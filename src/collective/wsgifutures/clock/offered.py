"""Which tasks people may choose for timed work: those whose code says ``@task(timed=True)``."""

from ..jobs.errors import TaskUnknown
from ..jobs.tasks import find_task
from ..jobs.tasks import Task
from ..jobs.tasks import tasks
from ..jobs.tasks import what_is_wrong
from .entries import Entry
from .errors import NotOffered
from typing import Any


def offered_tasks() -> list[Task[Any]]:
    """Return the tasks that are offered, by their titles."""
    found = (task for task in tasks.values() if task.timed)
    return sorted(found, key=lambda task: str(task.title or task.name).lower())


def find_offered(name: str) -> Task[Any]:
    """Return the task of that name.

    Raises:
        NotOffered: People may not choose it, or there is none.
    """
    try:
        found = find_task(name)
    except TaskUnknown:
        raise NotOffered(name) from None
    if not found.timed:
        raise NotOffered(name)
    return found


def why_not(entry: Entry) -> str:
    """Return why the task of *entry* cannot be done, as far as can be seen; empty: it can."""
    wrong = what_is_wrong(entry.task, (), entry.arguments)
    if wrong or entry.is_declared:
        return wrong
    try:
        find_offered(entry.task)
    except NotOffered as refused:
        return str(refused)
    return ""
