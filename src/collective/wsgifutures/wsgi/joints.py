"""What others have to do with a worker: a publisher, and whoever reports what it does."""

from .findings import Finding
from typing import Any


class Joint:
    """One of them. This one has nothing to do, and is for any publisher."""

    def worker_starts(self, worker: Any) -> None:
        """Begin to look at *worker*, a ``Worker`` that begins to serve."""

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


#: The joints of this process. A room adds its own when Zope has started.
joints: list[Joint] = []


def join(joint: Joint) -> None:
    """Add *joint*, in place of another of its kind."""
    joints[:] = [*(one for one in joints if type(one) is not type(joint)), joint]


def max_slots() -> int | None:
    """Return how many passes can be published at a time here, None for any number."""
    limits = [joint.max_slots() for joint in joints]
    return min([n for n in limits if n is not None], default=None)


def good_slots() -> int | None:
    """Return how many slots suit what publishes here, None where it does not matter."""
    good = [joint.good_slots() for joint in joints]
    return min([n for n in good if n is not None], default=None)
