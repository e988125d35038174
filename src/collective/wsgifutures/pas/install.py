"""Puts the plugin into the user folders of a site, from the site's up to Zope's root, and takes
it out again.

Users of Zope's root are users of each of its sites, so the root's plugin stays until the last site
that needs it is without the add-on.
"""

from .plugin import ID
from .plugin import TokenPlugin
from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from collections.abc import Iterator
from plone import api
from Products.CMFCore.interfaces import ISiteRoot
from Products.PluggableAuthService.interfaces.authservice import IPluggableAuthService
from typing import Any

INTERFACES = ["IExtractionPlugin", "IAuthenticationPlugin"]


def add_plugins(tool: Any) -> None:
    """Add the plugin to each user folder that lets people into the site, and has none."""
    for folder in folders_above(api.portal.get()):
        if ID not in folder:
            folder._setObject(ID, TokenPlugin())
            folder[ID].manage_activateInterfaces(INTERFACES)


def remove_plugins(tool: Any) -> None:
    """Remove the plugin from the site's user folder, and from those that no other site needs."""
    portal = api.portal.get()
    for folder in folders_above(portal):
        others = sites_in(aq_parent(aq_inner(folder)), portal)
        if ID in folder and not any(ID in site.acl_users for site in others):
            folder._delObject(ID)


def folders_above(site: Any) -> Iterator[Any]:
    """Yield the user folders of *site* and what contains it; of None, none."""
    holder = aq_inner(site)
    while holder is not None:
        folder = getattr(holder.aq_explicit, "acl_users", None)
        if IPluggableAuthService.providedBy(folder):
            yield folder
        is_root = getattr(aq_base(holder), "isTopLevelPrincipiaApplicationObject", False)
        holder = None if is_root else aq_parent(holder)


def sites_in(holder: Any, but: Any = None) -> Iterator[Any]:
    """Yield the sites below *holder*, which is no part of one, without the site *but*."""
    if ISiteRoot.providedBy(holder):
        return
    for each in holder.objectValues():
        if ISiteRoot.providedBy(each):
            if but is None or each.getPhysicalPath() != but.getPhysicalPath():
                yield each
        elif getattr(each, "isPrincipiaFolderish", False) and hasattr(each, "objectValues"):
            yield from sites_in(each, but)
