"""Whose token it is to be: that of who asks, unless an administrator names somebody else.

A user of Zope's root, or of a folder above the site, may have rights in other sites, too: with a
token of such a user a manager of one site would get at what is in others, since services that copy
and move content take it from wherever the user may. So whoever names a user manages tokens where
that user's ``acl_users`` is.
"""

from ..interfaces import _
from ..jobs.origin import Origin
from ..jobs.origin import run_as
from ..jobs.origin import take_origin
from .errors import WishRefused
from plone import api

#: The permission of administrators.
MANAGE = "collective.wsgifutures: Manage tokens"


def current_user() -> Origin:
    """Return who asks."""
    return take_origin(None, api.user.get_current())


def name_owner(me: Origin, user_id: str) -> Origin:
    """Return the user of that id, of the current site or of what is above it.

    Args:
        me: The current user.
        user_id: The id of whom they name.

    Raises:
        UserGone: There is no such user.
        WishRefused: It is another user, of a folder where they do not manage tokens.
    """
    owner = run_as(me, user_id)
    is_me = (owner.user, owner.folder) == (me.user, me.folder)
    if not is_me and not _manages(owner.folder):
        words = _(
            "“${id}” is a user of Zope, and not of this site: only they themselves and managers "
            "of Zope make tokens for them. Name a user of this site.",
            mapping={"id": user_id[:100]},
        )
        raise WishRefused("owner", words)
    return owner


def _manages(path: str) -> bool:
    """Tell whether the current user manages tokens at the holder of a user folder."""
    root = api.portal.get().getPhysicalRoot()
    holder = root.unrestrictedTraverse(path) if path else root
    return bool(api.user.has_permission(MANAGE, obj=holder))
