"""A token is good in one site: with it nothing is copied or moved out of another one.

A user of Zope's root may have rights in several sites. Services that copy and move content take it
from wherever the user may, by a path that leads out of the site. So it is looked at where the
content comes from, when Zope says that it is copied or moved.
"""

from .published import find_site
from typing import Any
from zExceptions import Forbidden
from zope.globalrequest import getRequest

#: What a request has that is a bearer's: the path of the site.
_SITE = "_wsgifutures_site"


def keep_in(request: Any, site: Any) -> None:
    """Let a request take content from nowhere but *site*."""
    vars(request)[_SITE] = site.getPhysicalPath()


def content_is_copied(event: Any) -> None:
    """Refuse a copy of content of another site.

    Raises:
        Forbidden: It is, and a token says who asks.
    """
    _check(event.original)


def content_will_be_moved(content: Any, event: Any) -> None:
    """Refuse to move content out of another site.

    Raises:
        Forbidden: It would be, and a token says who asks.
    """
    if event.oldParent is not None:  # else it is added
        _check(event.oldParent)


def _check(content: Any) -> None:
    request = getRequest()
    path = None if request is None else vars(request).get(_SITE)
    if path is None:
        return
    site = find_site(content)
    if site is None or site.getPhysicalPath() != path:
        raise Forbidden("A token is good in one site: this content is not in it.")
