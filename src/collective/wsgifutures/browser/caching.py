"""How long caches may keep a page with deferred parts, and how long they may keep a part.

The address of a part is valid for a while, and in a user's page for that user alone. A site's
rules for caching know nothing of that. So this module has the last word, after them:

- An answer for a user is kept only by the cache of that user's browser.
- A cache keeps a page no longer than the addresses in the page are valid. The page has neither
  an ETag nor a date: in a site where nothing changes a browser would get "not modified" each
  time, and keep the page beyond the validity of its addresses.
- No cache keeps an answer that was made at its deadline: it may contain placeholders.
"""

from ..kernel.passes import current_pass
from . import sealed
from collections.abc import Callable
from plone.transformchain.interfaces import ITransform
from typing import Any
from zope.annotation.interfaces import IAnnotations
from zope.component import adapter
from zope.interface import implementer
from zope.interface import Interface
from zope.interface import noLongerProvides

import re

try:
    from plone.app.caching.interfaces import IRAMCached
except ImportError:  # a site without plone.app.caching

    class IRAMCached(Interface):  # type: ignore[misc, no-redef]
        """An answer that the RAM cache keeps; nothing provides this interface."""


#: The longest time that a cache may keep a page, in seconds. Half of the addresses' validity: a
#: second cache may take the page from a first one that has kept it for as long.
MOST = sealed.VALID_FOR_ANYBODY[0] // 2

_NOT_KEPT = "private, no-store"

_SECONDS = re.compile(r"=\s*\"?(\d+)\"?")

_RULE = "collective.wsgifutures.browser.caching"


def limit_page(request: Any) -> None:
    """Limit how long caches keep the page of *request*: it has addresses of deferred parts."""
    for_anybody = sealed.is_anonymous()
    IAnnotations(request)[_RULE] = _limit_public_page if for_anybody else _limit_users_page


def limit_part(request: Any) -> None:
    """Limit which caches keep the answer to *request*: it is a deferred part.

    Until the part is made, no cache may keep the answer.
    """
    request.response.setHeader("Cache-Control", _NOT_KEPT)
    IAnnotations(request)[_RULE] = _limit_part


def _limit_public_page(request: Any) -> None:
    response = request.response
    _remove_headers(response, "etag", "last-modified")
    before = response.getHeader("Cache-Control")
    if before and (after := _SECONDS.sub(_shorten, before)) != before:
        response.setHeader("Cache-Control", after)
        _remove_headers(response, "expires")


def _shorten(seconds: re.Match[str]) -> str:
    return f"={min(int(seconds[1]), MOST)}"


def _limit_users_page(request: Any) -> None:
    before = request.response.getHeader("Cache-Control") or ""
    _forbid_shared_caches(request, before if "no-store" in before else "private, no-cache")


def _limit_part(request: Any) -> None:
    if not sealed.is_anonymous() or request.response.getStatus() != 200:
        _forbid_caches(request)  # else the headers of the part, or of the site, decide


def _forbid_caches(request: Any) -> None:
    _forbid_shared_caches(request, _NOT_KEPT)


def _forbid_shared_caches(request: Any, cache_control: str) -> None:
    _remove_headers(request.response, "etag", "last-modified", "expires")
    request.response.setHeader("Cache-Control", cache_control)
    noLongerProvides(request, IRAMCached)


def _remove_headers(response: Any, *names: str) -> None:
    for name in [name for name in response.headers if name.lower() in names]:
        del response.headers[name]  # plone.app.caching writes ETag with these capitals


@implementer(ITransform)
@adapter(Interface, Interface)
class LastWord:
    """Sets the headers for caches.

    After plone.caching has set its own, and before plone.app.caching keeps the page.
    """

    order = 12_100

    def __init__(self, published: Any, request: Any) -> None:
        self.request = request

    def transformUnicode(self, result: Any, encoding: str) -> None:
        """Set the headers; *result*, the page, stays."""
        this = current_pass()
        rule: Callable[[Any], None] | None = IAnnotations(self.request, {}).get(_RULE)
        if this is not None and this.hold.late:
            rule = _forbid_caches
        if rule is not None:
            rule(self.request)

    transformBytes = transformIterable = transformUnicode
