"""Refresh tokens: families of secrets of which one is good at a time, and its successor follows.

Each use of a secret gives the next one, and each secret is good once. So if somebody comes with an
earlier one, two parties have the family, and nobody can tell which of them is the thief: the whole
family ends (RFC 9700, 4.14.2). ::

    1 ──use──> 2 ──use──> 3 ──use──> …
               │          └ good
               └ for 30 s it gives 3 again, the very same; later it ends the family

An answer that was lost, two tabs of a browser, a request that was published again after a conflict:
all of them come with the secret before, and get what the first one got. For that the successor is
made of the secret itself and of the family's key, which stays in the database. Neither of them
alone is enough, and the database has no secret, only digests.

The bits of a secret begin with the public id of its family, and end with a mark by the family's
key. The mark tells an earlier secret from what somebody made up, who has read an id in a log: only
the former ends the family. One record is written for each use. A family that ends is dropped.

A secret of whatever age is worth nothing but a family, and there are at most ``MOST_PER_USER`` of
one user: another login ends the one that was idle for longest.
"""

from ..jobs.origin import Origin
from ..keys.opaque import digest_of
from ..keys.opaque import read_secret
from ..keys.opaque import REFRESH
from ..keys.opaque import write_secret
from ..keys.places import find_part
from ..keys.places import make_part
from ..keys.places import Place
from .owned import Owned
from .scope import Scope
from BTrees.OOBTree import OOBTree
from BTrees.OOBTree import OOTreeSet
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac
from itertools import islice
from persistent import Persistent
from typing import NamedTuple

import secrets

PART = "families"

DAY = 86400.0

#: Seconds for which a secret that was used gives its successor again.
GRACE = 30.0

#: Seconds after which a family ends that nobody uses.
IDLE = 30 * DAY

#: Seconds after which a family ends, however often it is used.
LONGEST_LIFE = 180 * DAY

#: How many families of one user there are at one time.
MOST_PER_USER = 50

#: How many families whoever makes one looks at, to drop those that have ended.
SWEPT = 20

# The bits of a secret, in bytes: the id of the family, what is random, the mark.
_ID = 6
_RANDOM = 18
_MARK = 8


class Shown(NamedTuple):
    """A secret as somebody comes with it: well-formed, and nothing else is known of it."""

    text: str
    bits: bytes

    @property
    def family(self) -> str:
        """The id of its family."""
        return self.bits[:_ID].hex()


def read_shown(text: object) -> Shown | None:
    """Return a secret of a family; None: it is not well-formed."""
    bits = read_secret(text, REFRESH)
    return None if bits is None else Shown(str(text), bits)


class Reused(Exception):
    """Somebody came with a secret of a family whose successor was used, or given long ago."""


class Family(Owned):
    """One login, and the secrets that followed each other since.

    Args:
        id: Short and public, for lists, logs and the access tokens.
        name: What it is for, in the words of the client; empty: it did not say.
        origin: Names the user and the user folder.
        scope: What its access tokens may.
        now: When the user logged in, in seconds since the epoch.
    """

    def __init__(self, id: str, name: str, origin: Origin, scope: Scope, now: float) -> None:
        super().__init__(origin, scope)
        self.id = id
        self.name = name
        self.started = now
        self.used = now  #: when the current secret was given
        self._key = secrets.token_bytes(32)
        self._current = self._before = b""

    @property
    def ends(self) -> float:
        """When it ends if nobody uses it, in seconds since the epoch."""
        return min(self.used + IDLE, self.started + LONGEST_LIFE)

    def is_past(self, now: float) -> bool:
        """Tell whether it has ended by itself."""
        return now >= self.ends

    def begin(self) -> str:
        """Return its first secret."""
        secret = self._write(secrets.token_bytes(_RANDOM))
        self._current = digest_of(secret)
        return secret

    def has(self, shown: Shown) -> bool:
        """Tell whether a secret is, or once was, one of this family."""
        body, mark = shown.bits[:-_MARK], shown.bits[-_MARK:]
        return shown.family == self.id and compare_digest(mark, self._mark(body))

    def rotate(self, shown: Shown, now: float) -> str:
        """Return the successor of a secret of this family: see ``has``.

        Nothing is written if it was given before.

        Raises:
            Reused: It is an earlier one, and too late for its successor.
        """
        digest, successor = digest_of(shown.text), self._successor(shown)
        if compare_digest(digest, self._current):
            self._before, self._current, self.used = digest, digest_of(successor), now
        elif not compare_digest(digest, self._before) or now >= self.used + GRACE:
            raise Reused
        return successor

    def _successor(self, shown: Shown) -> str:
        return self._write(hmac(self._key, b"next" + shown.bits, sha256)[:_RANDOM])

    def _write(self, random: bytes) -> str:
        body = bytes.fromhex(self.id) + random
        return write_secret(REFRESH, body + self._mark(body))

    def _mark(self, body: bytes) -> bytes:
        return hmac(self._key, b"mark" + body, sha256)[:_MARK]


class Families(Persistent):  # type: ignore[misc]
    """The families of one site: by the id, by the user, by the day on which one may have ended."""

    def __init__(self) -> None:
        self.by_id = OOBTree()
        self.by_user = OOTreeSet()  #: folder, user, id
        self.by_day = OOTreeSet()  #: day, id; also of those that were dropped

    def add(self, family: Family) -> None:
        """Keep a family, and drop some that have ended."""
        self._sweep(family.started)
        for other in self._too_many(family):
            self.drop(other)
        self.by_id[family.id] = family
        self.by_user.insert((family.folder, family.user, family.id))
        self.by_day.insert((_day(family.ends), family.id))

    def drop(self, family: Family) -> None:
        """Keep a family no more: it has ended."""
        if family.id in self.by_id:
            del self.by_id[family.id]
            self.by_user.remove((family.folder, family.user, family.id))

    def of_user(self, folder: str, user_id: str) -> list[Family]:
        """Return the families of a user, the one that was used last first."""
        keys = self.by_user.keys((folder, user_id, ""), (folder, user_id, "~"))
        found = [self.by_id[id] for _, _, id in keys]
        return sorted(found, key=lambda family: (-family.used, family.id))

    def _too_many(self, family: Family) -> list[Family]:
        return self.of_user(family.folder, family.user)[MOST_PER_USER - 1 :]

    def _sweep(self, now: float) -> None:
        """Look at the first families that may have ended, and at those that have not later."""
        for day, id in list(islice(self.by_day.keys(None, (_day(now), "")), SWEPT)):
            self.by_day.remove((day, id))
            family = self.by_id.get(id)
            if family is not None and family.is_past(now):
                self.drop(family)
            elif family is not None:
                self.by_day.insert((_day(family.ends), id))


def _day(when: float) -> int:
    """Return the first day, by its number, at whose beginning *when* has passed."""
    return int(when // DAY) + 1


def find_families(place: Place) -> Families | None:
    """Return the families of a site; None if there never was one."""
    return find_part(place, PART)  # type: ignore[no-any-return]


def find_family(place: Place, id: object, now: float) -> Family | None:
    """Return the family of that id; None: there is none, or it has ended."""
    families = find_families(place)
    found = None if families is None or not isinstance(id, str) else families.by_id.get(id)
    return None if found is None or found.is_past(now) else found


def make_family(
    place: Place, name: str, origin: Origin, scope: Scope, now: float
) -> tuple[Family, str]:
    """Return a new family of a site, and its first secret."""
    families = make_part(place, PART, Families)
    id = secrets.token_hex(_ID)
    while id in families.by_id:
        id = secrets.token_hex(_ID)
    family = Family(id, name, origin, scope, now)
    secret = family.begin()
    families.add(family)
    return family, secret
