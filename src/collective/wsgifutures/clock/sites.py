"""Submits the job of an entry in its site, as if the site were published for nobody in particular.

The job is of the entry's user, whom the site or Zope's root has to know now; or of Zope's own
"System Processes". Nothing of that stays in the thread. An entry that was added in Site Setup gets
less: only what is offered there, and only the user who was meant.
"""

from ..jobs.entering import acting_as
from ..jobs.entering import find_site
from ..jobs.errors import UserGone
from ..jobs.origin import folder_of
from ..jobs.records import Job
from ..jobs.role_user import RoleUser
from ..jobs.tasks import find_task
from .entries import declared
from .entries import Entry
from .entries import Overlap
from .errors import ContextMissing
from .errors import EntryRefused
from .offered import find_offered
from .stored import stored
from AccessControl.SpecialUsers import system
from plone import api
from plone.uuid.interfaces import IUUID
from Products.CMFCore.interfaces import ISiteRoot
from typing import Any
from zope.component.hooks import site as in_site

import re

_UID = re.compile(r"[0-9a-f]{32}")


def paths_of(connection: Any, entry: Entry) -> list[str]:
    """Return the paths of the sites that have *entry*. One of a site's own is instead of it."""
    if not entry.is_declared:
        return [entry.site] if _is_there(connection, entry) else []
    added = [one for one in stored(connection) if one.name == entry.name]
    own = {one.site for one in added if _is_there(connection, one)}
    if entry.site:
        return [] if entry.site in own else [entry.site]
    own |= {one.site for one in declared() if one.name == entry.name}
    found = connection.root()["Application"].objectValues("Plone Site")
    paths = [f"/{site.getId()}" for site in found if ISiteRoot.providedBy(site)]
    return [path for path in paths if path not in own]


def _is_there(connection: Any, entry: Entry) -> bool:
    """Tell whether the site that *entry* was added in is there, and no other one at its path."""
    site = find_site(connection, entry.site)
    if site is None or "/".join(site.getPhysicalPath()) != entry.site:  # or it is acquired
        return False
    return bool(IUUID(site, "") == entry.site_uid)


def submit(connection: Any, path: str, entry: Entry, slot: float) -> Job:
    """Submit a job of *entry* for a *slot*, in the transaction of *connection*.

    Raises:
        ContextMissing, UserGone, TaskUnknown, ArgumentRefused, TypeError: It cannot be done now.
    """
    site = find_site(connection, path)
    if site is None or entry.site_uid not in ("", IUUID(site, "")):
        raise ContextMissing(path)
    with in_site(site):
        job = submit_here(site, entry)
    job.note_slot(slot, entry.timezone)
    return job


def submit_here(site: Any, entry: Entry) -> Job:
    """Submit a job of *entry* in the current *site*.

    Raises:
        ContextMissing, EntryRefused, UserGone, NotOffered, TaskUnknown, ArgumentRefused: It cannot
            be done now.
        TypeError: The task does not take its arguments.
    """
    if not entry.is_declared:
        _check(site, entry)
    if entry.roles:
        _check_roles(site, entry)
    with acting_as(system):
        context = find_context(site, entry.context)
    user = RoleUser(entry.roles).__of__(site.acl_users) if entry.roles else system
    with acting_as(user):
        return find_task(entry.task).using(**_options(entry)).submit(context, **entry.arguments)


def _check(site: Any, entry: Entry) -> None:
    """Refuse an entry of Site Setup that would give more than was meant."""
    find_offered(entry.task)
    if folder_of(entry.run_as, site) != entry.folder:  # one of that id, but another one
        raise UserGone(entry.run_as, entry.folder)


def _check_roles(site: Any, entry: Entry) -> None:
    unknown = set(entry.roles) - set(site.valid_roles())
    if unknown:
        reason = f"has roles that the site does not have: {', '.join(sorted(unknown))}."
        raise EntryRefused(entry.name, "roles", ", ".join(entry.roles), reason)


def _options(entry: Entry) -> dict[str, Any]:
    options: dict[str, Any] = {"run_as": entry.run_as, "timeout": entry.timeout}
    if Overlap(entry.overlap) is Overlap.QUEUE:
        options["lock"] = f"clock {entry.name}"
    return options


def find_context(site: Any, context: str) -> Any:
    """Return the object of that UID or path below *site*; the site if there is neither.

    Raises:
        ContextMissing: There is none.
    """
    if not context:
        return site
    found = api.content.get(UID=context) if _UID.fullmatch(context) else None
    if found is not None:
        return found
    path = f"{'/'.join(site.getPhysicalPath())}/{context}"
    found = site.unrestrictedTraverse(context, None)
    if found is None or "/".join(found.getPhysicalPath()) != path:  # or it is acquired
        raise ContextMissing(path)
    return found
