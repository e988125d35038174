"""Puts a page into plone.app.caching's RAM cache when its pass is committed, not before.

plone.app.caching puts a page there at the end of the transforms. A later hook or subscriber,
or a future submitted in a transform, may still discard the pass. The next pass would then be
answered with the page of a discarded pass, and none of its own writes would be made.
"""

from ..kernel.passes import current_pass
from ..kernel.streams.answers import StreamAnswer
from plone.app.caching.interfaces import IRAMCached
from plone.app.caching.operations.ramcache import Store
from plone.app.caching.operations.utils import storeResponseInRAMCache
from plone.transformchain.interfaces import ITransform
from typing import Any
from zope.annotation.interfaces import IAnnotations
from zope.component import adapter
from zope.interface import implementer
from zope.interface import Interface
from zope.interface import noLongerProvides

_PUT_OFF = "collective.wsgifutures.publisher.pages"


@implementer(ITransform)
@adapter(Interface, Interface)
class PutOff:
    """A transform that takes a page before plone.app.caching does."""

    order = Store.order - 1

    def __init__(self, published: Any, request: Any) -> None:
        self.request = request

    def transformUnicode(self, result: str, encoding: str) -> bytes | None:
        """Take a page of text."""
        return self._put_off([result.encode(encoding)])

    def transformBytes(self, result: bytes, encoding: str) -> bytes | None:
        """Take a page of bytes."""
        return self._put_off([result])

    def transformIterable(self, result: Any, encoding: str) -> bytes | None:
        """Take a page of parts."""
        return self._put_off(result)

    def _put_off(self, parts: Any) -> bytes | None:
        request = self.request
        if not IRAMCached.providedBy(request):
            return None
        if isinstance(parts, StreamAnswer):  # there is no page, and nobody may read it now
            noLongerProvides(request, IRAMCached)
            return None
        if current_pass() is None:
            return None
        page = b"".join(parts)
        noLongerProvides(request, IRAMCached)
        if request.response.getStatus() == 200:
            IAnnotations(request)[_PUT_OFF] = (page, dict(request.response.headers))
        return page


def pass_is_committed(event: Any) -> None:
    """Cache the page with the headers it had then: the response may be compressed by now."""
    request = event.request
    page, headers = IAnnotations(request, {}).get(_PUT_OFF, (None, None))
    if page is None:
        return
    response = request.response
    response.headers, now = headers, response.headers
    try:
        storeResponseInRAMCache(request, response, page)
    finally:
        response.headers = now
