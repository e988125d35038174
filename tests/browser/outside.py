"""A worker elsewhere: a program without Plone that asks a running site for jobs."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import base64
import hashlib
import json
import jwt
import requests
import time
import uuid

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def encode(data):
    """Return bytes in base64url, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Outside:
    """A worker with a key of its own.

    Args:
        site: The address of the site.
        name: What it calls itself.
    """

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.key = Ed25519PrivateKey.generate()
        x = encode(self.key.public_key().public_bytes_raw())
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": x}
        written = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        self.id = encode(hashlib.sha256(written.encode()).digest())

    @property
    def fingerprint(self):
        """Its id, as its command line prints it."""
        return " ".join(self.id[start : start + 4] for start in range(0, len(self.id), 4))

    def sign(self):
        """Return an assertion."""
        now = int(time.time())
        said = {"iss": self.id, "sub": self.id, "aud": self.site, "iat": now, "exp": now + 60}
        header = {"typ": "JWT", "kid": self.id}
        return jwt.encode({**said, "jti": uuid.uuid4().hex}, self.key, "EdDSA", header)

    def introduce(self, *queues):
        """Ask to be approved; return itself."""
        body = {"jwk": self.jwk, "name": self.name, "queues": queues, "assertion": self.sign()}
        self._send("@workers", json=body)
        return self

    def claim(self):
        """Claim a job; return what the site says of it, None if there is none."""
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
        told = self._send("@token", data={**form, "client_assertion": self.sign()}).json()
        headers = {"Authorization": f"Bearer {told['access_token']}"}
        answer = self._send("@jobs/claim", json={"wait": 20}, headers=headers)
        return answer.json() if answer.status_code == 200 else None

    def tell(self, claim, done):
        """Tell how far it is with a job; return the status of the answer."""
        headers = {"Authorization": f"Bearer {claim['claim']}", "Accept": "application/json"}
        url = claim["links"]["progress"]
        return requests.post(url, json={"done": done}, headers=headers, timeout=60).status_code

    def _send(self, path, headers=(), **body):
        headers = {"Accept": "application/json", **dict(headers)}
        answer = requests.post(f"{self.site}/{path}", headers=headers, timeout=60, **body)
        answer.raise_for_status()
        return answer
