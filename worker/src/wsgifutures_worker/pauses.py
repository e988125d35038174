"""How long to leave alone what does not answer, and what the log says of it."""

from .errors import Away

import logging
import random
import threading

log = logging.getLogger("wsgifutures_worker")

#: Seconds of the first pause; each further one is twice as long.
FIRST = 1.0

#: The longest pause that this worker chooses by itself, in seconds.
LONGEST = 60.0

#: The longest pause that a ``Retry-After`` may ask for, in seconds.
LONGEST_ASKED = 3600.0


class Backoff:
    """The pauses of one that tries again and again."""

    def __init__(self) -> None:
        self._tries = 0

    def next(self, retry_after: float | None = None) -> float:
        """Return the next pause in seconds, which no two workers have in common."""
        pause: float = min(LONGEST, FIRST * 2 ** min(self._tries, 16)) * random.uniform(0.5, 1)  # noqa: S311
        self._tries += 1
        return min(retry_after or 0.0, LONGEST_ASKED) + pause

    def is_pausing(self) -> bool:
        """Return whether the last try had no answer."""
        return self._tries > 0

    def reset(self) -> None:
        """Start anew: there was an answer."""
        self._tries = 0


class Contact:
    """Says once that something is away, and once that it is back."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._trouble = ""
        self._lock = threading.Lock()

    def is_good(self) -> bool:
        """Return whether nothing is wrong, for all we know."""
        return not self._trouble

    def lose(self, kind: str, why: object, advice: str = "It is tried again.") -> None:
        """Log *why*, unless the last that was logged is of the same *kind*."""
        with self._lock:
            known, self._trouble = self._trouble == kind, kind
        if not known:
            log.warning("%s: %s %s", self._what, _sentence(why), advice)

    def lose_away(self, away: Away) -> None:
        """Log that nobody answers."""
        self.lose("away", away)

    def restore(self) -> None:
        """Log that all is well again, if it was not."""
        with self._lock:
            was, self._trouble = self._trouble, ""
        if was:
            log.info("%s: works again.", self._what)


def _sentence(why: object) -> str:
    text = str(why).strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
