"""A page that asks before something is done, and does it when its form is posted."""

from ..title import ITitled
from .parts import StatusView
from collections.abc import Callable
from enum import Enum
from plone.protect import CheckAuthenticator
from typing import Any
from typing import NamedTuple
from typing import TypeVar
from zope.interface import implementer

V = TypeVar("V", bound=Enum)


class Asked(NamedTuple):
    """What the page asks before it is done."""

    title: Any
    meaning: Any
    button: Any
    colour: str = "danger"


@implementer(ITitled)
class Asking(StatusView):
    """Asks by GET, and acts by POST."""

    index: Any  #: the template that asks
    act: Callable[[], str]  #: does what was posted, and returns the address of the next page

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

    def read_what(self, verbs: type[V]) -> tuple[V | None, str]:
        """Return what is to be done, and with what: the form says ``verb:name``.

        Args:
            verbs: What can be done. If the form names something else, that is None.
        """
        value, _colon, name = self.asked("what").partition(":")
        return next((verb for verb in verbs if verb.value == value), None), name
