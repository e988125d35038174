"""What one worker keeps at most, and what it says when that is reached.

Who is over a limit is refused at once, with 503 and ``Retry-After``. How often is logged
once in a while, not once for each.
"""

from ..kernel.gate import Refused
from .settings import Settings
from collections import Counter
from collections.abc import Callable
from collections.abc import Hashable

import logging
import threading
import time

logger = logging.getLogger(__name__)

#: Seconds between two log lines about the same limit.
LOG_EVERY = 10.0

#: What a refused client is told to wait, in seconds.
RETRY_AFTER = 5

#: What to look at when a limit is reached.
_HINTS = {
    "max_held": "A service that the site calls is slow, or there are more visitors than usual.",
    "max_held_per_client": "If there is a proxy in front, name it in zope.conf (trusted-proxy): "
    "else all visitors who are not logged in are one client.",
    "max_waiting": "The slots do not keep up: look for slow passes in this log.",
    "max_wait": "The slots do not keep up: look for slow passes in this log.",
    "max_bodies": "Uploads take all the room that there is for them.",
}


class HeldResponses:
    """Counts the responses that are held, in all and for each client.

    Args:
        settings: Its ``max_held`` and ``held_by_one_client`` are the limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._max = settings.max_held
        self._max_per_client = settings.held_by_one_client
        self._by_client: Counter[Hashable] = Counter()
        self._lock = threading.Lock()
        self.count = 0

    def one_more(self, client: Hashable) -> "_OneMore":
        """Count one of *client* for as long as the context lasts.

        Raises:
            Refused: It would be one too many.
        """
        return _OneMore(self, client)

    def _add(self, client: Hashable) -> None:
        with self._lock:
            if self.count >= self._max:
                raise Refused("max_held")
            if self._by_client[client] >= self._max_per_client:
                raise Refused("max_held_per_client")
            self.count += 1
            self._by_client[client] += 1

    def _remove(self, client: Hashable) -> None:
        with self._lock:
            self.count -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]


class _OneMore:
    """A context that is held as long as a response: a generator would keep its frame."""

    __slots__ = ("_client", "_held")

    def __init__(self, held: HeldResponses, client: Hashable) -> None:
        self._held = held
        self._client = client

    def __enter__(self) -> None:
        self._held._add(self._client)

    def __exit__(self, *raised: object) -> None:
        self._held._remove(self._client)


class Room:
    """Bytes that request bodies may take at a time.

    Args:
        size: How many there are.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = size
        self._lock = threading.Lock()

    def check(self, number: int) -> None:
        """Raise ``Refused`` where there are no *number* bytes left."""
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
        settings: To say in the log what the limit is.
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
