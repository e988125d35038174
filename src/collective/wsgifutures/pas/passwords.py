"""Ends all tokens of a user when the password is another one, or the user is deleted.

Plone tells of passwords by an event, whoever changes them: the user, an administrator, the link in
a mail, ``@users``. The Management Interface does not, and users of Zope's root have no other place:
so its forms are recognized when their transaction is about to be committed. A program that calls
``updateUserPassword`` of a plugin itself has to call ``end_all``, too.
"""

from ..keys.endings import end_all
from .install import folders_above
from .published import find_site
from Acquisition import aq_inner
from Acquisition import aq_parent
from inspect import ismethod
from Products.PluggableAuthService.plugins.ZODBUserManager import ZODBUserManager
from typing import Any
from zope.component.hooks import getSite

#: The methods of ``ZODBUserManager`` that change a password without an event.
_FORMS = ("manage_updateUserPassword", "manage_updatePassword", "manage_removeUsers")


def password_is_changed(event: Any) -> None:
    """End the tokens of the user whose password is another one now."""
    user = event.principal
    if user is not None:  # else the plugin has the user, but the user folder does not
        _end(aq_parent(aq_inner(user)), user.getId())


def user_is_deleted(event: Any) -> None:
    """End the tokens of a user: there may be another one with the same id.

    The event does not say of which folder, so it is all that let people into the site. But if a
    folder above the site still has a user of that id, somebody else was deleted.
    """
    user_id = str(event.principal)
    for folder in folders_above(getSite()):
        if find_site(folder) is not None or folder.getUserById(user_id, None) is None:
            _end(folder, user_id)


def form_is_done(event: Any) -> None:
    """End the tokens of users whose passwords the Management Interface has changed."""
    published = event.request.other.get("PUBLISHED")
    if not ismethod(published) or published.__name__ not in _FORMS:
        return
    plugin = published.__self__
    if isinstance(plugin, ZODBUserManager):
        for user_id in _users_in(event.request):
            _end(aq_parent(aq_inner(plugin)), user_id)


def _users_in(request: Any) -> list[str]:
    """Return the ids of the users that a form is about."""
    named = request.form.get("user_id") or request.form.get("user_ids")
    found = named or request["AUTHENTICATED_USER"].getId()  # one's own password
    return [found] if isinstance(found, str) else list(found)


def _end(folder: Any, user_id: str) -> None:
    """End all tokens of a user of a user folder."""
    holder = aq_parent(aq_inner(folder))
    site, path = find_site(folder), "/".join(holder.getPhysicalPath())
    end_all(holder if site is None else site, path, user_id)
