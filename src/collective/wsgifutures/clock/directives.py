"""The ZCML directive of timed work. It declares; every process of the cluster looks."""

from .entries import Entry
from .entries import IEntry
from .errors import EntryRefused
from typing import Any
from zope.component.zcml import utility
from zope.interface import Interface
from zope.schema import Float
from zope.schema import TextLine

import json


class IClockDirective(Interface):  # type: ignore[misc]
    """Submit a job of a task at certain times."""

    name = TextLine(title="Name", description="Its name in its site, the same for ever.")
    cron = TextLine(
        title="Times",
        description="A cron expression, as 0 3 * * * for every day at 03:00.",
    )
    task = TextLine(title="Task", description="The name of a task.")
    timezone = TextLine(
        title="Time zone",
        description="In which the times are meant, as Europe/Helsinki. Default: UTC.",
        required=False,
        default="UTC",
    )
    arguments = TextLine(
        title="Arguments",
        description="The task's, by their names: an object of JSON. Default: none.",
        required=False,
        default="",
    )
    context = TextLine(
        title="Context",
        description="What the jobs are about: a path below the site, or a UID. Default: the site.",
        required=False,
        default="",
    )
    run_as = TextLine(
        title="User",
        description="The id of the user who does the jobs. Default: Zope's own System Processes, "
        "who has all rights, and whom no login reaches.",
        required=False,
        default="",
    )
    roles = TextLine(
        title="Roles",
        description="In place of a user: the jobs are done with these roles and no others, as "
        "Reader, Editor. No login reaches that user.",
        required=False,
        default="",
    )
    missed = TextLine(
        title="Missed times",
        description="What becomes of them: skip, once or all. Default: skip.",
        required=False,
        default="skip",
    )
    overlap = TextLine(
        title="Overlap",
        description="What happens while the last job is not over: skip or queue. Default: skip.",
        required=False,
        default="skip",
    )
    timeout = Float(
        title="Timeout",
        description="How many seconds an attempt may take. Default: as the task says.",
        required=False,
    )
    site = TextLine(
        title="Site",
        description="The path of the site, as /Plone. Default: each Plone site in Zope's root.",
        required=False,
        default="",
    )


def declare_clock(_context: Any, name: str, arguments: str = "", **options: Any) -> None:
    """Register an entry; a second one of the same name and site is a conflict.

    Raises:
        EntryRefused: A value is wrong; its text has an example.
    """
    for path in ("context", "site"):
        options[path] = options.get(path, "").strip("/")
    roles = (role.strip() for role in options.pop("roles", "").split(","))
    options["roles"] = tuple(role for role in roles if role)
    site = options["site"] and f"/{options['site']}"
    entry = Entry(name=name, arguments=_read(name, arguments), **{**options, "site": site})
    utility(_context, provides=IEntry, component=entry, name=f"{site} {name}".strip())


def _read(name: str, arguments: str) -> dict[str, Any]:
    try:
        found = json.loads(arguments or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        reason = """is not an object of JSON. Example: arguments='{"language": "de"}'."""
        raise EntryRefused(name, "arguments", arguments, reason)
    return found
