"""The tab "Access tokens" beside those of Plone in a user's preferences.

Plone's list of tabs is in the code of its pages. So in sites with the add-on these pages are ours,
and have one tab more.
"""

from ...interfaces import _
from plone import api
from plone.app.users.browser.passwordpanel import PasswordPanel as Password
from plone.app.users.browser.personalpreferences import PersonalPreferencesPanel as Preferences
from plone.app.users.browser.userdatapanel import UserDataPanel as UserData
from typing import Any

PAGE = "@@wsgifutures-tokens"

#: The permission of the page.
PERMISSION = "Set own properties"

TAB = "user_data-wsgifutures-tokens"


class _WithTokens:
    """A page of Plone, with our tab."""

    context: Any

    def prepareObjectTabs(self, *args: Any, **options: Any) -> list[dict[str, Any]]:
        """Return the tabs."""
        tabs: list[dict[str, Any]] = super().prepareObjectTabs(*args, **options)  # type: ignore[misc]
        if not api.user.has_permission(PERMISSION, obj=self.context):
            return tabs
        url = f"{self.context.absolute_url()}/{PAGE}"
        return [*tabs, {"title": _("Access tokens"), "url": url, "selected": False, "id": TAB}]


class PersonalInformation(_WithTokens, UserData):  # type: ignore[misc]
    """The page of Plone, with our tab."""


class PersonalPreferences(_WithTokens, Preferences):  # type: ignore[misc]
    """The page of Plone, with our tab."""


class ChangePassword(_WithTokens, Password):  # type: ignore[misc]
    """The page of Plone, with our tab."""


def tabs(context: Any, request: Any) -> list[dict[str, Any]]:
    """Return the tabs of our own page."""
    found = PersonalPreferences(context, request)
    found.__name__ = ""
    return [{**tab, "selected": tab["id"] == TAB} for tab in found.prepareObjectTabs()]
