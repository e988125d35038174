"""What can be wrong with what somebody wants of a token::

FuturesError
 └ WishRefused          also ValueError: of a token that is to be made
    └ ScopeRefused      of what it may
"""

from ..kernel.errors import FuturesError
from typing import Any
from zope.i18n import interpolate


class WishRefused(FuturesError, ValueError):
    """No token is made: something of it is not possible.

    Args:
        field: What of it: ``name``, ``scope``, ``part``, ``ends`` or ``owner``.
        message: Why, and what to do, for whoever wants it: a message that can be translated.
    """

    def __init__(self, field: str, message: Any) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return str(interpolate(self.message, getattr(self.message, "mapping", None)))


class ScopeRefused(WishRefused):
    """A scope has something that no token may."""
