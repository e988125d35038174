"""What the Add-ons control panel does not list, and what profiles cannot say in files."""

from .interfaces import _
from .jobs.records import JobState
from .jobs.store import find_store
from .jobs.store import jobs_of
from .jobs.store import main_connection
from .keys.places import place_of
from .keys.ring import ring_of
from .pas.install import add_plugins
from .pas.install import remove_plugins
from .workers.registry import make_workers
from plone import api
from plone.base.interfaces.installable import INonInstallable
from typing import Any
from zope.globalrequest import getRequest
from zope.interface import implementer

import time


@implementer(INonInstallable)
class HiddenProfiles:
    """Profiles that nobody installs by hand."""

    def getNonInstallableProfiles(self) -> list[str]:
        """Return the ids of those profiles."""
        return ["collective.wsgifutures:uninstall"]


def installed(tool: Any) -> None:
    """Let the site sign tokens, and its user folders read them."""
    make_keys()
    add_plugins(tool)


def make_keys() -> None:
    """Make the site's keys, so that no later request has to.

    A site that is being made is not in the database yet; its keys come with its first token.
    """
    portal = api.portal.get()
    if portal._p_jar is not None:
        place = place_of(portal)
        ring_of(place, time.time())
        make_workers(place)


def uninstalled(tool: Any) -> None:
    """Let nobody read our tokens any more, and say what becomes of jobs."""
    remove_plugins(tool)
    tell_of_jobs(tool)


def tell_of_jobs(tool: Any) -> None:
    """Say what becomes of the jobs of the site that wait or run, when the add-on is uninstalled."""
    portal = api.portal.get()
    site = "/".join(portal.getPhysicalPath())
    states = (JobState.WAITING, JobState.RUNNING)
    jobs = [entry.job for entry in jobs_of(find_store(main_connection(portal._p_jar)))]
    left = [job for job in jobs if job.state in states and job.wanted.origin.site == site]
    if left:
        api.portal.show_message(
            _(
                "Jobs of this site that wait or run: ${count}. They are done all the same, as long "
                "as the package is installed in the server. Cancel them in the live status, or "
                "with the command wsgifutures jobs.",
                mapping={"count": len(left)},
            ),
            request=getRequest(),
            type="warning",
        )
