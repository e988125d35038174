"""The key of a worker, and how it proves that it has it.

An Ed25519 key in a file that only its user can read. The private half never leaves this machine:
the site knows the public half, and each proof (an *assertion*, RFC 7523) is good once, for one
site, for a minute.
"""

from .errors import KeyNotPrivate
from base64 import urlsafe_b64encode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.hazmat.primitives.serialization import PublicFormat
from hashlib import sha256
from pathlib import Path

import json
import jwt
import os
import stat
import time
import uuid

#: Seconds for which an assertion is good.
ASSERTION_SECONDS = 60


class Key:
    """The key pair of one worker."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        #: The public half, as RFC 8037 writes it.
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64(public)}
        #: The worker's id (RFC 7638).
        self.id = thumbprint(self.jwk)

    @property
    def fingerprint(self) -> str:
        """The id in groups of four, as people compare it."""
        return " ".join(self.id[at : at + 4] for at in range(0, len(self.id), 4))

    def assertion(self, audience: str) -> str:
        """Return a proof for *audience* that is good once."""
        now = int(time.time())
        claims: dict[str, str | int] = {
            "iss": self.id,
            "sub": self.id,
            "aud": audience,
            "jti": uuid.uuid4().hex,
        }
        claims |= {"iat": now, "exp": now + ASSERTION_SECONDS}
        return jwt.encode(claims, self._private, algorithm="EdDSA", headers={"kid": self.id})

    def __repr__(self) -> str:
        return f"<Key {self.fingerprint}>"


def thumbprint(jwk: dict[str, str]) -> str:
    """Return the thumbprint of a public key by RFC 7638, in base64url."""
    wanted = {name: jwk[name] for name in ("crv", "kty", "x")}
    return _base64(sha256(json.dumps(wanted, separators=(",", ":")).encode()).digest())


def make_key(path: str | os.PathLike[str]) -> Key:
    """Make a key in a new file that only this user can read.

    Raises:
        FileExistsError: The file is there; a key is never overwritten.
    """
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return Key(private)


def load_key(path: str | os.PathLike[str]) -> Key:
    """Return the key in *path*.

    Raises:
        KeyNotPrivate: Other users can read the file, or write to it.
        ValueError: It holds no Ed25519 key.
    """
    with Path(path).open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise KeyNotPrivate(os.fspath(path), mode)
        private = load_pem_private_key(file.read(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"{os.fspath(path)} holds no Ed25519 key: make one with init.")
    return Key(private)


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
