"""A job that waits for the text of a stream: ``then=`` of the answer of a stream.

It is recorded in the pass that answers with the stream, as any other job. It is due when the
stream must have ended; if nobody has handed the text over by then, its process has died, and the
job is dead. The text comes in a transaction of its own.
"""

from ..kernel.streams import followers
from ..kernel.streams.followers import Follower
from . import desk
from .changes import Changes
from .options import Options
from .records import Store
from .store import find_job
from .store import main_connection
from .submitting import listeners
from .submitting import submit
from .tasks import Submitter
from .tasks import Task
from typing import Any
from zope.component.hooks import getSite

import dataclasses
import time

#: Seconds that handing over may take after the longest stream.
LATE = 60.0


class Waiting:
    """Waits for the text of one stream, for a job.

    Args:
        database: The database that has the job.
        id: The job's.
        task: Its ``Task``.
    """

    def __init__(self, database: Any, id: str, task: Any) -> None:
        self._changes = Changes(database)
        self._id = id
        self._task = task

    def hand_over(self, text: str) -> None:
        """Let the job begin, with *text*."""
        arguments = self._task.take((text,), {})

        def change(store: Store) -> bool:
            job = find_job(store, self._id)
            if job is None or job.ended or not job.awaits_stream:
                return False
            job.take_text(arguments, time.time())
            store.line_up(job)
            return True

        self._changes.commit(change, _tell)

    def give_up(self, reason: str, *, wanted: bool) -> None:
        """Let the job be dead if something went wrong, else cancelled."""

        def change(store: Store) -> bool:
            job = find_job(store, self._id)
            if job is None or job.ended or not job.awaits_stream:
                return False
            if wanted:
                desk.bury(store, job, time.time(), reason)
            else:
                job.cancel(time.time())
            return True

        self._changes.commit(change)


def await_stream(then: Any, context: Any, seconds: float) -> Follower:
    """Record a job that waits for a stream; return what takes the stream's text.

    Args:
        then: A ``Task``, or one with options, as ``using`` returns it.
        context: What the job is about.
        seconds: How long the stream may take.

    Raises:
        SubmitRefused, ArgumentRefused: As ``submit`` of the task.
        TypeError: *then* is no task, or one whose job would depend on the text.
    """
    task, options = _find_task(then)
    if not isinstance(task.lock, str) or options.key:
        raise TypeError(
            f"{task.name}: a job that waits for a stream has no key=, and no function as lock="
        )
    late = dataclasses.replace(options, delay=0.0, at=time.time() + seconds + LATE)
    job = submit(task, late, context, task.take(("",), {}), task.lock)
    job.awaits_stream = True
    return Waiting(main_connection(getSite()._p_jar).db(), job.id, task)


def _find_task(then: Any) -> tuple[Task[Any], Options]:
    if isinstance(then, Submitter):
        return then.task, then.options
    if isinstance(then, Task):
        return then, Options()
    raise TypeError(f"then={then!r} is not a task, as @task makes one of a function.")


def _tell() -> None:
    """Have this process's runner look for jobs."""
    for listener in listeners:
        listener()


def follow_streams() -> None:
    """Let tasks follow the streams of this process."""
    followers.makers[:] = [await_stream]
