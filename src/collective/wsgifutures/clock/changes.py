"""How people add, change and remove timed work of the current site.

Whoever saves an entry answers for all of it: it runs as them, or as a user whom they may name. So
nobody changes what runs as somebody with more rights. Callers ask whether they manage jobs.
"""

from ..jobs.origin import folder_of
from ..jobs.store import main_connection
from .acts import entries
from .acts import find_entry
from .entries import Entry
from .errors import ContextMissing
from .errors import EntryDeclared
from .errors import EntryRefused
from .offered import offered_tasks
from .records import make
from .sites import find_context
from .stored import forget
from .stored import store
from AccessControl import Unauthorized
from dataclasses import replace
from plone import api
from plone.uuid.interfaces import IUUID
from typing import Any

import time

#: The permission to let timed work run as another user of the site.
OTHERS = "collective.wsgifutures: Run timed work as others"

#: What people may say of an entry.
OPTIONS = ("cron", "timezone", "task", "context", "run_as", "missed", "overlap", "timeout")


def add(name: str, /, **options: Any) -> Entry:
    """Add an entry to the site; return it.

    Args:
        name: Its name, which no other entry of the site has.
        options: ``OPTIONS``, as ``Entry`` has them. Default of *run_as*: the current user.

    Raises:
        EntryRefused: One of them is wrong, or not theirs to choose; its text has an example.
    """
    entry = _make(name, options)
    if name in {other.name for other in entries()}:
        raise _refuse(entry, "name", "is the name of other timed work of this site.")
    forget(_connection(), entry)  # what is kept of one that had the name before
    return _save(entry)


def change(name: str, /, **options: Any) -> Entry:
    """Change *options* of an entry that somebody has added; return it.

    If its times change, nothing of the past is due.

    Raises:
        EntryUnknown: There is no such entry.
        EntryDeclared: It is declared in ZCML.
        EntryRefused: As for ``add``; also, it would go on to run as a user whom they may not name.
    """
    before = _find_added(name)
    kept = {option: getattr(before, option) for option in OPTIONS}
    return _save(_make(name, {**kept, **options}))


def remove(name: str) -> None:
    """Remove an entry that somebody has added, and what is kept of it. Its jobs stay.

    Raises:
        EntryUnknown: There is no such entry.
        EntryDeclared: It is declared in ZCML.
    """
    forget(_connection(), _find_added(name))


def me() -> str:
    """Return the id of the current user."""
    return str(api.user.get_current().getId() or "")


def may_name_others() -> bool:
    """Tell whether the current user may let timed work run as another user."""
    return bool(api.user.has_permission(OTHERS, obj=api.portal.get()))


def _find_added(name: str) -> Entry:
    found = find_entry(name)
    if found.is_declared:
        raise EntryDeclared(name)
    return found


def _make(name: str, options: dict[str, Any]) -> Entry:
    unknown = next((option for option in options if option not in OPTIONS), "")
    if unknown:
        raise EntryRefused(name, unknown, options[unknown], "is not an option of timed work.")
    for option, value in {"name": name, **options}.items():
        if option != "timeout" and not isinstance(value, str):
            raise EntryRefused(str(name), option, value, "is not a text.")
    site = api.portal.get()
    entry = Entry(
        **{"cron": "", "task": "", **options, "run_as": options.get("run_as") or me()},
        name=name,
        site="/".join(site.getPhysicalPath()),
        site_uid=IUUID(site),
        by=me() or str(api.user.get_current().getUserName()),
    )
    return replace(entry, context=entry.context.strip("/"), folder=_check(site, entry))


def _check(site: Any, entry: Entry) -> str:
    """Check what has to do with the site; return where the user of *entry* is."""
    known = [task.name for task in offered_tasks()]
    if entry.task not in known:
        listed = ", ".join(known) or "none"
        raise _refuse(entry, "task", f"is none of the tasks that are offered: {listed}.")
    try:
        found = find_context(site, entry.context.strip("/"))
    except (ContextMissing, Unauthorized):
        found = None
    if found is None or not api.user.has_permission("View", obj=found):
        raise _refuse(entry, "context", "is neither a path below the site nor a UID.")
    return _check_user(site, entry)


def _check_user(site: Any, entry: Entry) -> str:
    own, folder = "/".join(site.getPhysicalPath()), folder_of(entry.run_as, site)
    if not entry.run_as or folder is None:
        raise _refuse(entry, "run_as", "is no user of this site.")
    if entry.run_as != me() and not may_name_others():
        raise _refuse(entry, "run_as", "is somebody else: only Managers may choose another user.")
    if entry.run_as != me() and folder != own:  # it may have more rights than anybody of the site
        raise _refuse(entry, "run_as", "is a user of Zope, who can only choose themselves.")
    return folder


def _save(entry: Entry) -> Entry:
    connection, now = _connection(), time.time()
    store(connection, entry)
    kept = make(connection, entry.site, entry.name, entry.rule, now)
    if kept.rule != entry.rule:
        kept.begin_anew(entry.rule, now)
    kept.error = ""
    return entry


def _refuse(entry: Entry, what: str, reason: str) -> EntryRefused:
    return EntryRefused(entry.name, what, getattr(entry, what), reason)


def _connection() -> Any:
    return main_connection(api.portal.get()._p_jar)
