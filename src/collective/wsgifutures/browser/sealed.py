"""Plain data that leaves the site and comes back, as it was: what a page offers to its browser.

It is signed with the keys that plone.session uses, of Plone's keyring. They are changed once
a week, when somebody logs in, and an old one is known for four weeks more: longer than
anything here is valid. What is signed with any of them is accepted.
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

#: No signature that Plone makes for something else fits here.
_PURPOSE = b"collective.wsgifutures: a deferred part of a page"

_RING = "_system"

_HOUR = 3600
_DAY = 24 * _HOUR

#: For how long it is valid, at least, and in which steps that grows, in seconds. Within a step
#: a page is the same for all: what anonymous visitors get may be kept by a cache for days.
VALID_FOR_A_USER = (24 * _HOUR, _HOUR)
VALID_FOR_ANYBODY = (14 * _DAY, _DAY)


class Refused(Exception):
    """It was not offered, or not to this user."""


class Expired(Exception):
    """It was offered, and is not valid any more."""


def seal(told: dict[str, Any], *about: str) -> str | None:
    """Return a token with *told* for the current user; None where the site has no keys.

    Args:
        told: What JSON has.
        about: What else is signed, and not in the token.
    """
    key = next(_keys(), None)
    if key is None:
        return None
    user = _user()
    valid, step = VALID_FOR_A_USER if user else VALID_FOR_ANYBODY
    until = (int(time.time() + valid) // step + 1) * step
    text = json.dumps({**told, "until": until}, separators=(",", ":"), sort_keys=True)
    letters = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{letters}.{_signature(key, user, letters, about)}"


def open_seal(token: str, *about: str) -> dict[str, Any]:
    """Return what was told: to the current user, or to an anonymous one, so to anybody.

    Raises:
        Refused: It was not signed here, not for this user, or not about that.
        Expired: It was, but too long ago.
    """
    letters, _, signature = token.partition(".")
    if not token.isascii():
        raise Refused
    for key in _keys():
        for user in {_user(), ""}:
            if hmac.compare_digest(signature, _signature(key, user, letters, about)):
                return _told(letters)
    raise Refused


def _told(letters: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(
            base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
        )
    except (binascii.Error, ValueError):
        raise Refused from None
    if told.pop("until") < time.time():
        raise Expired
    return told


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
    user = getSecurityManager().getUser()
    return (user.getId() if user is not None else None) or ""
