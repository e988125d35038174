"""Logins that programs renew with refresh tokens: started, renewed, ended.

Each is done in the transaction of the request. Who the user is, has been proved to whoever starts
one; at each renewal it is looked up whether the user is there, and has not ended all tokens since.
"""

from ..interfaces import _
from ..jobs.origin import NO_ID
from ..jobs.origin import Origin
from ..keys.endings import begin_after
from ..keys.places import Place
from ..keys.places import place_of
from ..keys.tokens import ACCESS
from ..keys.tokens import mint_with_id
from ..workers.access import find_login
from .acts import check_name
from .errors import WishRefused
from .events import SessionEnded
from .events import SessionReused
from .events import SessionStarted
from .families import Family
from .families import find_families
from .families import find_family
from .families import make_family
from .families import read_shown
from .families import Reused
from .families import Shown
from .refusals import Reason
from .scope import Scope
from typing import Any
from typing import NamedTuple
from zope.event import notify

import logging
import time

logger = logging.getLogger(__name__)

#: The ``scope`` of an access token of such a login. What it may stands in the family.
SCOPE = "session"

#: Seconds for which an access token is good.
LIFETIME = 600


#: Why a login has ended, for logs.
BY_CLIENT = "its client has revoked it"
USER_GONE = "its user is gone, or has ended all tokens"


class SessionRefused(Exception):
    """A refresh token is not good.

    Args:
        why: Why, for metrics.
        reason: Why, for the log.
        family: The id of its family, if it is or was one of a family.
    """

    def __init__(self, why: Reason, reason: str, family: str = "") -> None:
        super().__init__(why, reason, family)
        self.why = why
        self.reason = reason
        self.family = family


class Renewed(NamedTuple):
    """What the client of a login gets."""

    jti: str  #: the id of the access token
    answer: dict[str, Any]  #: the members of the answer (RFC 6749, 5.1)


def start(
    site: Any, owner: Origin, scope: Scope, name: str = "", now: float | None = None
) -> tuple[Family, str]:
    """Start a family for a user who has just logged in; return it and its first refresh token.

    Args:
        site: The Plone site, or its ``Place``.
        owner: Names the user and the user folder: ``take_origin(None, user)``.
        scope: What its access tokens may.
        name: What it is for, in the words of the client.
        now: Default: the time.

    Raises:
        WishRefused: The name is not possible, or that user cannot have one.
    """
    place, now = place_of(site), time.time() if now is None else now
    if owner.is_system or owner.user in (None, NO_ID):
        raise WishRefused("owner", _("Only users of this site can have a token."))
    checked = check_name(name) if name else ""
    started = begin_after(place, owner.folder, owner.user or "", now)
    family, secret = make_family(place, checked, owner, scope, started)
    logger.info("%s has logged in with refresh tokens, family %s.", family.user, family.id)
    notify(SessionStarted(place.path, family.id, family.user, checked, scope.text))
    return family, secret


def renew(place: Place, secret: str, address: str, now: float) -> tuple[Family, str]:
    """Return the family of a refresh token, and the next one.

    Args:
        place: The site.
        secret: What the client came with.
        address: Of the client, as Zope knows it.
        now: In seconds since the epoch.

    Raises:
        SessionRefused: It is not good. If it was reused, or its user is nobody any more, the
            family has ended: the transaction is to be committed.
    """
    family, shown = _find(place, secret, now)
    if find_login(family.origin, family.started, place) is None:
        end(place, family, USER_GONE)
        raise SessionRefused(Reason.ENDED, USER_GONE, family.id)
    try:
        return family, family.rotate(shown, now)
    except Reused:
        _end_reused(place, family, address)
        words = "it was used before: the family has ended"
        raise SessionRefused(Reason.REUSED, words, family.id) from None


def revoke(place: Place, secret: str, now: float) -> None:
    """End the family of a refresh token, be it the current one or an earlier one.

    Raises:
        SessionRefused: It is of no family.
    """
    end(place, _find(place, secret, now)[0], BY_CLIENT)


def end(place: Place, family: Family, reason: str) -> None:
    """End a family: its access tokens and its refresh token are nobody's from now on."""
    _drop(place, family)
    logger.info("The family %s of %s has ended: %s.", family.id, family.user, reason)
    notify(SessionEnded(place.path, family.id, family.user, reason))


def describe(place: Place, family: Family, secret: str, now: float) -> Renewed:
    """Return what a client gets: a new access token, and the refresh token."""
    claims = {
        "sub": family.user,
        "client_id": family.id,  # RFC 9068 asks for one
        "scope": SCOPE,
        "family": family.id,
        "auth_time": int(family.started),
    }
    jti, token = mint_with_id(place, ACCESS, claims, LIFETIME, now=now)
    answer = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "refresh_token": secret,
        "refresh_expires_in": int(family.ends - now),
        "scope": family.scope.text,
    }
    return Renewed(jti, answer)


def _find(place: Place, secret: str, now: float) -> tuple[Family, Shown]:
    """Return the family that a refresh token is, or was, one of; and the token."""
    shown = read_shown(secret)
    if shown is None:
        raise SessionRefused(Reason.INVALID, "it is not well-formed")
    family = find_family(place, shown.family, now)
    if family is None:
        raise SessionRefused(Reason.UNKNOWN, "there is no such family, or it has ended")
    if not family.has(shown):
        raise SessionRefused(Reason.INVALID, "it was never one of its family")
    return family, shown


def _end_reused(place: Place, family: Family, address: str) -> None:
    _drop(place, family)
    logger.warning(
        "An earlier refresh token of the family %s of %s was used again, from %s: somebody else "
        "has had it. The family has ended.",
        family.id,
        family.user,
        address or "?",
    )
    notify(SessionReused(place.path, family.id, family.user, address))


def _drop(place: Place, family: Family) -> None:
    families = find_families(place)
    if families is not None:
        families.drop(family)
