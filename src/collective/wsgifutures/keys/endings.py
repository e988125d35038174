"""When all tokens of a user were ended: by another password, or by "log out everywhere".

A token says since when its bearer is logged in (``auth_time``). What began before the last end of
all is nobody's. Kept beside the keys of the site, by user folder and user, and only written at
those events; users of what is above sites, as Zope's root, have their own place, since they are
users of each site below.

Nothing is kept for longer than tokens live: the ends of two months share a tree, and a tree is
dropped as a whole.
"""

from ..jobs.store import main_connection
from .places import find_part
from .places import make_part
from .places import Place
from .places import place_of
from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree
from Products.CMFCore.interfaces import ISiteRoot
from typing import Any

import math
import time

#: The name of what is kept.
PART = "endings"

DAY = 86400.0

#: Seconds after which nobody has a token any more that began before.
LONGEST_LIFE = 366 * DAY

#: The seconds whose ends share a tree.
SPAN = 61 * DAY


def ended_since(site: Any, folder: str, user_id: str) -> float:
    """Return when all tokens of a user were ended, in seconds since the epoch; 0: never.

    A token is good only if it began later.

    Args:
        site: The Plone site, or its ``Place``.
        folder: The path of what has the user's ``acl_users``; that of Zope's root is empty.
        user_id: The user's id.
    """
    spans = find_part(_place(site, folder), PART)
    for ends in reversed(spans.values()) if spans is not None else ():
        if (folder, user_id) in ends:
            return float(ends[folder, user_id])
    return 0.0


def begin_after(site: Any, folder: str, user_id: str, now: float) -> float:
    """Return when something begins that whoever is logged in *now* gets: after the last end.

    The clock of the host that ended all may be seconds ahead of this one.
    """
    return max(now, math.nextafter(ended_since(site, folder, user_id), math.inf))


def end_all(site: Any, folder: str, user_id: str, now: float | None = None) -> None:
    """End all tokens of a user that have begun by now: log the user out everywhere.

    Sessions and plone.restapi's own tokens are not ours, and go on.

    Args:
        site: The Plone site, or its ``Place``; or what has the user folder, above sites.
        folder: The path of what has the user's ``acl_users``; that of Zope's root is empty.
        user_id: The user's id.
        now: In seconds since the epoch. Default: the time.
    """
    now = time.time() if now is None else now
    spans = make_part(_place(site, folder), PART, IOBTree)
    span = int(now // SPAN)
    if span not in spans:
        spans[span] = OOBTree()
        _forget(spans, now)
    spans[span][folder, user_id] = max(now, spans[span].get((folder, user_id), now))


def _forget(spans: Any, now: float) -> None:
    """Drop what no token can be older than."""
    last = int((now - LONGEST_LIFE) // SPAN) - 1
    for span in list(spans.keys(None, last)):
        del spans[span]


def _place(site: Any, folder: str) -> Place:
    """Return where the ends of a user folder are kept: the site's place, or that of all above."""
    if isinstance(site, Place) or ISiteRoot.providedBy(site):
        place = place_of(site)
        if f"{folder}/".startswith(f"{place.path}/"):
            return place
    connection = site.connection if isinstance(site, Place) else main_connection(site._p_jar)
    return Place(connection, "", "")
