"""The limits of one worker, and the log lines of a limit that is reached.

A request over a limit is refused at once, with 503 and ``Retry-After``. The log counts the
refusals in one line every few seconds.
"""

from ..kernel.arrivals import Refused
from .settings import Settings
from collections import Counter
from collections.abc import Callable

import logging
import threading
import time

logger = logging.getLogger(__name__)

#: Seconds between two log lines about the same limit.
LOG_EVERY = 10.0

#: Seconds until a refused client may ask again.
RETRY_AFTER = 5

#: What to look at when a limit is reached, by the name of its setting.
_HINTS = {
    "max_held": "A service that the site calls is slow, or there are more visitors than usual.",
    "max_held_per_client": "If there is a proxy in front, name it in zope.conf (trusted-proxy). "
    "Otherwise all visitors who are not logged in count as one client.",
    "max_waiting": "The slots do not keep up: look for slow passes in this log.",
    "max_wait": "The slots do not keep up: look for slow passes in this log.",
    "max_bodies": "Uploads in progress use all of these bytes.",
}

#: The limits over which requests are refused: names of settings.
LIMITS = tuple(_HINTS)


class Room:
    """The bytes, *size* of them, that all request bodies together may take."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = size
        self._lock = threading.Lock()

    def check(self, number: int) -> None:
        """Raise ``Refused`` if fewer than *number* bytes are left."""
        if number > self._left:
            raise Refused("max_bodies")

    def take(self, number: int) -> None:
        """Take *number* bytes, or raise ``Refused``."""
        with self._lock:
            self.check(number)
            self._left -= number

    def give(self, number: int) -> None:
        """Give *number* bytes back."""
        with self._lock:
            self._left += number


class Refusals:
    """Counts refusals and logs them, limit by limit, once in a while.

    Args:
        settings: The settings; a log line has the value of the limit.
        clock: Gives the time in seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._unlogged: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def note(self, limit: str) -> None:
        """Count a refusal for *limit*, the name of a setting."""
        self.counts[limit] += 1
        self._unlogged[limit] += 1
        now = self._clock()
        if now - self._logged_at.get(limit, -LOG_EVERY) < LOG_EVERY:
            return
        self._logged_at[limit] = now
        logger.warning(
            "Refused %d request(s) with 503 since the last such line: %s is %s. %s",
            self._unlogged.pop(limit, 0),
            limit,
            self._value(limit),
            _HINTS[limit],
        )

    def _value(self, limit: str) -> object:
        if limit == "max_held_per_client":
            return self._settings.held_by_one_client
        return getattr(self._settings, limit)
