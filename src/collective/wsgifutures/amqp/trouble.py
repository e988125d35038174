"""What is away for a while: told once, and tried again after growing pauses."""

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


class Silent:
    """Places at a broker that do not confirm, while the broker answers: a queue without a leader.

    Others go on meanwhile. After each pause one message tries whether a place confirms again.
    """

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, int]] = {}  # and how often it was in vain

    def until(self, name: str, now: float) -> float:
        """Return until when nothing is sent there; 0 if the caller may send now."""
        until, times = self._until.get(name, (0.0, 0))
        if until > now:
            return until
        if times:
            self._until[name] = (now + LONGEST_PAUSE, times)  # the others wait for this one
        return 0.0

    def begins(self, name: str, now: float) -> float:
        """Note that *name* did not confirm; return until when nothing is sent there."""
        _, times = self._until.get(name, (0.0, 0))
        if not times:
            logger.warning(
                "The broker answers, but does not confirm what is sent to %s. It is tried again, "
                "and nothing is lost. Has its queue lost its nodes? Then delete the queue.",
                name,
            )
        until = now + min(LONGEST_PAUSE, PAUSE * 2.0 ** min(times + 1, 10))
        self._until[name] = (until, times + 1)
        return until

    def ends(self, name: str) -> None:
        """Note that *name* has confirmed."""
        if self._until.pop(name, None) is not None:
            logger.info("The broker confirms again what is sent to %s.", name)
