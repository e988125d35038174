"""The application tokens of a site: what is kept of them, and where.

That is beside the site, not in it (``keys/places.py``): an export or a copy of the site has no
token of the first. The secret itself is nowhere: tokens are found by its digest.

When a token was used is kept apart from it, by the day: a token that is used all day long is
written once a day, and once for each new address, ten times a day at most.
"""

from ..jobs.origin import Origin
from ..keys.places import find_part
from ..keys.places import make_part
from ..keys.places import Place
from .owned import Owned
from .scope import Scope
from BTrees.OOBTree import OOBTree
from BTrees.OOBTree import OOTreeSet
from collections.abc import Mapping
from persistent import Persistent
from typing import Any

PART = "tokens"

DAY = 86400.0

#: Seconds for which a token is kept in lists that is not good any more.
KEPT = 30 * DAY

#: How many addresses are kept of one token, and how many new ones of one day.
MOST_ADDRESSES = 20
MOST_A_DAY = 10


class Use(Persistent):  # type: ignore[misc]
    """When a token was used last, and from where."""

    def __init__(self) -> None:
        self.days: dict[str, int] = {}  #: the last day of use by address, the latest at the end

    def is_due(self, address: str, now: float) -> bool:
        """Tell whether a use now is to be noted."""
        today = int(now // DAY)
        of_today = sum(day >= today for day in self.days.values())
        return self.days.get(address, -1) < today and of_today < MOST_A_DAY

    def note(self, address: str, now: float) -> None:
        """Note a use."""
        others = {name: day for name, day in self.days.items() if name != address}
        self.days = _latest({**others, address: int(now // DAY)})

    def _p_resolveConflict(self, old: Any, saved: Any, new: Any) -> Any:
        """Keep what both have noted: each address with its last day."""
        days = dict(saved["days"])
        for address, day in new["days"].items():
            days[address] = max(day, days.get(address, day))
        return {**new, "days": _latest(days)}


def _latest(days: Mapping[str, int]) -> dict[str, int]:
    by_day = sorted(days.items(), key=lambda item: item[1])  # stable: the last noted is the last
    return dict(by_day[-MOST_ADDRESSES:])


class Granted(Owned):
    """What lets a program in: an application token, or a service account.

    Args:
        id: Public, for lists and logs.
        name: What it is for, in the words of its maker.
        origin: Names the user and the user folder.
        scope: What it may.
        made: When, in seconds since the epoch.
        ends: When it is no longer good.
        made_by: The id of the user who made it.
    """

    def __init__(
        self,
        id: str,
        name: str,
        origin: Origin,
        scope: Scope,
        made: float,
        ends: float,
        made_by: str,
    ) -> None:
        super().__init__(origin, scope)
        self.id = id
        self.name = name
        self.made = made
        self.ends = ends
        self.made_by = made_by
        self.revoked: float | None = None  #: when somebody ended it
        self.revoked_by = ""  #: the id of the user who did
        self.use = Use()

    @property
    def used(self) -> float | None:
        """When the day began, in UTC, on which it was used last; None: it was not."""
        return max(self.use.days.values()) * DAY if self.use.days else None

    @property
    def used_from(self) -> str:
        """The address that it was used from lately; empty: it was not used."""
        return next(reversed(self.use.days), "")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that it was used from, the latest first."""
        return tuple(reversed(self.use.days))

    def revoke(self, by: str, now: float) -> None:
        """End it."""
        self.revoked, self.revoked_by = now, by

    def is_past(self, now: float) -> bool:
        """Tell whether it has ended, or somebody has ended it."""
        return self.revoked is not None or now >= self.ends

    def is_forgotten(self, now: float) -> bool:
        """Tell whether it was in lists for long enough."""
        end = self.ends if self.revoked is None else min(self.revoked, self.ends)
        return now >= end + KEPT


class AppToken(Granted):
    """One application token.

    Args:
        id: Short.
        digest: Of the secret.
        *more: As of all that is ``Granted``.
    """

    def __init__(self, id: str, digest: bytes, *more: Any) -> None:
        super().__init__(id, *more)
        self.digest = digest


class AppTokens(Persistent):  # type: ignore[misc]
    """The tokens of one site: by the digest, by the id, by the user."""

    def __init__(self) -> None:
        self.by_digest = OOBTree()
        self.by_id = OOBTree()
        self.by_user = OOTreeSet()  #: folder, user, id

    def add(self, token: AppToken) -> None:
        """Keep a token."""
        self.by_digest[token.digest] = self.by_id[token.id] = token
        self.by_user.insert((token.folder, token.user, token.id))

    def of_user(self, folder: str, user_id: str) -> list[AppToken]:
        """Return the tokens of a user, in no order."""
        keys = self.by_user.keys((folder, user_id, ""), (folder, user_id, "~"))
        return [self.by_id[id] for _, _, id in keys]

    def drop_past(self, now: float) -> None:
        """Drop the tokens that were in lists for long enough."""
        for token in [token for token in self.by_id.values() if token.is_forgotten(now)]:
            del self.by_digest[token.digest], self.by_id[token.id]
            self.by_user.remove((token.folder, token.user, token.id))


def find_tokens(place: Place) -> AppTokens | None:
    """Return the tokens of a site; None if there never was one."""
    return find_part(place, PART)  # type: ignore[no-any-return]


def make_tokens(place: Place) -> AppTokens:
    """Return the tokens of a site, new ones if there never was one."""
    return make_part(place, PART, AppTokens)  # type: ignore[no-any-return]
