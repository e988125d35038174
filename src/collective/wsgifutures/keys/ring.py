"""The key ring of a site: the key that signs now, and the public halves of earlier ones.

The keys are of Ed25519. Private keys are kept in the ZODB, unencrypted, as Plone keeps its own
secrets: whoever reads the database signs tokens of the site. They are in nobody's ``repr``, log or
page, and the private half is deleted from the ring when another key takes over; packing removes
it from the file.

A ring is made when the add-on is installed, or by the first token. There is no leader and no
timer: whoever signs finds that the key is 90 days old, and makes the next one. That one token is
still signed with the old key, which is committed already; so it is good even if its transaction
is aborted, or plone.protect or a later pass drops what it wrote.
"""

from .places import find_part
from .places import make_part
from .places import Place
from .public import make_jwk
from .public import thumbprint
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
from persistent import Persistent
from plone.protect.utils import safeWrite
from typing import Any

DAY = 86400.0

#: Seconds for which a key signs.
ROTATE_AFTER = 90 * DAY

#: The longest lifetime of a token, in seconds. Jobs may have later deadlines: nothing bounds
#: these. So a token ends before its job does, and whoever still needs one gets a new one.
LONGEST = 30 * DAY

#: Seconds for which the public half of a key is kept that signs no more: until the last of its
#: tokens has ended, and the clocks of all hosts know that.
KEPT = LONGEST + DAY


@dataclass(frozen=True)
class Key:
    """One pair of keys; only the public half once another one signs."""

    id: str  #: the thumbprint of the public half
    public: bytes
    private: bytes = field(repr=False)
    made: float  #: in seconds since the epoch
    ended: float | None = None  #: when the next one took over

    @property
    def signer(self) -> Ed25519PrivateKey:
        """What signs."""
        return Ed25519PrivateKey.from_private_bytes(self.private)


def make_key(now: float) -> Key:
    """Return a new pair of keys."""
    pair = Ed25519PrivateKey.generate()
    public = pair.public_key().public_bytes_raw()
    return Key(thumbprint(public), public, pair.private_bytes_raw(), now)


class Ring(Persistent):  # type: ignore[misc]
    """The keys of one site.

    Args:
        now: In seconds since the epoch, as everywhere here.
    """

    def __init__(self, now: float) -> None:
        self._keys: tuple[Key, ...] = (make_key(now),)  # the newest first

    @property
    def current(self) -> Key:
        """The key that signs."""
        return self._keys[0]

    def is_due(self, now: float) -> bool:
        """Tell whether the next key should take over."""
        return now - self.current.made >= ROTATE_AFTER

    def rotate(self, now: float, *, forget: bool = False) -> None:
        """Let a new key take over.

        Args:
            now: The time.
            forget: Whether all earlier keys are forgotten at once, after a leak: no token that
                they have signed is good any more.
        """
        ended = () if forget else self.known(now)
        self._keys = (make_key(now), *(_end(key, now) for key in ended))

    def find(self, id: Any, now: float) -> Key | None:
        """Return the key of that id; None if there is none, or it was forgotten."""
        return next((key for key in self.known(now) if key.id == id), None)

    def known(self, now: float) -> tuple[Key, ...]:
        """Return the keys whose tokens may be good, the newest first."""
        return tuple(key for key in self._keys if key.ended is None or now < key.ended + KEPT)


def _end(key: Key, now: float) -> Key:
    return replace(key, private=b"", ended=now if key.ended is None else key.ended)


def find_ring(place: Place) -> Ring | None:
    """Return the ring of a site; None if it has signed nothing yet."""
    return find_part(place, "ring")  # type: ignore[no-any-return]


def ring_of(place: Place, now: float) -> Ring:
    """Return the ring of a site, a new one if it has none."""
    return make_part(place, "ring", partial(Ring, now))  # type: ignore[no-any-return]


def take_key(place: Place, now: float) -> Key:
    """Return the key to sign with; after 90 days also make the next one, for others."""
    ring = ring_of(place, now)
    key = ring.current
    if ring.is_due(now):
        safeWrite(ring)  # it does not matter whose request it is
        ring.rotate(now)
    return key


def published(place: Place, now: float) -> list[dict[str, str]]:
    """Return the public keys of a site, as a JWK set has them (RFC 7517).

    Whoever keeps the set should read it again if a token names a key that is not in it.
    """
    ring = find_ring(place)
    keys = () if ring is None else ring.known(now)
    more = {"use": "sig", "alg": "EdDSA"}
    return [{**make_jwk(key.public), "kid": key.id, **more} for key in keys]
