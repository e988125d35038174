"""Ids that are good once, in all processes: kept in the ZODB until their end.

They are in slices of time by their ends, and a slice that is past is dropped whole by whoever
comes next. Two processes that use one id at the same time write the same place of one BTree: one
of them has a conflict, is published again, and then finds the id used. That is so if both name
the same end, as two copies of one assertion do; whoever signs may use an id of its own twice.
"""

from .places import make_part
from .places import Place
from BTrees.Length import Length
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOTreeSet
from persistent import Persistent
from typing import Any

import hashlib

#: Seconds of one slice.
SLICE = 600

#: The most ids that are kept in one slice. Past that nothing is good, until its time has passed.
MOST = 50_000


class TooManyIds(Exception):
    """So many ids were used that no more are kept now."""


class Once(Persistent):  # type: ignore[misc]
    """The ids of one site that were used."""

    def __init__(self) -> None:
        self._slices = LOBTree()

    def use(self, id: str, end: float, now: float) -> bool:
        """Use an id; False if it was used.

        Args:
            id: A text of whatever length.
            end: When it is no longer good by itself, in seconds since the epoch.
            now: The time.

        Raises:
            TooManyIds: As it says.
        """
        self._drop_past(now)
        digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()
        if any(digest in ids for ids, _ in self._slices.values()):
            return False
        ids, count = self._slice(int(end) // SLICE)
        if count() >= MOST:
            raise TooManyIds
        ids.insert(digest)
        count.change(1)
        return True

    def _slice(self, number: int) -> Any:
        if number not in self._slices:
            self._slices[number] = OOTreeSet(), Length()
        return self._slices[number]

    def _drop_past(self, now: float) -> None:
        for number in list(self._slices.keys(max=int(now) // SLICE - 1)):
            del self._slices[number]


def use_once(place: Place, id: str, end: float, now: float) -> bool:
    """Use an id in a site; False if it was used there: see ``Once.use``."""
    return bool(make_part(place, "once", Once).use(id, end, now))
