"""Sites without Plone, and tokens that somebody else has made."""

from collective.wsgifutures.keys.places import Place
from collective.wsgifutures.keys.public import encode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import json
import jwt
import time
import transaction

UID = "0f8fad5bd9cb469fa16570867728950e"
PATH = "/plone"


class Host:
    """One process: a connection to the database, with a transaction of its own."""

    def __init__(self, database):
        self._manager = transaction.TransactionManager(explicit=False)
        self.connection = database.open(self._manager)

    def place(self, uid=UID, path=PATH):
        return Place(self.connection, uid, path)

    def commit(self):
        self._manager.commit()

    def abort(self):
        self._manager.abort()

    @property
    def has_written(self):
        """Whether there is something to commit."""
        return bool(self.connection._registered_objects)

    def close(self):
        self.abort()
        self.connection.close()


def claims_for(place, **changes):
    """Return the claims of a good token of *place*, with these changes; None: left out."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 60, "jti": "1"}
    good = {"iss": place.urn, "aud": place.urn, "sub": "ann", **times, **changes}
    return {name: value for name, value in good.items() if value is not None}


def forge(claims, key, header):
    """Return a token, signed by whatever key; *header* replaces that of PyJWT."""
    parts = [encode(json.dumps(part).encode()) for part in (header, claims)]
    body = ".".join(parts)
    return f"{body}.{encode(key.sign(body.encode()))}"


def sign(claims, key, **header):
    """Return a token as PyJWT makes it."""
    return jwt.encode(claims, key, "EdDSA", header)


def new_key():
    return Ed25519PrivateKey.generate()
