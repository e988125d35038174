"""What caches may keep of a page with parts, and of a deferred part.

The addresses of parts in a page are good for some time, and those in a user's page for that user.
A site's rules for caching know nothing of that. So this has the last word, after them:

- what is for one user is in no cache but that user's own;
- a page is kept for no longer than its addresses are good for. It has nothing by which a cache
  could ask whether it is still the same: in a site where nothing changes it always is, and
  would live on in a browser when its addresses do not;
- what came at its deadline is not kept: placeholders may stand in it.
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
except ImportError:  # a site without it

    class IRAMCached(Interface):  # type: ignore[misc, no-redef]
        """Nothing provides this."""


#: For how long a page may be kept, in seconds: one cache may get it from another one, which
#: had it as long.
MOST = sealed.VALID_FOR_ANYBODY[0] // 2

_FOR_NOBODY = "private, no-store"

_SECONDS = re.compile(r"=\s*\"?(\d+)\"?")

_TELL = "collective.wsgifutures.browser.caching"


def page_has_addresses(request: Any) -> None:
    """Tell caches so, when the page of *request* is done."""
    for_anybody = sealed.is_anonymous()
    IAnnotations(request)[_TELL] = _page_for_anybody if for_anybody else _page_for_one


def answer_is_a_part(request: Any) -> None:
    """Let no cache keep the answer to *request* which may not, whatever is said from here on."""
    request.response.setHeader("Cache-Control", _FOR_NOBODY)
    IAnnotations(request)[_TELL] = _part


def _page_for_anybody(request: Any) -> None:
    response = request.response
    _take_away(response, "etag", "last-modified")
    told = response.getHeader("Cache-Control")
    if told and (shorter := _SECONDS.sub(_shorter, told)) != told:
        response.setHeader("Cache-Control", shorter)
        _take_away(response, "expires")


def _shorter(seconds: re.Match[str]) -> str:
    return f"={min(int(seconds[1]), MOST)}"


def _page_for_one(request: Any) -> None:
    told = request.response.getHeader("Cache-Control") or ""
    _tell_no_shared_cache(request, told if "no-store" in told else "private, no-cache")


def _part(request: Any) -> None:
    if not sealed.is_anonymous() or request.response.getStatus() != 200:
        _for_nobody(request)  # else it may be kept, if it says so or the site does


def _for_nobody(request: Any) -> None:
    _tell_no_shared_cache(request, _FOR_NOBODY)


def _tell_no_shared_cache(request: Any, cache_control: str) -> None:
    _take_away(request.response, "etag", "last-modified", "expires")
    request.response.setHeader("Cache-Control", cache_control)
    noLongerProvides(request, IRAMCached)


def _take_away(response: Any, *names: str) -> None:
    for name in [name for name in response.headers if name.lower() in names]:
        del response.headers[name]  # plone.app.caching writes ETag as it stands there


@implementer(ITransform)
@adapter(Interface, Interface)
class LastWord:
    """Tells caches, after plone.caching has, and before plone.app.caching keeps a page."""

    order = 12_100

    def __init__(self, published: Any, request: Any) -> None:
        self.request = request

    def transformUnicode(self, result: str, encoding: str) -> None:
        """Leave a page of text as it is."""
        self._tell()

    def transformBytes(self, result: bytes, encoding: str) -> None:
        """Leave a page of bytes as it is."""
        self._tell()

    def transformIterable(self, result: Any, encoding: str) -> None:
        """Leave a page of parts as it is."""
        self._tell()

    def _tell(self) -> None:
        this = current_pass()
        tell: Callable[[Any], None] | None = IAnnotations(self.request, {}).get(_TELL)
        if this is not None and this.hold.late:
            tell = _for_nobody
        if tell is not None:
            tell(self.request)
