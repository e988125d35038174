"""Scripts and styles of ours that a page names only where it needs them."""

from pathlib import Path
from plone import api
from zope.globalrequest import getRequest

import functools
import hashlib

_STATIC = Path(__file__).parent / "static"


def address_of(name: str) -> str:
    """Return the address of the file *name*, which changes with the file."""
    site = getRequest().physicalPathToURL(api.portal.get().getPhysicalPath(), relative=1)
    return f"{site}/++resource++collective.wsgifutures/{name}?{_version(name)}"


@functools.cache
def _version(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:8]
