"""The page of the site that a visitor reads when a service was late or is unavailable.

Plone's own page for errors asks whether the address is right. This one takes its place for our
errors that answer 503 and 504. It stands on the class of Plone's page, which answers scripts in
JSON. Where the page itself fails it falls back to one that needs neither database nor theme.
"""

from ..compat import FutureNotResolvedError
from ..interfaces import _
from ..wsgi import apologies
from ..wsgi.apologies import Apology
from .title import ITitled
from AccessControl import getSecurityManager
from Products.CMFCore.interfaces import IDynamicType
from Products.CMFPlone.browser.exceptions import ExceptionView
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zope.component.hooks import getSite
from zope.interface import implementer

_LATE = (TimeoutError, FutureNotResolvedError)


def apology_for(error: Exception) -> Apology:
    """Return what to tell a visitor about *error*."""
    return apologies.LATE if isinstance(error, _LATE) else apologies.UNAVAILABLE


def may_see_inside() -> bool:
    """Tell whether the user may read what an error says: it names futures and hosts."""
    # An error at Zope's root has no portal, without which plone.api raises one of its own.
    return bool(getSecurityManager().checkPermission("Manage portal", getSite()))


class Refusal(BrowserView):  # type: ignore[misc]
    """What a client reads that gets no websocket: a program, or a developer."""

    def __call__(self) -> str:
        """Say why."""
        self.request.response.setHeader("Content-Type", "text/plain; charset=utf-8")
        self.request.response.setHeader("Cache-Control", "no-store")
        return f"{self.context.words}\n"


@implementer(ITitled)
class Page(ExceptionView):  # type: ignore[misc]
    """The page for one error."""

    index = ViewPageTemplateFile("apology.pt")

    def __init__(self, error: Exception, request: Any) -> None:
        super().__init__(error, request)
        self.error = error
        self.apology = apology_for(error)

    def __call__(self) -> str:
        """Render the page, at the closest object that its visitor may view."""
        self.request.response.setHeader("Cache-Control", "no-store")
        self.__parent__ = self._find_place()
        return str(super().__call__())

    def basic_template(self, **facts: Any) -> str:
        """Return the page that needs nothing, in place of one that failed."""
        request = self.request
        for name, value in apologies.HEADERS:
            request.response.setHeader(name, value)
        request.response.setHeader("X-Theme-Disabled", "1")
        # The site's language if there is one; never the visitor's form or cookie of that name.
        wanted = request.other.get("LANGUAGE") or request.getHeader("Accept-Language", "")
        language = apologies.choose_language(wanted)
        return apologies.render(self.apology, language, may_repeat=bool(self.again_url)).decode()

    @property
    def page_title(self) -> Any:
        """The title of the page, also in the browser's tab."""
        return _(self.apology.title)

    @property
    def text(self) -> Any:
        """What happened, in a sentence."""
        return _(self.apology.text)

    @property
    def told(self) -> str | None:
        """What the error says, for managers alone."""
        return f"{type(self.error).__name__}: {self.error}" if may_see_inside() else None

    @property
    def again_url(self) -> str | None:
        """The address with its query; None where a link would not repeat the request."""
        request = self.request
        if request.method not in ("GET", "HEAD"):
            return None
        query = request.get("QUERY_STRING")
        return f"{request['ACTUAL_URL']}?{query}" if query else str(request["ACTUAL_URL"])

    def _find_place(self) -> Any:
        may = getSecurityManager().checkPermission
        for one in self.request.get("PARENTS", ()):
            if IDynamicType.providedBy(one) and may("View", one):
                return one
        return getSite()
