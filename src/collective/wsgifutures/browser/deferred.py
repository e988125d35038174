"""Parts of a page that the browser fetches by itself: ``@fragment(deferred=True)``.

A page is sent with a placeholder for each deferred part. The placeholder has the part's address:
the view below, on the same object and with the page's own query. The address is signed and
says where to find the part again, so nobody can ask for a part that no page has offered. In
the request for the address this is the only part, and it is held like any other part.

Where no browser would fetch the parts, the page waits for them as for ordinary ones: in the
answer to a form, in the answer to a script or a service, and in the page that a visitor without
JavaScript asks for with ``?wsgifutures-wait=1``.
"""

from ..interfaces import _
from ..kernel.errors import FuturesError
from ..kernel.passes import current_pass
from ..kernel.placeholders import Fragment
from ..publisher.interfaces import IDeferral
from . import caching
from . import sealed
from .files import address_of
from .places import find
from .places import NoPlace
from .places import path_of
from .places import Place
from .places import place_of
from AccessControl import Unauthorized
from Acquisition import aq_base
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urlsplit
from zExceptions import Forbidden
from zExceptions import NotFound
from zope.globalrequest import getRequest
from zope.interface import implementer

import functools
import logging

try:
    from plone.rest.interfaces import IAPIRequest
except ImportError:  # a Plone without plone.restapi
    IAPIRequest = None

logger = logging.getLogger(__name__)

#: The name of the view that returns a part.
NAME = "wsgifutures-part"

#: In the query of that view: the signed data.
TOKEN = "wsgifutures-token"  # noqa: S105  a name

#: In the query of a page: wait for all parts.
WAIT = "wsgifutures-wait"

#: The longest address of a part: every browser and proxy takes so many letters.
_MOST_LETTERS = 4000


@implementer(IDeferral)
class Deferral:
    """Lets a browser fetch the deferred parts of *page*, its request."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def defer(self, fragment: Fragment) -> str | None:
        """Return the markup to send in place of *fragment*; None if the page has to wait for it."""
        page = self._page
        kind = page.response.getHeader("Content-Type") or "text/html"
        if not kind.startswith(("text/html", "application/xhtml")) or _is_the_page(fragment, page):
            return None
        try:
            place = place_of(fragment, _published(page))
            address = _make_address(fragment, place)
        except NoPlace as why:
            _report(fragment, why)
            return None
        if address is None:
            return None
        caching.limit_page(page)
        placeholder = Placeholder(place.context, getRequest())
        markup = placeholder(fragment, address, _address_to_wait(page))
        return f"<html><body>{markup}</body></html>" if place.data["kind"] == "tile" else markup


def deferral(request: Any) -> Deferral | None:
    """Return what defers the parts of a page; None where it is not made for a browser."""
    return Deferral(request) if _is_for_a_browser(request) else None


def _is_for_a_browser(request: Any) -> bool:
    """Tell whether the answer is a page that can be fetched again and runs its scripts."""
    if request.method not in ("GET", "HEAD") or WAIT in request.form:
        return False
    if "ajax_load" in request.form or request.getHeader("X-Requested-With"):
        return False
    if isinstance(_published(request), Part):
        return False
    return IAPIRequest is None or not IAPIRequest.providedBy(request)


def _published(request: Any) -> Any:
    published = request.get("PUBLISHED")
    return aq_base(getattr(published, "__self__", published))


def _is_the_page(fragment: Fragment, page: Any) -> bool:
    """Tell whether the browser has asked for this very part: for a tile, say."""
    part = fragment.part
    if fragment.call is not None and fragment.call[0].__name__ == "__call__":
        part = next(iter(fragment.call[1]), None)
    return part is not None and aq_base(part) is _published(page)


def _report(fragment: Fragment, why: NoPlace) -> None:
    message = (
        f"{fragment.name} is declared with deferred=True, but cannot be fetched by itself: {why}."
    )
    this = current_pass()
    if this is not None and this.hold.watch is not None:
        raise FuturesError(message)
    _log_once(f"{message} The page waits for this part.")


@functools.lru_cache(maxsize=1000)  # remembers what was logged, for the life of the process
def _log_once(message: str) -> None:
    logger.warning("%s", message)


def _make_address(fragment: Fragment, place: Place) -> str | None:
    """Return the address of the part; None if the visitor would not get the part there.

    Raises:
        NoPlace: The part would not be found at the address.
    """
    request, path = getRequest(), path_of(place.context)
    try:
        found = find(place.context, request, place.data)
    except Unauthorized:
        return None
    except NotFound:
        found = None
    if found is None or type(aq_base(found.part)) is not type(fragment.part):
        raise NoPlace(
            "the part is not found by its name and the name of its view; register both in "
            "ZCML, or leave out deferred=True"
        )
    query = urlencode(_pairs(request), encoding="latin-1")
    token = sealed.seal(place.data, "/".join(path), query)
    if token is None:
        return None
    query = f"{query}&{TOKEN}={token}".lstrip("&")
    address = f"{request.physicalPathToURL(path, relative=1)}/@@{NAME}?{query}"
    return address if len(address) <= _MOST_LETTERS else None


def _pairs(request: Any) -> list[tuple[str, str]]:
    """Return the query of *request*. A token is left out: it belongs to a part, not to a page."""
    query = request.environ.get("QUERY_STRING", "")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return [(name, value) for name, value in pairs if name != TOKEN]


def _address_to_wait(page: Any) -> str:
    """Return the address at which the page waits for all of its parts."""
    query = urlencode([*_pairs(page), (WAIT, "1")], encoding="latin-1")
    path = urlsplit(page["ACTUAL_URL"]).path.lstrip("/")
    return f"/{path}?{query}"  # two slashes in front would lead to another site


class Placeholder(BrowserView):  # type: ignore[misc]
    """Stands in the page for a part until the browser has fetched the part."""

    index = ViewPageTemplateFile("placeholder.pt")

    def __call__(self, fragment: Fragment, address: str, waiting: str) -> str:
        """Return the markup; *waiting* is the address of the page that waits for the part."""
        arrived = _(
            "${n} of ${all} further parts of this page have loaded.",
            mapping={"n": "{n}", "all": "{all}"},  # the script fills them in
        )
        markup: str = self.index(
            address=address,
            arrived=arrived,
            css=address_of("deferred.css"),
            height=fragment.height,
            js=address_of("deferred.js"),
            text=fragment.placeholder,
            waiting=waiting,
        )
        return markup


class Part(BrowserView):  # type: ignore[misc]
    """A part that a page has offered: ``@@wsgifutures-part``, on the object of the part."""

    def __call__(self) -> str:
        """Return the part. If the part is refused, return no text; the status says why.

        403 is for a forbidden part, 404 for a missing part, 410 for an expired address.
        """
        self._set_headers()
        try:
            return self._part()
        except (sealed.Refused, Unauthorized, Forbidden):
            return self._refuse(403)
        except sealed.Expired:
            return self._refuse(410)
        except NotFound:
            return self._refuse(404)

    def _part(self) -> str:
        if self.request.method not in ("GET", "HEAD"):  # a form's fields are not signed
            raise sealed.Refused
        path = self._path()
        data = self._open_seal(path)
        context = self.context.unrestrictedTraverse(path)  # by its own path, not the request's
        found = find(context, self.request, data)
        this = current_pass()
        if this is not None:
            this.publish_alone(aq_base(found.part))
        return str(found.make())

    def _path(self) -> tuple[str, ...]:
        path = getattr(self.context, "getPhysicalPath", None)
        if path is None:
            raise sealed.Refused
        return tuple(path())

    def _open_seal(self, path: tuple[str, ...]) -> Any:
        request = self.request
        pairs = request.environ.get("QUERY_STRING", "").split("&")
        tokens = [pair for pair in pairs if pair.startswith(f"{TOKEN}=")]
        request.form.pop(TOKEN, None)
        if len(tokens) != 1:
            raise sealed.Refused
        pairs.remove(tokens[0])
        return sealed.open_seal(tokens[0].partition("=")[2], "/".join(path), "&".join(pairs))

    def _refuse(self, status: int) -> str:
        self.request.response.setStatus(status)
        return ""

    def _set_headers(self) -> None:
        response = self.request.response
        caching.limit_part(self.request)
        response.setHeader("Content-Type", "text/html; charset=utf-8")
        response.setHeader("X-Robots-Tag", "noindex")
        response.setHeader("X-Theme-Disabled", "1")
        response.setHeader("Vary", "Accept-Language, Authorization, Cookie")
