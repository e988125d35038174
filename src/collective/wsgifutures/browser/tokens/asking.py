"""``@@wsgifutures-tokens-act``: asks before tokens end, and ends them by POST."""

from ...interfaces import _
from ...jobs.origin import Origin
from ...keys.endings import end_all
from ...tokens import acts
from ...tokens.owners import current_user
from ...tokens.records import AppToken
from ..status.asking import Asked
from ..status.asking import Asking
from . import accounts
from .pages import check_session
from .shown import show_token
from .shown import ShownToken
from enum import Enum
from functools import cached_property
from plone import api
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any

import logging

logger = logging.getLogger(__name__)


class Verb(Enum):
    """What can be done. The value is that in a form."""

    REVOKE = "revoke"
    END_ALL = "end-all"


ASKED = {
    Verb.REVOKE: Asked(
        _("Revoke this token?"),
        _("Whatever has it gets in no more, at once and for good. Nothing else changes."),
        _("Revoke the token"),
    ),
    Verb.END_ALL: Asked(
        _("End all of your tokens?"),
        _(
            "All that acts for you with a token gets in no more: scripts, apps, and workers "
            "elsewhere that do jobs of yours. Do this if you have lost a device, or do not know "
            "a token. Your browsers stay logged in: to end that, too, change your password."
        ),
        _("End all of my tokens"),
    ),
}

DONE = {
    Verb.REVOKE: _("The token is revoked."),
    Verb.END_ALL: _("All of your tokens have ended."),
}

GONE = _("There is no such token any more, so nothing was changed.")


class Act(Asking):
    """Asks by GET, and acts by POST."""

    index = ViewPageTemplateFile("asking.pt")
    page = accounts.PAGE
    view = "@@wsgifutures-tokens-act"
    shows_users = False
    verbs: tuple[Verb, ...] = (Verb.REVOKE, Verb.END_ALL)

    def __call__(self) -> str:
        """Ask; or act.

        Raises:
            Unauthorized: There is a token in the request.
            Forbidden: The form was posted without the authenticator of the page.
        """
        check_session(self.request)
        return super().__call__()

    @cached_property
    def site(self) -> Any:
        """The site."""
        return api.portal.get()

    @cached_property
    def me(self) -> Origin:
        """Who asks."""
        return current_user()

    @property
    def page_url(self) -> str:
        """The page that it leads back to."""
        return self.url(self.page)

    @property
    def verb(self) -> Verb | None:
        """What is to be done; None: there is no such thing here."""
        found = self.read_what(Verb)[0]
        return found if found in self.verbs else None

    @cached_property
    def token(self) -> AppToken | None:
        """The token that it is about; None: there is none for whoever asks, or it is about all."""
        verb, id = self.read_what(Verb)
        found = acts.find(self.site, id) if verb is Verb.REVOKE else None
        return found if found is not None and self.may_end(found) else None

    def may_end(self, token: AppToken) -> bool:
        """Tell whether whoever asks may end *token*."""
        return (token.folder, token.user) == (self.me.folder, self.me.user)

    @property
    def shown(self) -> ShownToken | None:
        """The token, for the page."""
        return None if self.token is None else show_token(self.site, self.token)

    @property
    def asks(self) -> Asked | None:
        """What the page asks; None: there is nothing to ask."""
        if self.verb is Verb.REVOKE and self.token is None:
            return None
        return None if self.verb is None else ASKED[self.verb]

    @property
    def page_title(self) -> Any:
        """The title of the page."""
        return self.asks.title if self.asks else _("There is no such token any more")

    @property
    def what(self) -> str:
        """What the button posts."""
        id = "" if self.token is None else self.token.id
        return "" if self.verb is None else f"{self.verb.value}:{id}"

    def act(self) -> str:
        """Do it, and go back to the page."""
        verb = self.verb
        if verb is None or self.asks is None:
            api.portal.show_message(GONE, self.request, "warning")
            return self.page_url
        if self.token is not None:
            acts.revoke(self.site, self.token, str(self.me.user))
        else:
            end_all(self.site, self.me.folder, str(self.me.user))
            logger.info("%s has ended all own tokens.", self.me.user)
        api.portal.show_message(DONE[verb], self.request, "info")
        return self.page_url
