"""``@@wsgifutures-tokens-of-all``: the application tokens of all users, for administrators.

An administrator makes tokens here for others: for a program that has a user of its own.
"""

from ...browser.tokens import asking
from ...browser.tokens.pages import TokensView
from ...browser.tokens.shown import show_token
from ...browser.tokens.shown import ShownToken
from ...browser.tokens.words import STATES
from ...interfaces import _
from ...jobs.errors import UserGone
from ...jobs.origin import Origin
from ...tokens import acts
from ...tokens.acts import state_of
from ...tokens.acts import TokenState
from ...tokens.errors import WishRefused
from ...tokens.owners import name_owner
from ...tokens.records import AppToken
from functools import cached_property
from itertools import islice
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any

PAGE = "@@wsgifutures-tokens-of-all"
ACT = "@@wsgifutures-tokens-of-all-act"

#: How many tokens the page lists.
MOST = 100


class TokensControlPanel(TokensView):
    """The page."""

    index = ViewPageTemplateFile("panel.pt")
    page = PAGE
    act = ACT
    asks_for_user = True
    shows_users = True
    most = MOST

    def find_owner(self) -> Origin:
        """Return the user that the form names.

        Raises:
            WishRefused: There is none, or none whom they may name.
        """
        user = self.wish.user.strip()
        try:
            return name_owner(self.me, user)
        except UserGone:
            words = _("There is no user with the id “${id}”.", mapping={"id": user[:100]})
            raise WishRefused("owner", words) from None

    # The list

    @property
    def user(self) -> str:
        """Whose tokens are listed; empty: those of all."""
        return self.asked("of").strip()

    @property
    def state(self) -> TokenState | None:
        """The state of the tokens that are listed; None: any."""
        return next((state for state in TokenState if state.value == self.asked("state")), None)

    @property
    def states(self) -> list[dict[str, Any]]:
        """The states to choose from."""
        return [
            {"value": state.value, "word": word, "is_chosen": state is self.state}
            for state, word in STATES.items()
        ]

    @property
    def is_filtered(self) -> bool:
        """Tell whether some tokens are not listed since nobody asked for them."""
        return bool(self.user or self.state)

    @cached_property
    def _found(self) -> list[AppToken]:
        wanted = (token for token in acts.all_of(self.site) if self._is_wanted(token))
        return list(islice(wanted, MOST + 1))

    def _is_wanted(self, token: AppToken) -> bool:
        if self.user not in ("", token.user):
            return False
        return self.state is None or state_of(self.site, token) is self.state

    @property
    def has_more(self) -> bool:
        """Tell whether there are more than the page lists."""
        return len(self._found) > MOST

    @cached_property
    def tokens(self) -> list[ShownToken]:
        """The tokens that are listed, the newest first."""
        return [show_token(self.site, token) for token in self._found[:MOST]]


class Act(asking.Act):
    """Asks before a token of anybody is revoked, and revokes it by POST."""

    page = PAGE
    view = ACT
    shows_users = True
    verbs = (asking.Verb.REVOKE,)

    def may_end(self, token: AppToken) -> bool:
        """Tell whether whoever asks may end *token*: the permission of the page says so."""
        return True
