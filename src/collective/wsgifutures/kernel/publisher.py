"""What publishes a pass, in the kernel's words.

The publisher of a pass is given to it once, where the publication begins. Zope's is in the
room ``publisher``.
"""

from .placeholders import Fragment
from collections.abc import Mapping
from types import CodeType


class Publisher:
    """Publishes one pass. This one is anybody's, and has nothing to tell."""

    #: The code of functions that keep what another one gives, with the name of their variable
    #: which has that one.
    caches: Mapping[CodeType, str] = {}

    def view_name(self) -> str:
        """Return the name of what is being published, nothing where that is not known."""
        return ""

    def is_answer(self, error: BaseException) -> bool:
        """Tell whether *error* is what the client is to get: Unauthorized, NotFound, a redirect."""
        return False

    def discard(self) -> None:
        """Know that the pass suspends: it is going to be discarded."""

    @property
    def defers(self) -> bool:
        """Tell whether the browser can fetch a deferred fragment of this pass by itself."""
        return False

    def defer(self, fragment: Fragment) -> str | None:
        """Return what is sent in place of a deferred *fragment*, for the browser to fetch it.

        None where it cannot be found again: then the pass waits for it.
        """
        return None
