"""What services of ours share: the path behind their name, and that no cache keeps them."""

from plone.restapi.services import Service
from typing import Any
from typing import Self
from zExceptions import NotFound
from zope.i18n import translate
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse


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

    def translate(self, text: Any) -> str:
        """Return *text* in the language of the request."""
        return str(translate(text, context=self.request))

    def render(self) -> Any:
        """Answer, and let no cache keep the answer."""
        self.request.response.setHeader("Cache-Control", "no-store")
        return super().render()
