"""Makes a call again that failed and may be repeated, on tenacity.

The first time it is made without tenacity: of the calls that succeed none pays for it.
"""

from ..kernel.executors import real_lock
from .answers import Answer
from .errors import UpstreamError
from .errors import UpstreamFailed
from .errors import UpstreamTimeout
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import itertools
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
        self._lock = real_lock()

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
    try:
        answer = attempt()
    except (UpstreamTimeout, UpstreamFailed) as error:
        if not retries:
            raise
        failure: Answer | UpstreamError = error
    else:
        if not retries or answer.status not in _AGAIN:
            return answer
        failure = answer
    return _again(failure, attempt, retries, until, allowed)


def _again(
    failure: Answer | UpstreamError,
    attempt: Callable[[], Answer],
    retries: int,
    until: float,
    allowed: Callable[[], bool],
) -> Answer:
    import tenacity  # never at the top: it imports asyncio, which gevent has to patch before

    made = itertools.count()

    def attempt_or_failure() -> Answer:
        if next(made):
            return attempt()
        if isinstance(failure, UpstreamError):
            raise failure
        return failure

    backoff = tenacity.wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)

    def wait(state: Any) -> float:
        return max(float(backoff(state)), asked_for(state.outcome))

    def stop(state: Any) -> bool:
        over = state.attempt_number > retries or time.monotonic() + state.upcoming_sleep >= until
        return over or not allowed()

    again: Answer = tenacity.Retrying(
        wait=wait,
        stop=stop,
        retry=tenacity.retry_any(
            tenacity.retry_if_exception_type((UpstreamTimeout, UpstreamFailed)),
            tenacity.retry_if_result(lambda answer: answer.status in _AGAIN),
        ),
        retry_error_callback=_last,
        sleep=time.sleep,
    )(attempt_or_failure)
    return again


def _last(state: Any) -> Any:
    return state.outcome.result()


def asked_for(outcome: Any) -> float:
    """Return how many seconds the answer in *outcome* asks to wait, 0 where it does not."""
    return 0.0 if outcome.failed else retry_after(outcome.result())


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
