"""At which public addresses tokens of a site were asked for, as long as one key has signed them.

A copy of a whole database has the keys of its original, and neither can see the other. What it can
see is that tokens are asked for at another address now, that nobody has come to the former one
since, and that the key is still the same. Only those count who got a token: everybody else may
send any address. Written once an hour at most, in a transaction that writes anyway.
"""

from .places import make_part
from .places import Place
from .ring import ring_of
from persistent import Persistent
from typing import Any
from typing import NamedTuple

#: The name of what is kept.
PART = "addresses"

#: How many addresses are kept, the newest, and for how many seconds a note is good enough.
MOST = 8
OFTEN = 3600.0


class Used(NamedTuple):
    """An address, and when the first and the last token were asked for there."""

    url: str
    first: float
    last: float


class Addresses(Persistent):  # type: ignore[misc]
    """The addresses of one site, by the key that signs now; in the order of their first use."""

    key = ""
    used: tuple[Used, ...] = ()

    def note(self, key: str, url: str, now: float) -> None:
        """Note that a token was asked for at *url*, and signed with *key*."""
        used = {one.url: one for one in self.used} if key == self.key else {}
        known = used.get(url)
        if known is not None and now - known.last < OFTEN:
            return
        used[url] = Used(url, now if known is None else known.first, now)
        self.key, self.used = key, tuple(used.values())[-MOST:]

    def moved(self, key: str) -> tuple[Used, Used] | None:
        """Return the former address and the new one, if nobody came to the former one since."""
        if key != self.key or len(self.used) < 2:
            return None
        former, new = self.used[-2:]
        return (former, new) if former.last < new.first else None


def note_address(place: Place, url: str, now: float) -> None:
    """Note that a token of a site was given to whoever asked at *url*."""
    addresses: Any = make_part(place, PART, Addresses)
    addresses.note(ring_of(place, now).current.id, url, now)
