"""Other rooms join a worker here: a publisher, and the report of what the worker does."""

from .findings import Finding
from typing import Any


class Joint:
    """What a worker has to know of another room. This class suits any room, and does nothing."""

    def worker_starts(self, worker: Any) -> None:
        """Know *worker*, a ``Worker`` that starts to serve."""

    def worker_stops(self) -> None:
        """Begin nothing new: the worker is told to end, and answers what it has."""

    def is_busy(self) -> bool:
        """Tell whether something runs that should end before the worker does."""
        return False

    def worker_ends(self) -> None:
        """Let go of what still runs: the worker ends now."""

    def max_slots(self) -> int | None:
        """Return how many passes can be published at a time, None for any number."""
        return None

    def good_slots(self) -> int | None:
        """Return how many slots suit the publisher, None if any number does."""
        return None

    def findings(self, workers: int) -> list[Finding]:
        """Return what the audit has to know of the room.

        Args:
            workers: How many processes serve the application.
        """
        return []

    def home(self) -> str | None:
        """Return the folder in which the instance keeps files, None if there is none."""
        return None

    def describe(self, settings: Any) -> str:
        """Return what the worker's first line in the log says of the room; empty: nothing."""
        return ""

    def report(self) -> dict[str, Any]:
        """Return what the worker's snapshot has of the room: parts by their names, for JSON."""
        return {}

    def wait_first(self, visit: Any, body: Any) -> Any:
        """Return a ``Call`` that a request waits for before its first pass; None: for nothing.

        Args:
            visit: The ``Visit`` of the request.
            body: Its body; None if it has none.
        """
        return None

    def clean_up(self) -> None:
        """Drop what the publisher keeps per thread of a request, after each pass."""


#: The joints of this process. A room adds its own when Zope has started.
joints: list[Joint] = []


def join(joint: Joint) -> None:
    """Add *joint*, and drop another joint of the same class."""
    joints[:] = [*(other for other in joints if type(other) is not type(joint)), joint]


def max_slots() -> int | None:
    """Return the smallest ``max_slots`` of all joints, None for any number."""
    limits = [joint.max_slots() for joint in joints]
    return min([limit for limit in limits if limit is not None], default=None)


def good_slots() -> int | None:
    """Return the smallest ``good_slots`` of all joints, None if any number suits."""
    numbers = [joint.good_slots() for joint in joints]
    return min([number for number in numbers if number is not None], default=None)
