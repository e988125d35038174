"""Tokens, and what they can be made for, as pages show them."""

from ...interfaces import _
from ...tokens.acts import state_of
from ...tokens.acts import TokenState
from ...tokens.offered import find_offer
from ...tokens.offered import Offer
from ...tokens.offered import READ
from ...tokens.offered import WRITE
from ...tokens.records import AppToken
from ...tokens.records import DAY
from ...tokens.scope import Scope
from ..times import day
from ..times import local
from .words import STATES
from plone import api
from typing import Any
from typing import NamedTuple


class ShownPart(NamedTuple):
    """The part of the site that a token is good for."""

    title: Any
    url: str  #: empty: nothing is there that the current user may see


class ShownToken(NamedTuple):
    """A token in a page."""

    id: str
    name: str
    user: str
    is_good: bool
    word: Any  #: its state
    reads: tuple[Any, ...]  #: the titles of what it may read
    writes: tuple[Any, ...]
    part: ShownPart | None  #: None: the whole site
    made: str
    made_by: str  #: who made it, if that was not its user
    ends: str
    revoked: str  #: empty: nobody has
    revoked_by: str
    used: str  #: the day; empty: never
    used_from: str


class Choice(NamedTuple):
    """A box to tick."""

    value: str  #: as in a scope
    is_chosen: bool


class ShownOffer(NamedTuple):
    """What a token can be made for."""

    title: Any
    name: str  #: as services are called
    read: Choice | None
    write: Choice | None


def show_token(site: Any, token: AppToken) -> ShownToken:
    """Return a token as the current user may see it."""
    state = state_of(site, token)
    return ShownToken(
        id=token.id,
        name=token.name,
        user=token.user,
        is_good=state is TokenState.GOOD,
        word=STATES[state],
        reads=_titles(token.scope, READ),
        writes=_titles(token.scope, WRITE),
        part=_show_part(token.scope.part),
        made=local(token.made),
        made_by="" if token.made_by == token.user else token.made_by,
        ends=local(token.ends),
        revoked="" if token.revoked is None else local(token.revoked),
        revoked_by=token.revoked_by,
        used="" if token.used is None else day(token.used + DAY / 2),  # it is a day of UTC
        used_from=token.used_from,
    )


def show_offer(offer: Offer, chosen: tuple[str, ...]) -> ShownOffer:
    """Return an offer with its boxes."""

    def choice(verb: str) -> Choice | None:
        value = f"{verb}:{offer.name}"
        return Choice(value, value in chosen) if offer.methods(verb) else None

    return ShownOffer(offer.title, offer.name, choice(READ), choice(WRITE))


def _titles(scope: Scope, verb: str) -> tuple[Any, ...]:
    pairs = (service.split(":", 1) for service in scope.services)
    return tuple(_title_of(name) for kind, name in pairs if kind == verb)


def _title_of(name: str) -> Any:
    """Return the title of what is offered; of what is not offered any more, its name."""
    found = find_offer(name)
    return name if found is None else found.title


def _show_part(uid: str) -> ShownPart | None:
    if not uid:
        return None
    found = api.content.find(UID=uid, show_inactive=True)
    if not found:
        return ShownPart(_("a folder that is gone, or that you may not see"), "")
    return ShownPart(found[0].Title or found[0].getId, found[0].getURL())
