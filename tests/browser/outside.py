"""A worker elsewhere: a program without Plone that asks a running site for jobs."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wsgifutures_worker.errors import Away
from wsgifutures_worker.errors import Refused
from wsgifutures_worker.keys import Key
from wsgifutures_worker.site import Site

import uuid


class Outside:
    """A worker with a key of its own, which does what a test says and nothing by itself.

    Args:
        site: The address of the site.
        name: What it calls itself.
    """

    def __init__(self, site, name):
        key = Key(Ed25519PrivateKey.generate())
        self.name = name
        self.id = key.id
        self.fingerprint = key.fingerprint
        self._site = Site(site, key)

    def introduce(self, *queues):
        """Ask to be approved; return itself."""
        self._site.introduce(self.name, list(queues))
        return self

    def claim(self):
        """Claim a job; return its claim, None if there is none."""
        key = uuid.uuid4().hex
        return _again(lambda: self._site.claim(None, 20, key))

    def tell(self, claim, done):
        """Tell how far it is with a job; return the status of the answer."""
        try:
            _again(lambda: self._site.tell(claim, "progress", {"done": done}))
        except Refused as refused:
            return refused.status
        return 200


def _again(ask):
    """Ask as a worker does: once more, if the server has just closed the connection it has kept."""
    try:
        return ask()
    except Away:
        return ask()
