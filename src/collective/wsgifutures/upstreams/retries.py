"""Makes a call again that failed and may be repeated.

This is a loop and no library's: the next attempt depends on what the answer asks for, on the time
that is left and on the budget. Telling tenacity that took twice as many lines.
"""

from ..kernel.runtime import current
from .answers import Answer
from .errors import UpstreamFailed
from .errors import UpstreamTimeout
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

import random
import time

#: The upstream says by itself that it may be asked again.
_AGAIN = frozenset({429, 502, 503, 504})

#: Seconds that the first retry waits at most; each next one twice as long, up to the other.
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0

#: Retries that there are before any call earned one: those of one call that fails.
_TO_BEGIN_WITH = 2.0

#: Retries that can be saved up.
_SAVED = 10.0


class Budget:
    """Retries that the calls of one upstream have earned: *share* of one each."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._there = _TO_BEGIN_WITH if share else 0.0
        self._lock = current().lock()

    def earn(self) -> None:
        """A call is made."""
        with self._lock:
            self._there = min(_SAVED, self._there + self._share)

    def spend(self) -> bool:
        """Tell whether there may be a retry; then it is one less."""
        with self._lock:
            allowed = self._there >= 1
            self._there -= allowed
        return allowed


def retried(
    attempt: Callable[[], Answer], retries: int, until: float, allowed: Callable[[], bool]
) -> Answer:
    """Return what *attempt* gives, made again up to *retries* times.

    Args:
        attempt: Makes the call, once.
        retries: How often it may be made again.
        until: When it has to be over, in seconds of ``time.monotonic``.
        allowed: Asked before each retry.

    Raises:
        UpstreamError: What the last attempt raised.
    """

    def again(wait: float) -> bool:
        return time.monotonic() + wait < until and allowed()

    longest = _FIRST_WAIT
    for _ in range(retries):
        wait = random.uniform(0.0, longest)  # noqa: S311  no secret
        try:
            answer = attempt()
        except (UpstreamTimeout, UpstreamFailed):
            if not again(wait):
                raise
        else:
            if answer.status not in _AGAIN:
                return answer
            wait = max(wait, retry_after(answer))
            if not again(wait):
                return answer
        time.sleep(wait)
        longest = min(2 * longest, _LONGEST_WAIT)
    return attempt()


def retry_after(answer: Answer) -> float:
    """Return the seconds that ``Retry-After`` of *answer* says, as a number or as a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)  # asctime's form names none
        return max(0.0, at.timestamp() - time.time())
    except (OverflowError, TypeError, ValueError):
        return 0.0
