"""What records of a user have in common: whose they are, and what they may."""

from ..jobs.origin import Origin
from .scope import Scope
from persistent import Persistent


class Owned(Persistent):  # type: ignore[misc]
    """A record of a user, with a scope.

    Args:
        origin: Names the user and the user folder.
        scope: What it may.
    """

    def __init__(self, origin: Origin, scope: Scope) -> None:
        self.user = origin.user or ""
        self.folder = origin.folder
        self._services, self._part = tuple(scope.services), scope.part

    @property
    def origin(self) -> Origin:
        """The user, as jobs name one."""
        return Origin(user=self.user, folder=self.folder)

    @property
    def scope(self) -> Scope:
        """What it may."""
        return Scope(self._services, self._part)
