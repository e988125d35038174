"""Service accounts: programs that prove who they are with a key of their own (RFC 7523).

An administrator registers the public half of a key, for a user whom the program acts as, a scope
and an end. So nobody shares a secret: neither the site nor the administrator ever has one. Where it
is used is ``grants``; what it may is cut with what its user may then.

It is kept beside the site, not in it. What began before its user ended all tokens is good no more,
as with tokens of people: the administrator registers the key again, or another one.
"""

from ..interfaces import _
from ..jobs.origin import Origin
from ..keys.places import find_part
from ..keys.places import make_part
from ..keys.places import place_of
from ..keys.public import KeyRefused
from ..keys.public import make_jwk
from ..keys.public import read_jwk
from ..keys.public import thumbprint
from ..workers.registry import find_worker
from .acts import check
from .acts import state_of
from .acts import TokenState
from .errors import WishRefused
from .events import AccountRegistered
from .events import AccountRevoked
from .records import Granted
from .scope import Scope
from BTrees.OOBTree import OOBTree
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typing import Any
from zope.event import notify

import logging
import time

logger = logging.getLogger(__name__)

PART = "services"

#: How many service accounts of one site may be good at one time.
MOST = 200

#: The longest key that is read, in characters.
LONGEST_KEY = 4096


class ServiceAccount(Granted):
    """One service account.

    Args:
        public: Its public key.
        *more: As of all that is ``Granted``: all but the id, which is the key's thumbprint.
    """

    def __init__(self, public: bytes, *more: Any) -> None:
        super().__init__(thumbprint(public), *more)
        self.public = public

    @property
    def jwk(self) -> dict[str, str]:
        """Its public key, as JSON has it."""
        return make_jwk(self.public)


def read_key(key: Any) -> bytes:
    """Return a public key, from its JWK or from PEM.

    Raises:
        WishRefused: It is not a public key of Ed25519, or not a safe one.
    """
    try:
        return read_jwk(make_jwk(_read_pem(key)) if isinstance(key, str) else key)
    except KeyRefused as refused:
        raise WishRefused("key", str(refused)) from None


def _read_pem(text: str) -> bytes:
    if "PRIVATE KEY" in text:
        raise KeyRefused("The key is a private key. Make a new one, and send only its public half.")
    try:
        key = load_pem_public_key(text[:LONGEST_KEY].encode())
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused("The key is not a public key in PEM.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused("The key is not one of Ed25519.")
    return key.public_bytes_raw()


def register(
    site: Any,
    public: bytes,
    name: str,
    owner: Origin,
    scope: Scope,
    ends: float,
    by: str,
    now: float | None = None,
) -> ServiceAccount:
    """Register a key; again, if the account has ended by itself, with what is said now.

    Args:
        site: The Plone site.
        public: The public key: see ``read_key``.
        name: What it is for.
        owner: Names the user whom it acts as.
        scope: What it may.
        ends: When it is no longer good, in seconds since the epoch.
        by: The id of the administrator who does it.
        now: Default: the time.

    Raises:
        WishRefused: One of these is not possible.
    """
    place, now = place_of(site), time.time() if now is None else now
    checked = check(place, owner, name, scope, ends, now)
    _check_key(site, public)
    account, accounts = ServiceAccount(public, *checked, by), make_part(place, PART, OOBTree)
    for id in [id for id, one in accounts.items() if one.is_forgotten(now)]:
        del accounts[id]
    if sum(not one.is_past(now) for one in accounts.values()) >= MOST:
        raise WishRefused("key", _("There are too many service accounts already."))
    accounts[account.id] = account
    logger.info("The service account %s of %s was made by %s.", account.id, account.user, by)
    about = place.path, account.id, account.user, by
    notify(AccountRegistered(*about, account.name, account.scope.text, account.ends))
    return account


def revoke(site: Any, account: ServiceAccount, by: str, now: float | None = None) -> None:
    """End a service account and its access tokens. Nobody registers its key again for a month."""
    if account.revoked is not None:
        return
    account.revoke(by, time.time() if now is None else now)
    logger.info("The service account %s of %s was revoked by %s.", account.id, account.user, by)
    notify(AccountRevoked(place_of(site).path, account.id, account.user, by))


def find_account(site: Any, id: Any) -> ServiceAccount | None:
    """Return the service account of that id, good or not; None: there is none."""
    accounts = find_part(place_of(site), PART)
    return None if accounts is None or not isinstance(id, str) else accounts.get(id)


def accounts_of(site: Any) -> list[ServiceAccount]:
    """Return the service accounts of a site, good or not, the newest first."""
    accounts = find_part(place_of(site), PART)
    found = [] if accounts is None else list(accounts.values())
    return sorted(found, key=lambda account: (-account.made, account.id))


def _check_key(site: Any, public: bytes) -> None:
    """Check that nobody has a key yet."""
    found = find_account(site, thumbprint(public))
    if found is not None and found.revoked is not None:
        raise WishRefused("key", _("The key was revoked. Make a new one."))
    if found is not None and state_of(site, found) is TokenState.GOOD:
        raise WishRefused("key", _("The key has a service account already."))
    if find_worker(site, thumbprint(public)) is not None:
        raise WishRefused("key", _("The key is a worker's. Make a new one for this."))
