"""One entry of timed work: when, what, about what, as whom. Checked where it is written."""

from ..jobs.options import check_name
from ..jobs.options import check_seconds
from ..jobs.plain import NotPlain
from ..jobs.plain import write
from .errors import EntryRefused
from .times import Times
from collections.abc import Mapping
from cronsim import CronSimError
from dataclasses import dataclass
from dataclasses import field
from enum import Enum
from functools import cached_property
from typing import Any
from typing import TypeVar
from zoneinfo import ZoneInfoNotFoundError
from zope.component import getUtilitiesFor
from zope.interface import implementer
from zope.interface import Interface

import math
import re

_Policy = TypeVar("_Policy", bound=Enum)


class Missed(Enum):
    """What becomes of slots that nobody has looked at in time: all processes were down."""

    SKIP = "skip"  #: no job
    ONCE = "once"  #: one job for all of them
    ALL = "all"  #: a job for each


class Overlap(Enum):
    """What becomes of a slot while the entry's last job still waits or runs."""

    SKIP = "skip"  #: no job
    QUEUE = "queue"  #: one more job, which begins when the last one has ended


#: The names of entries: they are parts of URLs.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_CRON = (
    "is not a cron expression ({error}). It has minute, hour, day of the month, month and day of "
    'the week: "0 3 * * *" is every day at 03:00, "*/15 8-17 * * 1-5" each quarter of an hour '
    "on working days."
)
_ZONE = 'is not a time zone that this machine knows. Examples: "UTC", "Europe/Helsinki".'


class IEntry(Interface):  # type: ignore[misc]
    """What is declared with ``<wsgifutures:clock />``, by its site and name."""


@implementer(IEntry)
@dataclass(frozen=True)
class Entry:
    """What is to be done, and when.

    Args:
        name: Its name in its site, the same for ever: what has run is kept by it.
        cron: A cron expression.
        task: The name of a task.
        timezone: In which *cron* is meant.
        arguments: The task's, by their names: plain data that JSON has, too.
        context: What the jobs are about: a path below the site, or a UID. Empty: the site.
        run_as: The id of a user, looked for at each slot. Empty: Zope's own "System Processes",
            who has all rights, and whom no login reaches.
        roles: In place of *run_as*: a user that has just these roles, and whom no login reaches.
        missed: ``skip``, ``once`` or ``all``; see ``Missed``.
        overlap: ``skip`` or ``queue``; see ``Overlap``.
        timeout: How long an attempt may take, in seconds. Default: the task's.
        site: The path of the site. Empty: each Plone site in Zope's root.
        by: Who added it in Site Setup. Empty: it is declared in ZCML.
        site_uid: Of the site that it was added in: another site at its path has nothing of it.
        folder: The path of what has the user folder that knows *run_as*, where it was added.

    Raises:
        EntryRefused: One of them is wrong; its text has an example.
    """

    name: str
    cron: str
    task: str
    timezone: str = "UTC"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    context: str = ""
    run_as: str = ""
    roles: tuple[str, ...] = ()
    missed: str = "skip"
    overlap: str = "skip"
    timeout: float | None = None
    site: str = ""
    by: str = ""
    site_uid: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise self._refuse("name", "is not a name: letters, digits, dots and dashes.")
        self._check_times()
        self._check_task()
        if self.roles and self.run_as:
            raise self._refuse("roles", "is for a user of its own: leave out run_as=.")
        missed, overlap = self._policy("missed", Missed), self._policy("overlap", Overlap)
        if missed is Missed.ALL and overlap is Overlap.SKIP:
            raise self._refuse(
                "missed", 'makes several jobs at a time: add overlap="queue", so that none is left.'
            )

    @property
    def is_declared(self) -> bool:
        """Whether it is in ZCML, and not added in Site Setup."""
        return not self.by

    @property
    def rule(self) -> tuple[str, str]:
        """When it is due. If that changes, nothing of the past is due."""
        return self.cron, self.timezone

    @cached_property
    def times(self) -> Times:
        """Its times."""
        return Times(self.cron, self.timezone)

    def next_after(self, now: float) -> float:
        """Return when it is due next, in seconds since the epoch; infinity: never again."""
        return next(self.times.after(now), math.inf)

    def _check_times(self) -> None:
        try:
            self.times  # noqa: B018  it is made here
        except CronSimError as error:
            raise self._refuse("cron", _CRON.format(error=error)) from None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise self._refuse("timezone", _ZONE) from None

    def _check_task(self) -> None:
        try:
            check_name("task", self.task)
        except ValueError:
            raise self._refuse("task", "is not the name of a task.") from None
        try:
            if self.timeout is not None:
                check_seconds("timeout", self.timeout)
        except ValueError:
            raise self._refuse("timeout", "is not a number of seconds above 0.") from None
        try:
            write(dict(self.arguments))
        except (NotPlain, TypeError, ValueError) as error:
            raise self._refuse("arguments", f"cannot be kept: {error}") from None

    def _policy(self, what: str, kind: type[_Policy]) -> _Policy:
        try:
            return kind(getattr(self, what))
        except ValueError:
            known = ", ".join(one.value for one in kind)
            raise self._refuse(what, f"is none of: {known}.") from None

    def _refuse(self, what: str, reason: str) -> EntryRefused:
        return EntryRefused(self.name, what, getattr(self, what), reason)


def declared() -> list[Entry]:
    """Return the entries that ZCML declares, by their names. See ``stored`` for the others."""
    found = (entry for _, entry in getUtilitiesFor(IEntry))
    return sorted(found, key=lambda entry: (entry.name, entry.site))
