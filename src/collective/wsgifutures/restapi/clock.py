"""``@clock``: the timed work of a site, for whoever manages jobs.

::

    GET    @clock                  all entries, by their names
    GET    @clock/<name>           one of them
    POST   @clock/<name>/pause     nothing of it is due until it is resumed
    POST   @clock/<name>/resume    what was due meanwhile is not made up for
    POST   @clock/<name>/run       one job now, or the last one if it is not over: 202

Arguments are not told, as of jobs.
"""

from ..browser.jobs.shown import site_url
from ..browser.times import iso
from ..clock import acts
from ..clock.entries import Entry
from ..clock.errors import EntryUnknown
from ..clock.records import Kept
from ..clock.words import describe
from ..kernel.errors import FuturesError
from .services import PathService
from plone.protect.interfaces import IDisableCSRFProtection
from typing import Any
from zope.interface import alsoProvides

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
            "missed": entry.missed,
            "overlap": entry.overlap,
            "next": None if math.isinf(due) else iso(due),
            "paused": _time(kept.paused),
            "last": _time(kept.slot),
            "skipped": _time(kept.skipped),
            "error": kept.error or None,
            "job": None if job is None else self._describe_job(job),
        }

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
        return {"@id": self.url, "items": [self.describe(entry) for entry in acts.entries()]}


class Post(ClockService):
    """Does with an entry what the end of the address says."""

    def reply(self) -> dict[str, Any]:
        """Do it, and return the entry as it is then; 409 with the reason if it cannot be done.

        Raises:
            NotFound: The address does not end with something that can be done.
        """
        known = {"pause": acts.pause, "resume": acts.resume, "run": acts.run_now}
        if len(self.names) != 2 or self.names[1] not in known:
            raise self.not_found()
        alsoProvides(self.request, IDisableCSRFProtection)  # as plone.restapi's own services
        entry = self.find_entry()
        try:
            known[self.names[1]](entry.name)
        except (FuturesError, TypeError) as error:
            self.request.response.setStatus(409)
            return {"type": "Conflict", "message": str(error)}
        if self.names[1] == "run":
            self.request.response.setStatus(202)
        return self.describe(entry)


def _time(seconds: float) -> str | None:
    return iso(seconds) if seconds else None
