"""What can be asked of a task, for all of its jobs or for one: checked where it is written."""

from dataclasses import dataclass
from typing import Any

import math

#: The head start of a priority in the line, in seconds: so a job that waits long enough comes
#: before each newer one, whatever its priority is.
PRIORITIES = {"high": 600, "normal": 0, "low": -600}

#: A job that is not done for so long is dead, in seconds.
DEADLINE = 7 * 86400.0


@dataclass(frozen=True)
class Options:
    """The options of one submission; see ``Task.using``."""

    delay: float = 0.0
    at: float | None = None
    priority: str = "normal"
    key: str = ""
    unique_for: float | None = None
    queue: str = ""
    run_as: str = ""
    deadline: float = DEADLINE
    then: Any = None
    timeout: float | None = None
    lock: str = ""

    def __post_init__(self) -> None:
        self._check_times()
        for name in ("key", "run_as", "lock"):
            check_text(name, getattr(self, name))
        if self.queue:
            check_name("queue", self.queue)
        if self.priority not in PRIORITIES:
            raise ValueError(f"priority={self.priority!r} is none of: {', '.join(PRIORITIES)}.")
        if self.unique_for is not None and not self.key:
            raise ValueError("unique_for= says how long key= is unique: give key=, too.")
        if self.then is not None and not hasattr(self.then, "take"):
            raise TypeError(f"then={self.then!r} is not a task: declare it with @task.")

    def _check_times(self) -> None:
        check_seconds("delay", self.delay, zero=True)
        check_seconds("deadline", self.deadline)
        for name in ("unique_for", "at", "timeout"):
            value = getattr(self, name)
            if value is not None:
                check_seconds(name, value)
        if self.at is not None and self.delay:
            raise ValueError("Give delay= or at=, not both.")

    def due(self, now: float) -> float:
        """Return when a job that is submitted *now* may begin, in seconds since the epoch."""
        return now + self.delay if self.at is None else self.at


def check_seconds(name: str, value: Any, *, zero: bool = False) -> float:
    """Return *value* as a number of seconds.

    Raises:
        ValueError: It is not a number above 0, or of 0 or more where *zero* may be given.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 if zero else 1e-9) <= value < math.inf:
        least = "0 or more" if zero else "above 0"
        raise ValueError(f"{name}={value!r} is not a number of seconds {least}.")
    return float(value)


def check_count(name: str, value: Any) -> int:
    """Return *value* as a number of 1 or more.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r} is not a whole number of 1 or more.")
    return value


#: How the names of queues begin whose jobs only this package does, and no worker elsewhere.
OURS = "collective.wsgifutures."


def check_name(what: str, value: Any) -> str:
    """Return *value* as a name.

    Raises:
        ValueError: It is something else than a text, is empty, or has a comma.
    """
    if not isinstance(value, str) or not value.isprintable() or not value or "," in value:
        raise ValueError(f"{what}={value!r} is not a name: a text without commas.")
    return value


def check_text(what: str, value: Any) -> str:
    """Return *value* as a text, which may be empty.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what}={value!r} is not a text.")
    return value
