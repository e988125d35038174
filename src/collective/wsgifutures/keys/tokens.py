"""Signed tokens of a site: making them, and reading them as RFC 8725 says.

A token is a JWT, signed with EdDSA and a key of the site's ring. It names its kind (``typ``), so
that none is taken for another, and the site, as its issuer and its audience. Nothing in a token
chooses how it is read: not ``alg``, and neither a key nor an address of one. ::

    ACCESS       at+jwt, RFC 9068          scope "claim": a worker; "job": a claim's
    CLAIM        wsgifutures-claim+jwt     one claim of one job
    CAPABILITY   wsgifutures-capability+jwt   to claim one job

``TokenRefused`` says why in ``reason``, for the log. Its text, which clients may read, does not.
"""

from .places import place_of
from .ring import find_ring
from .ring import LONGEST
from .ring import take_key
from collections.abc import Iterable
from collections.abc import Mapping
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typing import Any

import jwt
import secrets
import time

ACCESS = "at+jwt"
CLAIM = "wsgifutures-claim+jwt"
CAPABILITY = "wsgifutures-capability+jwt"

#: The largest token that is looked at, in bytes.
LARGEST = 4096

#: Seconds by which the clocks of the site's own hosts may differ.
LEEWAY = 5.0

_ALGORITHM = "EdDSA"
_OURS = ("iss", "aud", "iat", "nbf", "exp", "jti")


class TokenRefused(Exception):
    """A token is not good here.

    Args:
        reason: Why, for the log. It has nothing of the token that the token's maker chose.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return "The token is not valid here."


def mint(
    site: Any, typ: str, claims: Mapping[str, Any], lifetime: float, *, now: float | None = None
) -> str:
    """Return a new token of a site.

    It may write: the site's first token makes its keys, and one in 90 days the next ones. Every
    request may do that; plone.protect does not mind.

    Args:
        site: The Plone site, or its ``Place``.
        typ: Its kind: ``ACCESS``, ``CLAIM`` or ``CAPABILITY``.
        claims: What it says, ``sub`` among it.
        lifetime: Seconds until it ends, at most ``LONGEST`` of them are given.
        now: In seconds since the epoch. Default: the time.

    Raises:
        ValueError: *claims* have no ``sub``, or one that is set here.
    """
    return mint_with_id(site, typ, claims, lifetime, now=now)[1]


def mint_with_id(
    site: Any, typ: str, claims: Mapping[str, Any], lifetime: float, *, now: float | None = None
) -> tuple[str, str]:
    """Return the id (``jti``) of a new token, for logs, and the token: see ``mint``."""
    taken = [name for name in _OURS if name in claims]
    if taken or "sub" not in claims:
        raise ValueError(f"The claims of a token have sub, and not {', '.join(taken or _OURS)}.")
    place, now = place_of(site), time.time() if now is None else now
    key, jti, start = take_key(place, now), secrets.token_urlsafe(16), int(now)
    about = {"iss": place.urn, "aud": place.urn, "iat": start, "nbf": start, "jti": jti}
    end = {"exp": int(now + min(lifetime, LONGEST))}
    header = {"typ": typ, "kid": key.id}
    return jti, jwt.encode({**claims, **about, **end}, key.signer, _ALGORITHM, header)


def verify(site: Any, token: Any, typ: str) -> dict[str, Any]:
    """Return the claims of a token that this site has signed.

    It writes nothing. Whether whoever the token is about may still do something is for the
    caller to look up.

    Args:
        site: The Plone site, or its ``Place``.
        token: Whatever the client sent.
        typ: The kind that is good here.

    Raises:
        TokenRefused: It is not a good one.
    """
    place = place_of(site)
    ring, id = find_ring(place), read_key_id(token, typ)
    key = None if ring is None else ring.find(id, time.time())
    if key is None:
        raise TokenRefused("no key of the site has this id")
    claims = check_signed(
        token, key.public, issuer=place.urn, audience=place.urn, leeway=LEEWAY, require=_OURS
    )
    if not isinstance(claims.get("sub"), str):
        raise TokenRefused("sub is not a text")
    return claims


def find_token(request: Any) -> str | None:
    """Return what comes after ``Bearer`` in the header of *request*; None: there is no Bearer."""
    scheme, space, token = (getattr(request, "_auth", None) or "").partition(" ")
    return str(token.strip()) if space and scheme.lower() == "bearer" else None


def read_key_id(token: Any, typ: str) -> str:
    """Return which key a token says it is signed with; before anything else is believed.

    Raises:
        TokenRefused: It is not a token of that kind, or its header is not a plain one.
    """
    if not isinstance(token, str) or not token.isascii():
        raise TokenRefused("it is not a text in ASCII")
    if len(token) > LARGEST:
        raise TokenRefused(f"it is longer than {LARGEST} bytes")
    try:
        # The rest is not looked at yet: PyJWT looks at each character, which takes longest.
        header = jwt.get_unverified_header(f"{token.partition('.')[0]}..")
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenRefused(f"its header cannot be read: {type(error).__name__}") from None
    if header.get("alg") != _ALGORITHM:
        raise TokenRefused("its algorithm is not EdDSA")
    if header.get("typ") != typ:
        raise TokenRefused(f"its type is not {typ}")
    if "crit" in header or "b64" in header:
        raise TokenRefused("its header asks for an extension")
    if not isinstance(header.get("kid"), str):
        raise TokenRefused("it names no key")
    return str(header["kid"])


def check_signed(
    token: str,
    public: bytes,
    *,
    issuer: str,
    audience: str | Iterable[str],
    leeway: float,
    require: Iterable[str],
) -> dict[str, Any]:
    """Return the claims of a token whose header was looked at, if *public* has signed it.

    Raises:
        TokenRefused: Somebody else has signed it, for somebody else, or for another time.
    """
    try:
        claims = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(public),
            algorithms=[_ALGORITHM],
            issuer=issuer,
            audience=audience,
            leeway=leeway,
            options={"require": list(require)},
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenRefused(f"it is not valid: {type(error).__name__}") from None
    if not isinstance(claims["aud"], str):
        raise TokenRefused("it is for several audiences")
    return claims
