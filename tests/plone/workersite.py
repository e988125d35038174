"""A site with the add-on, and workers that sign for themselves."""

from collective.wsgifutures.keys.public import make_jwk
from collective.wsgifutures.keys.public import thumbprint
from collective.wsgifutures.workers import registry
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sitesettings import install
from urllib.parse import urlencode

import json
import jwt
import time
import transaction
import uuid

SITE = "http://nohost/plone"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Outside:
    """A worker elsewhere: its key, and what it sends.

    Args:
        site: The site that it asks.
    """

    def __init__(self, site):
        self.site = site
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.id = thumbprint(self.public)

    def sign(self, header=(), key=None, **claims):
        """Return an assertion; *header* and *claims* differ from a good one, None: left out."""
        now = int(time.time())
        good = {"iss": self.id, "sub": self.id, "aud": SITE, "iat": now, "exp": now + 60}
        said = {**good, "jti": uuid.uuid4().hex, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        head = {"typ": "JWT", "kid": self.id, **dict(header)}
        return jwt.encode(said, key or self.key, "EdDSA", head)

    def introduce(self, **changes):
        """Send who it is."""
        body = {"jwk": make_jwk(self.public), "name": "ocr on host7", "queues": ["ocr"]}
        body = {"assertion": self.sign(), **body, **changes}
        return send(self.site, "@workers", json.dumps(body).encode())

    def approved(self, queues=("ocr",)):
        """Let the site know it, approved."""
        worker = registry.introduce(self.site.portal, self.public, "ocr on host7", ("ocr",))
        registry.approve(self.site.portal, worker, tuple(queues), "admin")
        transaction.commit()
        return self

    def ask(self, assertion=None, accept=JSON, user=None, **form):
        """Ask for a token."""
        asked = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": self.sign() if assertion is None else assertion,
        }
        return send(
            self.site, "@token", urlencode({**asked, **form}).encode(), FORM, accept, user=user
        )

    def token(self):
        """Return a token."""
        return self.ask().json["access_token"]


def send(site, path, body=b"", kind=JSON, accept=JSON, method="POST", **more):
    """Send a body."""
    return site.request(method, path, body=body, kind=kind, accept=accept, **more)


def prepare(site):
    """Install the add-on; nobody else may use the REST API."""
    install(site.portal)
    site.portal.manage_permission("plone.restapi: Use REST API", ["Manager"])
    transaction.commit()
