"""What services of ours share: the path behind their name, that no cache keeps them, who writes."""

from ..keys.tokens import find_token
from .bodies import JSON
from .bodies import kind_of
from .bodies import read_json
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.services import Service
from typing import Any
from typing import Self
from zExceptions import Forbidden
from zExceptions import NotFound
from zope.i18n import translate
from zope.interface import alsoProvides
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse

#: The media types that a form has, whichever site it is of.
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")

#: What browsers say of a request that no page of another site has made.
OWN_SITE = ("same-origin", "none")


@implementer(IPublishTraverse)
class PathService(Service):  # type: ignore[misc]
    """A service that takes names from the path behind its own."""

    own_name = ""  #: as ``@futures``

    def __init__(self, context: Any, request: Any) -> None:
        super().__init__(context, request)
        self.names: list[str] = []

    def publishTraverse(self, request: Any, name: str) -> Self:
        """Take a name from the path."""
        self.names.append(name)
        return self

    def not_found(self) -> NotFound:
        """Return the error of a path at which there is nothing."""
        return NotFound("/".join([self.own_name, *self.names]))

    def read_body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; no page of another site lets a browser do that.

        Raises:
            BodyRefused: There is none.
        """
        found = read_json(self.request)
        alsoProvides(self.request, IDisableCSRFProtection)
        return found

    def let_write(self) -> None:
        """Let a request without a body write, for which plone.protect has no token.

        plone.restapi finds its services under ``++api++`` for a form, too.

        Raises:
            Forbidden: A page of another site may have let a browser send it.
        """
        if _may_be_of_another_site(self.request):
            raise Forbidden("Send it with the header Content-Type: application/json.")
        alsoProvides(self.request, IDisableCSRFProtection)

    def translate(self, text: Any) -> str:
        """Return *text* in the language of the request."""
        return str(translate(text, context=self.request))

    def render(self) -> Any:
        """Answer, and let no cache keep the answer."""
        self.request.response.setHeader("Cache-Control", "no-store")
        return super().render()


def _may_be_of_another_site(request: Any) -> bool:
    """Tell whether a page of another site could let a browser send this with the user's cookie."""
    kind = kind_of(request)
    if kind == JSON or find_token(request) is not None:  # a browser would ask this site before
        return False
    sent_by = request.environ.get("HTTP_SEC_FETCH_SITE")
    if sent_by is None:  # from older browsers, and wherever there is no HTTPS
        origin = request.environ.get("HTTP_ORIGIN")
        is_own = origin is None or origin.lower() == request["SERVER_URL"].lower()
    else:
        is_own = sent_by in OWN_SITE
    return kind in FORMS or not is_own
