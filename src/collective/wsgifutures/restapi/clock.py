"""``@clock``: the timed work of a site, for whoever manages jobs.

::

    GET    @clock                  all entries, by their names, and the tasks to choose from
    GET    @clock/<name>           one of them
    POST   @clock/<name>/pause     nothing of it is due until it is resumed
    POST   @clock/<name>/resume    what was due meanwhile is not made up for
    POST   @clock/<name>/run       one job now, or the last one if it is not over: 202
    POST   @clock                  adds some: {"name": "nightly", "cron": "0 3 * * *",
                                   "timezone": "Europe/Helsinki", "task": "acme.report"}: 201
    PATCH  @clock/<name>           changes what was added
    DELETE @clock/<name>           removes it: 204

What the server's ZCML declares can be paused, and neither changed nor removed. Arguments are not
told, as of jobs. To add and change, a client has to say that it sends JSON; no form does any of it.
"""

from ..browser.jobs.shown import site_url
from ..browser.times import iso
from ..clock import acts
from ..clock import changes
from ..clock.entries import Entry
from ..clock.errors import EntryDeclared
from ..clock.errors import EntryRefused
from ..clock.errors import EntryUnknown
from ..clock.offered import offered_tasks
from ..clock.records import Kept
from ..clock.words import describe
from ..kernel.errors import FuturesError
from .bodies import BodyRefused
from .services import PathService
from typing import Any

import math
import time


class ClockService(PathService):
    """What the services have in common: the entry that the address names."""

    own_name = "@clock"

    @property
    def url(self) -> str:
        """The address of all."""
        return f"{site_url()}/@clock"

    def find_entry(self) -> Entry:
        """Return the entry that the address names.

        Raises:
            NotFound: There is none.
        """
        try:
            return acts.find_entry(self.names[0])
        except EntryUnknown:
            raise self.not_found() from None

    def describe(self, entry: Entry) -> dict[str, Any]:
        """Return *entry* as JSON has it."""
        kept, job = acts.kept_of(entry) or Kept(entry.rule, 0.0), acts.last_job(entry)
        due = math.inf if kept.paused else entry.next_after(time.time())
        return {
            "@id": f"{self.url}/{entry.name}",
            "name": entry.name,
            "cron": entry.cron,
            "timezone": entry.timezone,
            "words": self.translate(describe(entry)),
            "task": entry.task,
            "title": self.translate(acts.title_of(entry)),
            "context": entry.context,
            "run_as": entry.run_as,
            "roles": list(entry.roles),
            "missed": entry.missed,
            "overlap": entry.overlap,
            "timeout": entry.timeout,
            "added_by": entry.by or None,
            "next": None if math.isinf(due) else iso(due),
            "paused": _time(kept.paused),
            "last": _time(kept.slot),
            "skipped": _time(kept.skipped),
            "error": kept.error or None,
            "job": None if job is None else self._describe_job(job),
        }

    def refuse(self, status: int, error: Exception) -> dict[str, Any]:
        """Answer with an error, as plone.restapi does."""
        self.request.response.setStatus(status)
        kind = {400: "BadRequest", 409: "Conflict"}[status]
        field = {"field": error.what} if isinstance(error, EntryRefused) else {}
        return {"type": kind, "message": str(error), **field}

    def _describe_job(self, job: Any) -> dict[str, Any]:
        url = f"{site_url()}/@jobs/{job.id}"
        return {"@id": url, "id": job.id, "state": job.state.value, "since": iso(job.since)}


class Get(ClockService):
    """Returns one entry, or all."""

    def reply(self) -> dict[str, Any]:
        """Return what the address names.

        Raises:
            NotFound: There is no such entry.
        """
        if len(self.names) > 1:
            raise self.not_found()
        if self.names:
            return self.describe(self.find_entry())
        items = [self.describe(entry) for entry in acts.entries()]
        tasks = [
            {"name": task.name, "title": self.translate(task.title or task.name)}
            for task in offered_tasks()
        ]
        return {"@id": self.url, "items": items, "tasks": tasks}


class Post(ClockService):
    """Adds an entry, or does with one what the end of the address says."""

    def reply(self) -> dict[str, Any]:
        """Do it, and return the entry as it is then; 409 with the reason if it cannot be done.

        Raises:
            NotFound: The address does not end with something that can be done.
        """
        if not self.names:
            return self._add()
        known = {"pause": acts.pause, "resume": acts.resume, "run": acts.run_now}
        if len(self.names) != 2 or self.names[1] not in known:
            raise self.not_found()
        self.let_write()
        entry = self.find_entry()
        try:
            known[self.names[1]](entry.name)
        except (FuturesError, TypeError) as error:
            return self.refuse(409, error)
        if self.names[1] == "run":
            self.request.response.setStatus(202)
        return self.describe(entry)

    def _add(self) -> dict[str, Any]:
        try:
            options = self.read_body()
            entry = changes.add(options.pop("name", ""), **options)
        except (BodyRefused, EntryRefused) as error:
            return self.refuse(400, error)
        told = self.describe(entry)
        self.request.response.setStatus(201)
        self.request.response.setHeader("Location", told["@id"])
        return told


class Patch(ClockService):
    """Changes an entry."""

    def reply(self) -> dict[str, Any]:
        """Return the entry as it is then; 400 or 409 with the reason if it is not changed.

        Raises:
            NotFound: There is none.
        """
        if len(self.names) != 1:
            raise self.not_found()
        name = self.find_entry().name
        try:
            return self.describe(changes.change(name, **self.read_body()))
        except (BodyRefused, EntryRefused) as error:
            return self.refuse(400, error)
        except EntryDeclared as error:
            return self.refuse(409, error)


class Delete(ClockService):
    """Removes an entry."""

    def reply(self) -> dict[str, Any] | None:
        """Return nothing; 409 with the reason if it stays.

        Raises:
            NotFound: There is none.
        """
        if len(self.names) != 1:
            raise self.not_found()
        name = self.find_entry().name
        self.let_write()
        try:
            changes.remove(name)
        except EntryDeclared as error:
            return self.refuse(409, error)
        return self.reply_no_content()  # type: ignore[no-any-return]


def _time(seconds: float) -> str | None:
    return iso(seconds) if seconds else None
