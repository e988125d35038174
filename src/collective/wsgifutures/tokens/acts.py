"""What is done with application tokens: made, listed, found, used, revoked.

Each is done in the transaction of the request. Whoever calls has checked who asks: people make
tokens for themselves, with a session of their own and never with a token of ours; administrators
for others, too.
"""

from ..interfaces import _
from ..jobs.errors import UserGone
from ..jobs.origin import find_user
from ..jobs.origin import NO_ID
from ..jobs.origin import Origin
from ..keys.endings import begin_after
from ..keys.endings import ended_since
from ..keys.opaque import APPLICATION
from ..keys.opaque import digest_of
from ..keys.opaque import make_secret
from ..keys.places import place_of
from .errors import WishRefused
from .events import AppTokenMade
from .events import AppTokenRefused
from .events import AppTokenRevoked
from .events import AppTokenUsed
from .records import AppToken
from .records import DAY
from .records import find_tokens
from .records import Granted
from .records import make_tokens
from .scope import make_scope
from .scope import Scope
from enum import Enum
from typing import Any
from zope.event import notify

import logging
import secrets
import time

logger = logging.getLogger(__name__)

#: The longest life of a token, in seconds.
LONGEST_LIFE = 366 * DAY

#: The longest name of a token, in characters.
LONGEST_NAME = 100

#: How many tokens of one user may be good at one time.
MOST_PER_USER = 50

#: How many tokens of one user are made in 24 hours, also if they are revoked at once: each is kept
#: for a month, and is told of by mail.
MOST_A_DAY = 100


class TokenState(Enum):
    """The state of a token."""

    GOOD = "good"
    ENDED = "ended"  #: its end has come
    REVOKED = "revoked"  #: somebody has ended it
    LOGGED_OUT = "logged out"  #: with all tokens of its user: another password, or "everywhere"
    USER_GONE = "user gone"  #: its user was deleted


def make(
    site: Any,
    owner: Origin,
    name: str,
    scope: Scope,
    ends: float,
    by: str,
    now: float | None = None,
) -> tuple[AppToken, str]:
    """Make a token; return it and its secret, which nobody can find out later.

    Args:
        site: The Plone site.
        owner: Names the user and the user folder: ``take_origin(None, user)``.
        name: What it is for, in the words of its maker.
        scope: What it may.
        ends: When it is no longer good, in seconds since the epoch.
        by: The id of the user who makes it.
        now: Default: the time.

    Raises:
        WishRefused: One of these is not possible.
    """
    place, now = place_of(site), time.time() if now is None else now
    checked = check(place, owner, name, scope, ends, now)
    tokens, secret = make_tokens(place), make_secret(APPLICATION)
    tokens.drop_past(now)
    _check_count(place, tokens.of_user(owner.folder, owner.user or ""), now)
    token = AppToken(secrets.token_hex(6), digest_of(secret), *checked, by)
    tokens.add(token)
    logger.info("The token %s of %s was made by %s.", token.id, token.user, by)
    notify(AppTokenMade(*_about(place, token), by, token.name, token.scope.text, token.ends))
    return token, secret


def revoke(site: Any, token: AppToken, by: str, now: float | None = None) -> None:
    """End a token, for good. One that was revoked stays as it is."""
    if token.revoked is not None:
        return
    token.revoke(by, time.time() if now is None else now)
    logger.info("The token %s of %s was revoked by %s.", token.id, token.user, by)
    notify(AppTokenRevoked(*_about(place_of(site), token), by))


def note_use(site: Any, token: AppToken, address: str, now: float) -> None:
    """Note that a token was used: once for each address and day, so seldom anything is written."""
    if not token.use.is_due(address, now) or token.use._p_jar.isReadOnly():
        return
    is_new = address not in token.use.days
    token.use.note(address, now)
    if is_new:
        logger.info("The token %s of %s is used from %s.", token.id, token.user, address)
        notify(AppTokenUsed(*_about(place_of(site), token), address))


def tell_refused(site: Any, token: AppToken | None, reason: str, address: str) -> None:
    """Tell the log and whoever listens that a token was not good; None: it is not known."""
    place = place_of(site)
    about = (place.path, "", "") if token is None else _about(place, token)
    logger.warning("A token (%s) from %s was refused: %s.", about[1] or "?", address, reason)
    notify(AppTokenRefused(*about, reason, address))


def find(site: Any, id: str) -> AppToken | None:
    """Return the token with a public id; None: there is none."""
    tokens = find_tokens(place_of(site))
    return None if tokens is None else tokens.by_id.get(id)


def find_by_secret(site: Any, secret: str) -> AppToken | None:
    """Return the token of a well-formed secret, good or not; None: the site never gave it."""
    tokens = find_tokens(place_of(site))
    return None if tokens is None else tokens.by_digest.get(digest_of(secret))


def of_user(site: Any, folder: str, user_id: str) -> list[AppToken]:
    """Return the tokens of a user, the newest first; those that are past for 30 days longer.

    Args:
        site: The Plone site.
        folder: The path of what has the user's ``acl_users``; that of Zope's root is empty.
        user_id: The user's id.
    """
    tokens = find_tokens(place_of(site))
    return [] if tokens is None else _newest_first(tokens.of_user(folder, user_id))


def all_of(site: Any) -> list[AppToken]:
    """Return all tokens of a site, the newest first."""
    tokens = find_tokens(place_of(site))
    return [] if tokens is None else _newest_first(tokens.by_id.values())


def state_of(site: Any, token: Granted, now: float | None = None) -> TokenState:
    """Return the state of a token, or of a service account, by what holds now."""
    place, now = place_of(site), time.time() if now is None else now
    if token.revoked is not None:
        return TokenState.REVOKED
    if now >= token.ends:
        return TokenState.ENDED
    if token.made <= ended_since(place, token.folder, token.user):
        return TokenState.LOGGED_OUT
    return TokenState.GOOD if _is_there(place, token.origin) else TokenState.USER_GONE


def check(
    place: Any, owner: Origin, name: Any, scope: Scope, ends: Any, now: float
) -> tuple[str, Origin, Scope, float, float]:
    """Return what all that is ``Granted`` takes: name, user, scope, when it begins and ends.

    Raises:
        WishRefused: One of these is not possible.
    """
    check_owner(place, owner)
    made = begin_after(place, owner.folder, owner.user or "", now)
    return check_name(name), owner, make_scope(*scope), made, check_ends(ends, now)


def check_name(name: Any) -> str:
    """Return the name of a token.

    Raises:
        WishRefused: It is not a printable text, or is too long.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not text.isprintable() or not 1 <= len(text) <= LONGEST_NAME:
        words = _(
            "Say what the token is for, in up to ${n} characters.", mapping={"n": LONGEST_NAME}
        )
        raise WishRefused("name", words)
    return text


def check_ends(ends: Any, now: float) -> float:
    """Return the end of a token, in seconds since the epoch.

    Raises:
        WishRefused: It is no time, has passed, or is more than a year away.
    """
    is_time = isinstance(ends, (int, float)) and not isinstance(ends, bool)
    if not is_time or not now < ends <= now + LONGEST_LIFE:
        raise WishRefused("ends", _("The token has to end, at most a year from now."))
    return float(ends)


def check_owner(place: Any, owner: Origin) -> None:
    """Check that a user may have tokens.

    Raises:
        WishRefused: It is no user of the site, or not any more.
    """
    if owner.is_system or owner.user in (None, NO_ID) or not _is_there(place, owner):
        raise WishRefused("owner", _("Only users of this site can have a token."))


def _check_count(place: Any, tokens: list[AppToken], now: float) -> None:
    """Check that a user with these *tokens* may have one more."""
    if sum(token.made > now - DAY for token in tokens) >= MOST_A_DAY:
        raise WishRefused("owner", _("Too many tokens were made in a day. Try again tomorrow."))
    if sum(state_of(place, token, now) is TokenState.GOOD for token in tokens) >= MOST_PER_USER:
        raise WishRefused("owner", _("There are too many tokens already. Revoke some first."))


def _is_there(place: Any, origin: Origin) -> bool:
    try:
        find_user(origin, place.connection.root()["Application"])
    except UserGone:
        return False
    return True


def _about(place: Any, token: AppToken) -> tuple[str, str, str]:
    return place.path, token.id, token.user


def _newest_first(tokens: Any) -> list[AppToken]:
    return sorted(tokens, key=lambda token: (-token.made, token.id))
