"""Where the keys of a site are kept, and whatever else belongs to a site but not into it.

That is in the root of Zope's main database, beside the jobs: an export or a copy of the site has
none of it. Two things name the site: its UID and its path. A site that was imported beside the
one that it was exported from has the UID of that one, and nothing else of it.
"""

from ..jobs.records import Job
from ..jobs.store import main_connection
from BTrees.OOBTree import OOBTree
from collections.abc import Callable
from plone.protect.utils import safeWrite
from plone.uuid.interfaces import IUUID
from typing import Any
from typing import NamedTuple

ROOT = "collective.wsgifutures.keys"


class Place(NamedTuple):
    """One site in one database, for whoever has the site itself or not."""

    connection: Any  #: to the main database
    uid: str  #: of the site
    path: str  #: the site's, as ``/Plone``

    @property
    def urn(self) -> str:
        """The name of the site in tokens."""
        return f"urn:uuid:{self.uid}"

    def has(self, job: Job) -> bool:
        """Tell whether *job* was submitted in the site, and not in a copy of it."""
        origin = job.wanted.origin
        return (origin.site_uid, origin.site) == (self.uid, self.path)


def place_of(site: Any) -> Place:
    """Return the place of a Plone site, or *site* itself if it is one already."""
    if isinstance(site, Place):
        return site
    path = "/".join(site.getPhysicalPath())
    return Place(main_connection(site._p_jar), str(IUUID(site)), path)


def find_part(place: Place, name: str) -> Any:
    """Return what is kept of a site under *name*; None if nothing was."""
    return place.connection.root().get(ROOT, {}).get(_key(place), {}).get(name)


def make_part(place: Place, name: str, factory: Callable[[], Any]) -> Any:
    """Return what is kept of a site under *name*, a new one of *factory* if nothing was.

    plone.protect lets it be made in any request: it does not matter who asks first.
    """
    parts: Any = place.connection.root()
    for key, make in ((ROOT, OOBTree), (_key(place), OOBTree), (name, factory)):
        if key not in parts:
            parts[key] = make()
            safeWrite(parts)
        parts = parts[key]
    return parts


def _key(place: Place) -> str:
    return f"{place.uid} {place.path}"
