"""``@@wsgifutures-tokens``: a user's own application tokens: made, seen, ended.

A token is made by POST, and its secret is in that one answer: in no address, message or log. Tokens
of ours, and whatever else comes in ``Authorization: Bearer``, do not get here.
"""

from ...interfaces import _
from ...jobs.origin import Origin
from ...keys.tokens import find_token
from ...tokens import acts
from ...tokens.offered import offers
from ...tokens.offered import OWN
from ...tokens.owners import current_user
from ...tokens.records import AppToken
from ..title import ITitled
from ..views import View
from . import accounts
from .shown import show_offer
from .shown import show_token
from .shown import ShownOffer
from .shown import ShownToken
from .wishes import fulfil
from .wishes import MOST_DAYS
from .wishes import new_form_id
from .wishes import read_wish
from .wishes import Wish
from AccessControl import Unauthorized
from datetime import date
from datetime import timedelta
from functools import cached_property
from plone import api
from plone.protect import CheckAuthenticator
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zope.i18n import translate
from zope.interface import implementer

import time

ACT = "@@wsgifutures-tokens-act"


def check_session(request: Any) -> None:
    """Let no program in that has a token.

    Raises:
        Unauthorized: The request has one.
    """
    if find_token(request):
        raise Unauthorized("Log in with your password: no token makes or ends tokens.")


@implementer(ITitled)
class TokensView(View):
    """What the pages for people and for administrators have in common."""

    page_title = _("Access tokens")
    index: Any  #: the template
    form = ViewPageTemplateFile("form.pt")
    made = ViewPageTemplateFile("made.pt")
    listed = ViewPageTemplateFile("listed.pt")
    page = accounts.PAGE
    act = ACT
    asks_for_user = False  #: whether a form says whose token it is to be
    shows_users = False  #: whether a list says whose each is
    secret = ""  #: of the token that was made by this request
    wish: Wish

    def __call__(self) -> str:
        """Render the page; by POST make a token first.

        Raises:
            Unauthorized: There is a token in the request.
            Forbidden: The form was posted without the authenticator of the page.
        """
        check_session(self.request)
        self.prepare()
        self.wish = Wish()
        if self.request.method == "POST":
            CheckAuthenticator(self.request)
            self._make()
        self.wish.form_id = new_form_id()
        return str(self.index())

    def _make(self) -> None:
        self.wish = read_wish(self.request)
        made = fulfil(self.site, self.wish, self.find_owner, str(self.me.user), time.time())
        if made is not None:
            self.new, self.secret = show_token(self.site, made[0]), made[1]
            self.wish = Wish()

    def find_owner(self) -> Origin:
        """Return whose token it is to be."""
        return self.me

    @cached_property
    def site(self) -> Any:
        """The site."""
        return api.portal.get()

    @cached_property
    def me(self) -> Origin:
        """Who asks."""
        return current_user()

    @property
    def site_url(self) -> str:
        """Where the site is."""
        return str(self.site.absolute_url())

    @property
    def page_url(self) -> str:
        """Where the page is: the target of its form."""
        return f"{self.context.absolute_url()}/{self.page}"

    def ask_url(self, what: str, id: str = "") -> str:
        """Return the address of the page that asks before *what* is done."""
        return f"{self.context.absolute_url()}/{self.act}?what={what}:{id}"

    # The form

    @property
    def groups(self) -> list[tuple[Any, list[ShownOffer]]]:
        """What a token can be made for: what a part of the site may suffice for comes first."""
        shown = [(each, show_offer(each, self.wish.services)) for each in offers()]
        shown.sort(key=lambda pair: (pair[0].name != OWN, self._translate(pair[1].title).lower()))
        here = [one for each, one in shown if each.is_local]
        everywhere = [one for each, one in shown if not each.is_local]
        return [
            (_("In the whole site, or in a part of it"), here),
            (_("Only in the whole site, since they show what is elsewhere, too"), everywhere),
        ]

    def _translate(self, text: Any) -> str:
        return str(translate(text, context=self.request))

    @property
    def first_day(self) -> str:
        """The earliest day on which a token may end."""
        return str(date.today())

    @property
    def last_day(self) -> str:
        """The last day on which a token may end."""
        return str(date.today() + timedelta(MOST_DAYS))

    # The list

    def find_tokens(self) -> list[AppToken]:
        """Return the tokens that are listed, the newest first."""
        return acts.of_user(self.site, self.me.folder, str(self.me.user))

    @cached_property
    def tokens(self) -> list[ShownToken]:
        """The tokens that are listed: those that are good come first."""
        found = [show_token(self.site, token) for token in self.find_tokens()]
        return sorted(found, key=lambda token: not token.is_good)


class Mine(TokensView):
    """The page of a user."""

    index = ViewPageTemplateFile("mine.pt")

    @property
    def tabs(self) -> list[dict[str, Any]]:
        """The tabs of the user's preferences."""
        return accounts.tabs(self.context, self.request)

    @property
    def are_some_good(self) -> bool:
        """Tell whether there is something to end."""
        return any(token.is_good for token in self.tokens)
