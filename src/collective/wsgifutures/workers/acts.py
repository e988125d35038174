"""What an administrator does with workers and keys, in the control panel and in ``@workers``.

Each is done in the transaction of the request. Whoever calls has checked the permission.
"""

from ..keys.places import place_of
from ..keys.public import group
from ..keys.ring import find_ring
from ..keys.ring import Key
from ..keys.ring import ring_of
from ..keys.ring import ROTATE_AFTER
from . import registry
from .events import KeyRotated
from .held import take_all_back
from .held import take_back
from .registry import Worker
from typing import Any
from typing import NamedTuple
from zope.event import notify

import logging
import time

logger = logging.getLogger(__name__)


class ShownKey(NamedTuple):
    """A key of a site, as people see it: the public half alone."""

    id: str
    made: float
    ended: float | None  #: when the next one took over; None: it signs
    rotates: float | None  #: when the next one takes over

    @property
    def fingerprint(self) -> str:
        """Its id, as people compare it."""
        return group(self.id)


def keys_of(site: Any) -> list[ShownKey]:
    """Return the keys of a site whose tokens may be good, the newest first; none: none signed."""
    ring = find_ring(place_of(site))
    return [] if ring is None else [_show(key) for key in ring.known(time.time())]


def _show(key: Key) -> ShownKey:
    rotates = key.made + ROTATE_AFTER if key.ended is None else None
    return ShownKey(key.id, key.made, key.ended, rotates)


def withdraw(site: Any, worker: Worker, by: str) -> int:
    """Let *worker* do nothing any more; return how many jobs were taken from it."""
    registry.withdraw(site, worker, by)
    return take_back(site, worker.id, time.time())


def forget(site: Any, worker: Worker, by: str) -> int:
    """Know nothing of *worker* any more; return how many jobs were taken from it."""
    registry.forget(site, worker, by)
    return take_back(site, worker.id, time.time())


def rotate(site: Any, by: str, *, forget: bool = False) -> int:
    """Let a new key sign; return how many jobs were taken from their workers.

    Args:
        site: The site.
        by: The id of the user who does that.
        forget: Whether no token is good any more that an earlier key has signed.
    """
    place, now = place_of(site), time.time()
    ring_of(place, now).rotate(now, forget=forget)
    end = "; all tokens before have ended" if forget else ""
    logger.info("The key that signs tokens was changed by %s%s.", by, end)
    notify(KeyRotated(place.path, by, forget))
    return take_all_back(site, now) if forget else 0
