"""A token is given back by whoever has it (RFC 7009), of whatever kind.

It says that the token is nobody's from now on: a client that logs out, or somebody who has found a
token where it should not be. An access token of a login ends the login.
"""

from ..keys.opaque import APPLICATION
from ..keys.opaque import is_secret
from ..keys.places import place_of
from ..keys.tokens import ACCESS
from ..keys.tokens import TokenRefused
from ..keys.tokens import verify
from . import acts
from . import sessions
from .families import find_family
from contextlib import suppress
from typing import Any

#: Who revokes, for lists and logs.
BEARER = "its bearer"


def revoke_any(site: Any, token: str, now: float) -> None:
    """End a token, and what it belongs to; nothing if it is not known, or not good any more."""
    if is_secret(token, APPLICATION):
        found = acts.find_by_secret(site, token)
        if found is not None:
            acts.revoke(site, found, BEARER, now)
        return
    with suppress(sessions.SessionRefused):
        sessions.revoke(place_of(site), token, now)
        return
    _revoke_signed(site, token, now)


def _revoke_signed(site: Any, token: str, now: float) -> None:
    try:
        claims = verify(site, token, ACCESS)
    except TokenRefused:
        return
    is_login = claims.get("scope") == sessions.SCOPE
    family = find_family(place_of(site), claims.get("family"), now) if is_login else None
    if family is not None:
        sessions.end(place_of(site), family, sessions.BY_CLIENT)
