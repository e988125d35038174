"""What puts an element for a stream into a page: ``context/@@wsgifutures-stream/stream``.

The macro names the script and the style sheet, and gives the element its texts, in the language
of the page. The browser fetches the stream itself: another view, which its own permission protects.
"""

from .files import address_of
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zExceptions import NotFound


class Streams(BrowserView):  # type: ignore[misc]
    """The macro, by its name. It is no page."""

    template = ViewPageTemplateFile("stream.pt")

    def __call__(self) -> str:
        """Refuse to be published.

        Raises:
            NotFound: Always.
        """
        raise NotFound("wsgifutures-stream")

    def __getitem__(self, name: str) -> Any:
        """Return the macro *name*."""
        return self.template.macros[name]

    @property
    def css(self) -> str:
        """The address of the style sheet."""
        return address_of("stream.css")

    @property
    def js(self) -> str:
        """The address of the script."""
        return address_of("stream.js")
