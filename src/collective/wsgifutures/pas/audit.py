"""The checks before a worker may serve that are about tokens: does each site read its own, and
which are kept?
"""

from ..jobs import desk
from ..tokens.refusals import refusals
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from .install import INTERFACES
from .install import sites_in
from .kept import of_kept
from .plugin import ID
from collections.abc import Iterator
from typing import Any

import time

PROFILE = "collective.wsgifutures:default"


class PluginsJoint(Joint):
    """What user folders have to do with a worker: its audit, and what they have refused.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def findings(self, workers: int) -> list[Finding]:
        """Return whether the sites with the add-on read its tokens, and which are kept."""
        return [*of_plugins(self._database), *of_tokens(self._database)]

    def report(self) -> dict[str, Any]:
        """Return how many tokens this process has refused, and why."""
        return {"tokens": {"refused": dict(refusals.counts())}}


def zope_has_started(event: Any) -> None:
    """Join the worker with the user folders of this Zope."""
    join(PluginsJoint(event.database))


def of_plugins(database: Any) -> Iterator[Finding]:
    """Check that each site of *database* with the add-on has the plugin, and Zope's root, too."""
    with desk.changing(database) as connection:
        app = connection.root().get("Application")
        sites = [] if app is None else [site for site in sites_in(app) if _has_add_on(site)]
        without = [_path_of(site) for site in sites if not _reads_tokens(site)]
        places = [f"{_path_of(site)} {_place_of(site)}" for site in sites]
        if sites and not _reads_tokens(app):
            without.append("Zope's root")
    if without:
        yield warning(
            "tokens",
            f"The plugin that reads tokens is missing or switched off in: {', '.join(without)}. "
            "Workers elsewhere get jobs, but cannot read what these are about.",
            "Install the add-on again in the site, or in acl_users activate "
            f"{ID} for extraction and authentication.",
        )
    elif sites:
        text = "Sites that read tokens, and the plugin's place among those for credentials"
        yield ok("tokens", f"{text}: {', '.join(places)}.")


def of_tokens(database: Any) -> list[Finding]:
    """Tell how many tokens the sites of *database* keep, and which of them nobody uses."""
    with desk.changing(database) as connection:
        return list(of_kept(connection, time.time()))


def _has_add_on(site: Any) -> bool:
    return bool(site.portal_setup.getLastVersionForProfile(PROFILE) != "unknown")


def _path_of(site: Any) -> str:
    return "/".join(site.getPhysicalPath())


def _place_of(site: Any) -> str:
    """Return which of the active plugins ours is, as 6/7; 1 is asked first."""
    plugins = getattr(site.acl_users, "plugins", None)
    active = [] if plugins is None else plugins.getAllPlugins(INTERFACES[0])["active"]
    return f"{active.index(ID) + 1}/{len(active)}" if ID in active else "-"


def _reads_tokens(holder: Any) -> bool:
    """Tell whether the plugin is there and active; yes if there is no user folder of PAS."""
    folder = holder.acl_users
    plugins = getattr(folder, "plugins", None)
    if plugins is None:
        return True
    return all(ID in plugins.getAllPlugins(kind)["active"] for kind in INTERFACES)
