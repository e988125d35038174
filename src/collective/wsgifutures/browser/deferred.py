"""Parts of a page that the browser fetches by itself: ``@fragment(deferred=True)``.

A page is sent with what stands for such a part, and with the address of the part in it: the
view below, on the same object and with the page's own query. The part is found again there
from what the address tells, which is signed: nothing can be asked for that no page offered.
There it is the request's only part, and is held as any other.

A page that nobody could fetch parts for has them as ordinary ones, which are waited for: the
answer to a form, what a script or a service asks for, and the page that the visitor asked for
without JavaScript, with ``?wsgifutures-wait=1``.
"""

from ..interfaces import _
from ..kernel.errors import FuturesError
from ..kernel.hold import Pass
from ..kernel.passes import current_pass
from ..kernel.placeholders import Fragment
from . import caching
from . import sealed
from .places import find
from .places import NoPlace
from .places import path_of
from .places import Place
from .places import place_of
from AccessControl import Unauthorized
from Acquisition import aq_base
from pathlib import Path
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urlsplit
from zExceptions import Forbidden
from zExceptions import NotFound
from zope.component.hooks import getSite
from zope.globalrequest import getRequest

import functools
import hashlib
import logging

try:
    from plone.rest.interfaces import IAPIRequest
except ImportError:  # a Plone without plone.restapi
    IAPIRequest = None

logger = logging.getLogger(__name__)

#: The view that gives a part.
NAME = "wsgifutures-part"

#: In its query: what was signed.
TOKEN = "wsgifutures-token"  # noqa: S105  a name

#: In a page's query: wait for all parts.
WAIT = "wsgifutures-wait"

#: Browsers and proxies take addresses that are not longer.
_MOST_LETTERS = 4000

_STATIC = Path(__file__).parent / "static"


def path_is_traversed(event: Any) -> None:
    """Let the parts of this pass be deferred, where it makes a page for a browser."""
    this = current_pass()
    if this is not None and _is_for_a_browser(event.request):
        this.defer = functools.partial(_placeholder, this, event.request)


def _is_for_a_browser(request: Any) -> bool:
    """Tell whether the answer is a page that can be fetched again, and whose scripts run."""
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


def _placeholder(this: Pass, page: Any, fragment: Fragment) -> str | None:
    """Return what is sent in place of *fragment*; None where it has to be waited for."""
    kind = page.response.getHeader("Content-Type") or "text/html"
    if not kind.startswith(("text/html", "application/xhtml")) or _is_the_page(fragment, page):
        return None
    try:
        place = place_of(fragment, _published(page))
        address = _address(fragment, place)
    except NoPlace as why:
        _tell(fragment, why, debug=this.hold.watch is not None)
        return None
    if address is None:
        return None
    caching.page_has_addresses(page)
    markup = str(Placeholder(place.context, getRequest())(fragment, address, _waiting(page)))
    return f"<html><body>{markup}</body></html>" if place.told["kind"] == "tile" else markup


def _is_the_page(fragment: Fragment, page: Any) -> bool:
    """Tell whether the browser asks for this very part, a tile say."""
    part = fragment.part
    if fragment.call is not None and fragment.call[0].__name__ == "__call__":
        part = next(iter(fragment.call[1]), None)
    return part is not None and aq_base(part) is _published(page)


def _tell(fragment: Fragment, why: NoPlace, *, debug: bool) -> None:
    message = (
        f"{fragment.name} is declared with deferred=True, but cannot be fetched by itself: {why}."
    )
    if debug:
        raise FuturesError(message)
    _log_once(f"{message} The page waits for this part.")


@functools.lru_cache(maxsize=1000)
def _log_once(message: str) -> None:
    logger.warning("%s", message)


def _address(fragment: Fragment, place: Place) -> str | None:
    """Return where the part is fetched; None where its visitor would not get it there.

    Raises:
        NoPlace: It would not be found there.
    """
    request, path = getRequest(), path_of(place.context)
    try:
        found = find(place.context, request, place.told)
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
    token = sealed.seal(place.told, "/".join(path), query)
    if token is None:
        return None
    query = f"{query}&{TOKEN}={token}".lstrip("&")
    address = f"{request.physicalPathToURL(path, relative=1)}/@@{NAME}?{query}"
    return address if len(address) <= _MOST_LETTERS else None


def _pairs(request: Any) -> list[tuple[str, str]]:
    """Return a request's query, without a token, which is no page's."""
    query = request.environ.get("QUERY_STRING", "")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return [(name, value) for name, value in pairs if name != TOKEN]


def _waiting(page: Any) -> str:
    """Return the address of the page that has all of its parts."""
    query = urlencode([*_pairs(page), (WAIT, "1")], encoding="latin-1")
    path = urlsplit(page["ACTUAL_URL"]).path.lstrip("/")
    return f"/{path}?{query}"  # two slashes in front would be another site


class Placeholder(BrowserView):  # type: ignore[misc]
    """What stands for a part until it is there."""

    index = ViewPageTemplateFile("placeholder.pt")

    def __call__(self, fragment: Fragment, address: str, waiting: str) -> str:
        """Return the markup; *waiting* is the address of the page that waits for the part."""
        static = self._static()
        arrived = _(
            "${n} of ${all} further parts of this page have loaded.",
            mapping={"n": "{n}", "all": "{all}"},  # filled in by the script
        )
        markup: str = self.index(
            address=address,
            arrived=arrived,
            css=f"{static}/deferred.css?{_version('deferred.css')}",
            height=fragment.height,
            js=f"{static}/deferred.js?{_version('deferred.js')}",
            text=fragment.placeholder,
            waiting=waiting,
        )
        return markup

    def _static(self) -> str:
        site = self.request.physicalPathToURL(getSite().getPhysicalPath(), relative=1)
        return f"{site}/++resource++collective.wsgifutures"


@functools.cache
def _version(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:8]


class Part(BrowserView):  # type: ignore[misc]
    """A part that a page offered: ``@@wsgifutures-part``, on the object that it is of."""

    def __call__(self) -> str:
        """Return the part, or nothing and why as a status: 403, 404, 410."""
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
        told = self._told(path)
        context = self.context.unrestrictedTraverse(path)  # as it is, whatever path led here
        found = find(context, self.request, told)
        this = current_pass()
        if this is not None:
            this.alone = aq_base(found.part)
        return str(found.make())

    def _path(self) -> tuple[str, ...]:
        path = getattr(self.context, "getPhysicalPath", None)
        if path is None:
            raise sealed.Refused
        return tuple(path())

    def _told(self, path: tuple[str, ...]) -> Any:
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
        caching.answer_is_a_part(self.request)
        response.setHeader("Content-Type", "text/html; charset=utf-8")
        response.setHeader("X-Robots-Tag", "noindex")
        response.setHeader("X-Theme-Disabled", "1")
        response.setHeader("Vary", "Accept-Language, Authorization, Cookie")
