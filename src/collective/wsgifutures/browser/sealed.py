"""Plain data that a page offers to its browser, and that comes back unchanged.

The data is signed with the keys of plone.session, from Plone's keyring. The keyring gets a new
key once a week, when somebody logs in, and keeps each old key for four more weeks: longer than
any signature of this module is valid. A signature with any of these keys is accepted.
"""

from AccessControl import getSecurityManager
from collections.abc import Iterator
from hashlib import sha256
from plone.keyring.interfaces import IKeyManager
from typing import Any
from zope.component import queryUtility

import base64
import binascii
import hmac
import json
import time

#: Part of each key, so that no signature that Plone makes for another purpose is valid here.
_PURPOSE = b"collective.wsgifutures: a deferred part of a page"

_RING = "_system"

_HOUR = 3600
_DAY = 24 * _HOUR

#: How long a token is valid at least, and the step to which that time is rounded up, in seconds.
#: Within a step all visitors get the same token, so a cache may keep an anonymous page for days.
VALID_FOR_A_USER = (24 * _HOUR, _HOUR)
VALID_FOR_ANYBODY = (14 * _DAY, _DAY)


class Refused(Exception):
    """No page has offered this data, or not to this user."""


class Expired(Exception):
    """A page has offered this data, but the signature is no longer valid."""


def seal(data: dict[str, Any], *about: str) -> str | None:
    """Return a token with *data* for the current user; None if the site has no keys.

    Args:
        data: Values of types that JSON has.
        about: Texts that are signed too, but are not in the token.
    """
    key = next(_keys(), None)
    if key is None:
        return None
    user = _user()
    valid, step = VALID_FOR_A_USER if user else VALID_FOR_ANYBODY
    until = (int(time.time() + valid) // step + 1) * step
    text = json.dumps({**data, "until": until}, separators=(",", ":"), sort_keys=True)
    letters = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{letters}.{_signature(key, user, letters, about)}"


def open_seal(token: str, *about: str) -> dict[str, Any]:
    """Return the data of *token*, if it was sealed for the current user or for anonymous users.

    Raises:
        Refused: The token was not signed here, not for this user, or not with *about*.
        Expired: The token was signed here, but too long ago.
    """
    letters, _, signature = token.partition(".")
    if not token.isascii():
        raise Refused
    for key in _keys():
        for user in {_user(), ""}:
            if hmac.compare_digest(signature, _signature(key, user, letters, about)):
                return _read_data(letters)
    raise Refused


def _read_data(letters: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(
            base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
        )
    except (binascii.Error, ValueError):
        raise Refused from None
    if data.pop("until") < time.time():
        raise Expired
    return data


def _keys() -> Iterator[bytes]:
    manager = queryUtility(IKeyManager)
    ring = () if manager is None else manager.get(_RING, ())
    for key in ring:
        if key:
            yield hmac.digest(key.encode(), _PURPOSE, sha256)


def _signature(key: bytes, user: str, letters: str, about: tuple[str, ...]) -> str:
    return hmac.digest(key, json.dumps([user, letters, *about]).encode(), sha256).hex()


def is_anonymous() -> bool:
    """Tell whether nobody is logged in."""
    return not _user()


def _user() -> str:
    # Asked for each deferred part: plone.api would take 40 µs, for a member with its properties.
    user = getSecurityManager().getUser()
    return (user.getId() if user is not None else None) or ""
