"""What a publisher has to do with the middleware. The joint for Zope is in ``publisher``."""

from .audit import Finding


class Joint:
    """One publisher of this process. This one does nothing, and is for any."""

    def max_slots(self) -> int | None:
        """Return how many passes it can publish at a time, None for any number."""
        return None

    def good_slots(self) -> int | None:
        """Return how many slots suit it, None where it does not matter."""
        return None

    def findings(self, workers: int) -> list[Finding]:
        """Return what the audit has to know about it.

        Args:
            workers: How many processes serve it.
        """
        return []

    def home(self) -> str | None:
        """Return the folder in which its instance keeps files, None where it has none."""
        return None

    def clean_up(self) -> None:
        """Drop what the publisher keeps per thread about the request of a pass."""


#: The joints of this process. A publisher's package adds its own when it is configured.
joints: list[Joint] = []
