"""Public keys that others bring: which are accepted, and how they are named.

Only Ed25519. A key is named by its thumbprint (RFC 7638), so nobody can bring another key under
the same name.
"""

from typing import Any

import base64
import hashlib
import json
import re

_P = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7

#: The heights of the points of low order. For such a key anybody can make signatures.
_LOW_ORDER = {0, 1, _P - 1, _ORDER_8, _P - _ORDER_8}

_X = re.compile(r"[A-Za-z0-9_-]{43}")


class KeyRefused(ValueError):
    """A public key is not accepted. The text says why, for whoever brought it."""


def read_jwk(jwk: Any) -> bytes:
    """Return the 32 bytes of a public key, from its JWK (RFC 8037).

    Raises:
        KeyRefused: It is not a public key of Ed25519, or not a safe one.
    """
    if not isinstance(jwk, dict):
        raise KeyRefused("jwk is not a JSON object with a public key.")
    if "d" in jwk:
        raise KeyRefused("jwk is a private key. Make a new one, and send only its public half.")
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise KeyRefused('jwk is not a key of Ed25519: "kty" has to be "OKP", "crv" "Ed25519".')
    return _read_point(jwk.get("x"))


def _read_point(x: Any) -> bytes:
    if not isinstance(x, str) or not _X.fullmatch(x):
        raise KeyRefused('"x" of jwk is not 32 bytes in base64url, without padding.')
    point = base64.urlsafe_b64decode(f"{x}=")
    height = int.from_bytes(point, "little") % 2**255
    if encode(point) != x or height >= _P:
        raise KeyRefused('"x" of jwk is not written in the one way that is valid for its value.')
    if height in _LOW_ORDER:
        raise KeyRefused("jwk is a key for which anybody could sign. Make a new one.")
    return point


def make_jwk(public: bytes) -> dict[str, str]:
    """Return the JWK of a public key: what its thumbprint is made of."""
    return {"crv": "Ed25519", "kty": "OKP", "x": encode(public)}


def thumbprint(public: bytes) -> str:
    """Return the name of a public key (RFC 7638, SHA-256): 43 characters."""
    written = json.dumps(make_jwk(public), sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(written.encode()).digest())


def group(id: str) -> str:
    """Return a thumbprint as people compare it: in groups of four characters."""
    return " ".join(id[start : start + 4] for start in range(0, len(id), 4))


def encode(data: bytes) -> str:
    """Return *data* in base64url, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
