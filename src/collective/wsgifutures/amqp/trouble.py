"""Something that is away for a while: told once, and tried again after growing pauses."""

import logging
import random

logger = logging.getLogger(__name__)

#: Seconds until it is tried again: the first time, and at most.
PAUSE = 0.5
LONGEST_PAUSE = 30.0


class Trouble:
    """What is wrong with *what*; it is true while something is."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.reason = ""  #: why, for people; empty: all is well
        self._since = 0.0
        self._until = 0.0
        self._times = 0

    def __bool__(self) -> bool:
        return bool(self.reason)

    def begins(self, reason: str, now: float) -> None:
        """Note that something is wrong, once more maybe; the log hears of the first time."""
        if not self.reason:
            self._since = now
            logger.warning(
                "%s does not do its work: %s It is tried again, and nothing is lost.",
                self._what,
                reason if reason.endswith(".") else f"{reason}.",
            )
        self.reason = reason
        pause = min(LONGEST_PAUSE, PAUSE * 2.0 ** min(self._times, 10))
        self._times += 1
        self._until = now + random.uniform(0.5, 1.0) * pause  # noqa: S311

    def is_over(self, now: float) -> bool:
        """Tell whether to try again."""
        return now >= self._until

    def ends(self, now: float) -> None:
        """Note that all is well."""
        if self.reason:
            logger.info("%s is back after %.0f s.", self._what, now - self._since)
        self.reason, self._times = "", 0
