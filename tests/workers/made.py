"""Workers elsewhere: their keys, and what they sign."""

from collective.wsgifutures.keys.public import encode
from collective.wsgifutures.keys.public import make_jwk
from collective.wsgifutures.keys.public import thumbprint
from collective.wsgifutures.workers.events import WorkerEvent
from collective.wsgifutures.workers.grants import JWT_BEARER
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import json
import time
import uuid

SITE = "https://www.example.com/site"


class Outside:
    """A worker elsewhere.

    Args:
        url: The site that it asks.
    """

    def __init__(self, url=SITE):
        self.url = url
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.jwk = make_jwk(self.public)
        self.id = thumbprint(self.public)

    def sign(self, key=None, header=(), **claims):
        """Return an assertion; *header* and *claims* differ from a good one. None: left out."""
        now = int(time.time())
        about = {"iss": self.id, "sub": self.id, "aud": self.url, "jti": uuid.uuid4().hex}
        said = {**about, "iat": now, "exp": now + 60, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return forge(
            {"alg": "EdDSA", "typ": "JWT", "kid": self.id, **dict(header)}, said, key or self.key
        )

    def form(self, assertion=None, **changes):
        """Return what it sends for a token; None: left out."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": self.sign() if assertion is None else assertion,
            **changes,
        }
        return {name: value for name, value in form.items() if value is not None}


def forge(header, claims, key):
    """Return a token, signed as PyJWT would, of claims that it would not take."""
    body = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{body}.{encode(key.sign(body.encode()))}"


def log_events(noted):
    """Return a subscriber that notes the events of this room."""

    def note(event):
        if type(event).__module__ == WorkerEvent.__module__:
            noted.append(event)

    return note


def has_written(place):
    """Tell whether there is something to commit."""
    return bool(place.connection._registered_objects)


def commit(place):
    place.connection.transaction_manager.commit()


def look(place):
    """See what others have committed."""
    place.connection.transaction_manager.abort()
