"""``wsgifutures jobs``: lists the jobs of a database, and does with them what a person decides.

On a FileStorage the server has to be stopped meanwhile; its live status does the same.
"""

from .command import add_command
from .loading import load_site
from collections.abc import Callable
from typing import Any

import argparse
import datetime
import sys
import time

_DESCRIPTION = """\
List the jobs of a database, and retry, cancel or discard some of them.
"""
_EPILOG = """\
examples: wsgifutures jobs --state dead
          wsgifutures jobs retry --state dead --task acme.addon.tasks.translate
          wsgifutures jobs cancel 0-17
          wsgifutures jobs clear      before the package is removed for ever
"""

_ACTIONS = ("list", "retry", "cancel", "discard", "clear")


def add_parser(commands: Any) -> None:
    """Add the command to those of ``wsgifutures``."""
    parser = add_command(
        commands,
        "jobs",
        run,
        help="list jobs, and retry, cancel or discard some",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="list")
    parser.add_argument("ids", nargs="*", metavar="ID", help="of the jobs (default: all that fit)")
    parser.add_argument("--state", help="waiting, running, done, dead or cancelled")
    parser.add_argument("--task", help="the name of the task")
    parser.add_argument("--queue", help="the name of the queue")


def run(options: argparse.Namespace) -> int:
    """List or change the jobs that fit; return the exit status.

    Raises:
        SiteRefused: It cannot start.
    """
    chosen = options.ids or options.state or options.task or options.queue
    if options.action in ("retry", "cancel", "discard") and not chosen:
        options.parser.error(f"{options.action} which jobs? Give ids, --state, --task or --queue.")
    load_site(options.paste, logs=False)
    return _ListOrChange(options).run()


class _ListOrChange:
    def __init__(self, options: argparse.Namespace) -> None:
        from .jobs import desk

        import Zope2

        self._options = options
        self._desk = desk
        self._database = Zope2.DB

    def run(self) -> int:
        options = self._options
        with self._desk.changing(self._database) as connection:
            if options.action == "clear":
                return self._clear(connection)
            found = [job for job in self._jobs(connection) if self._fits(job)]
            act = self._action(connection)
            for job in found:
                self._tell(job, act(job))
            missing = set(options.ids) - {job.id for job in found}
        for id in sorted(missing):
            print(f"{id}: there is no such job", file=sys.stderr)
        print(f"{len(found)} jobs")
        return 1 if missing else 0

    def _jobs(self, connection: Any) -> list[Any]:
        """Return the jobs that are named, or all, the oldest first."""
        from .jobs.store import find_job
        from .jobs.store import find_store
        from .jobs.store import jobs_of

        store, ids = find_store(connection), dict.fromkeys(self._options.ids)
        named = [job for id in ids if (job := find_job(store, id)) is not None]
        jobs = named if ids else [entry.job for entry in jobs_of(store)]
        return sorted(jobs, key=lambda job: job.wanted.submitted)

    def _fits(self, job: Any) -> bool:
        options = self._options
        return (
            options.state in (None, job.state.value)
            and options.task in (None, job.wanted.task)
            and options.queue in (None, job.wanted.queue)
        )

    def _action(self, connection: Any) -> Callable[[Any], str]:
        """Return a function that does the action with a job, and says what became of it."""
        from .jobs.errors import NotInThatState
        from .jobs.store import make_store

        desk, now, name = self._desk, time.time(), self._options.action
        actions: dict[str, Callable[[Any], object]] = {
            "list": lambda job: None,
            "retry": lambda job: desk.retry(make_store(connection), job, now),
            "cancel": lambda job: desk.cancel(job, now),
            "discard": lambda job: desk.discard(make_store(connection), job, now),
        }

        def act(job: Any) -> str:
            try:
                actions[name](job)
            except NotInThatState as late:
                return str(late)
            return ""

        return act

    def _tell(self, job: Any, said: str) -> None:
        wanted = job.wanted
        at = datetime.datetime.fromtimestamp(job.since).isoformat(" ", "seconds")
        user = wanted.origin.user_name
        line = f"{job.id:16} {job.state.value:9} {at}  {wanted.queue}  {wanted.task}  {user}"
        print("  ".join(part for part in (line, said or job.error) if part))

    def _clear(self, connection: Any) -> int:
        from .jobs.store import ROOT

        if connection.root().pop(ROOT, None) is None:
            print("There are no jobs.")
        else:
            print("All jobs are removed from the database. Pack it to get its space back.")
        return 0
