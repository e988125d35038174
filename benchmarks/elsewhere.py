"""A worker elsewhere as plain HTTP: what it costs is the site's, not a library's."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from queues import ADMIN
from urllib.parse import urlsplit
from wsgifutures_worker.keys import Key

import http.client
import json
import secrets

QUEUE = "scans"


class Elsewhere:
    """A worker that is approved in a site.

    Args:
        site: The address of the site, with a slash at its end.
    """

    def __init__(self, site):
        self.site = site
        self._key = Key(Ed25519PrivateKey.generate())
        self.id = self._key.id
        line = Line(site)
        about = {"jwk": self._key.jwk, "name": "benchmark", "queues": [QUEUE]}
        line.post("@workers", {**about, "assertion": self._assertion()})
        line.post(f"@workers/{self.id}/approve", {"queues": [QUEUE]}, ADMIN)

    def token(self):
        """Return a token, good for ten minutes."""
        grant = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self._assertion(),
        }
        return f"Bearer {Line(self.site).post('@token', grant)['access_token']}"

    def _assertion(self):
        return self._key.assertion(self.site.rstrip("/"))


class Line:
    """A connection to a site, kept open.

    Args:
        site: The address of the site, with a slash at its end.
    """

    def __init__(self, site):
        parts = urlsplit(site)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)

    def post(self, name, body, auth=""):
        """Send *body* as JSON; return the answer's, None if it has none."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        headers |= {"Authorization": auth} if auth else {}
        self._connection.request("POST", self._path + name, json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{name}: {answer.status} {text[:500]!r}")
        return json.loads(text) if text else None

    def get(self, name):
        """Return what the site answers."""
        self._connection.request("GET", self._path + name, headers={"Accept": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def claim(self, token, wait=0.0):
        """Return the next job; None if there was none in time."""
        body = {"queues": [QUEUE], "wait": wait, "key": secrets.token_hex(8)}
        return self.post("@jobs/claim", body, token)

    def complete(self, claimed, result=None):
        """Tell that a job is done."""
        self.post(
            f"@jobs/{claimed['job']}/complete", {"result": result}, f"Bearer {claimed['claim']}"
        )
