"""A page that asks before something is done, and does it when its form is posted."""

from ..title import ITitled
from .parts import StatusView
from plone.protect import CheckAuthenticator
from typing import Any
from zope.interface import implementer


@implementer(ITitled)
class Asking(StatusView):
    """Asks by GET, and acts by POST."""

    index: Any  #: the template that asks

    def __call__(self) -> str:
        """Ask; or act, and go on to another page.

        Raises:
            Forbidden: The form was posted without the authenticator of the page.
        """
        self.request.response.setHeader("Cache-Control", "no-store")
        if self.request.method != "POST":
            return str(self.index())
        CheckAuthenticator(self.request)
        self.request.response.redirect(self.act())
        return ""

    def act(self) -> str:
        """Do what was posted; return the address of the next page."""
        raise NotImplementedError
