"""What a worker signs to prove who it is (RFC 7523): read with the worker's own public key."""

from ..keys.public import thumbprint
from ..keys.tokens import check_signed
from ..keys.tokens import TokenRefused
from collections.abc import Iterable
from typing import Any

#: The ``typ`` of an assertion.
ASSERTION = "JWT"

#: The longest lifetime of an assertion, in seconds.
LONGEST = 300

#: Seconds by which a worker's clock may differ from ours.
LEEWAY = 60.0

#: The longest ``jti``, in characters.
LONGEST_ID = 128


def check_assertion(token: str, public: bytes, audience: Iterable[str]) -> dict[str, Any]:
    """Return the claims of an assertion whose header was looked at.

    Args:
        token: The assertion.
        public: The public key that has to have signed it, and that it has to be about.
        audience: The names of this site, one of which it has to be for.

    Raises:
        TokenRefused: It is not a good one.
    """
    id = thumbprint(public)
    claims = check_signed(
        token,
        public,
        issuer=id,
        audience=audience,
        leeway=LEEWAY,
        require=("iss", "sub", "aud", "iat", "exp", "jti"),
    )
    if claims["sub"] != id:
        raise TokenRefused("sub is not iss")
    if not all(_is_time(claims[name]) for name in ("iat", "exp")):
        raise TokenRefused("iat or exp is not a number")
    if claims["exp"] - claims["iat"] > LONGEST:
        raise TokenRefused(f"it is good for longer than {LONGEST} s")
    if not claims["jti"] or len(claims["jti"]) > LONGEST_ID:
        raise TokenRefused("jti is empty or too long")
    return claims


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def audiences(url: str) -> tuple[str, ...]:
    """Return the names of the site at *url*, as assertions may have them."""
    return url, f"{url}/", f"{url}/@token"
