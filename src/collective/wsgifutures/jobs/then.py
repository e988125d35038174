"""Hands the result of a job that was done elsewhere to the task that gets it (``then=``).

The next job is recorded in the transaction that writes "done": as the user of the first one, about
the same object, under the same public address.
"""

from .records import Job
from .records import Store
from .staged import stage
from .submitting import submit_then
from .tasks import find_task
from .tasks import Task
from .work import find_context
from collections.abc import Mapping
from typing import Any


def next_task(job: Job) -> Task[Any] | None:
    """Return the task that gets the result of *job*, if there is one.

    Raises:
        TaskUnknown: It is not there any more.
    """
    return find_task(job.wanted.then) if job.wanted.then else None


def takes_files(job: Job) -> bool:
    """Tell whether a task of this Plone gets the result of *job*, and so its files, too."""
    task = next_task(job)
    return task is not None and not task.elsewhere


def hand_over(
    store: Store, job: Job, result: Any, files: Mapping[str, Any], now: float
) -> Job | None:
    """Record the job that gets *result* and *files*; return it, None if nobody gets them.

    Raises:
        TaskUnknown: The task is not there any more.
        ArgumentRefused, TypeError: It does not take the result.
    """
    task = next_task(job)
    if task is None:
        return None
    packed = task.take((result,), {})
    following = submit_then(task, job.wanted, packed, _lock(store, task, job, result, now), store)
    if files:
        following.files = stage(files)
    return following


def _lock(store: Store, task: Task[Any], job: Job, result: Any, now: float) -> str:
    if isinstance(task.lock, str):
        return task.lock
    connection = store._p_jar
    path = find_context(connection, job.wanted, now)
    context = connection.root()["Application"].unrestrictedTraverse(path.lstrip("/"))
    return task.lock_of(context, (result,), {})
