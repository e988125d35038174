"""The limits of one call in time, and how far the call has come. Its connections look here."""

from .settings import UpstreamSettings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import time


class Limits:
    """The limits of one call.

    Args:
        settings: Its upstream's.
        until: When it has to be over, in seconds of ``time.monotonic``.
        host: Where it begins.
    """

    __slots__ = ("_settings", "_until", "anew", "answered", "connects_by", "host", "kept")

    def __init__(self, settings: UpstreamSettings, until: float, host: str) -> None:
        self._settings = settings
        self._until = until
        self.begin(host)

    def begin(self, host: str, anew: bool = False) -> None:
        """Begin a request to *host*; with *anew*, on a connection that is new too."""
        self.host = host
        self.anew = anew
        self.kept = False  #: whether a kept connection is in use
        self.answered = False  #: whether a byte of its answer has come
        self.connects_by: float | None = None  #: set while it connects: when that has to be over

    def is_dropped(self, error: BaseException) -> bool:
        """Tell whether *error* says that a kept connection ended before any byte came on it."""
        return self.kept and not self.answered and not is_timeout(error)

    @property
    def idle(self) -> float:
        """How long a connection may have been idle before it is used again."""
        return self._settings.keep_alive

    def connect(self) -> float:
        """Begin to connect; return how long that may take."""
        self.kept = False
        self.connects_by = min(self._until, time.monotonic() + self._settings.connect)
        return self.left()

    def left(self) -> float:
        """Return how long nothing may happen from now on.

        Raises:
            TimeoutError: No longer.
        """
        now = time.monotonic()
        quiet = self._settings.read if self.connects_by is None else self.connects_by - now
        left = min(self._until - now, quiet)
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def ran_out(self) -> tuple[float, str]:
        """Return the limit that has just run out, and its name."""
        if time.monotonic() >= self._until - 0.01:
            return self._settings.total, "total"
        if self.connects_by is not None:
            return self._settings.connect, "connect"
        return self._settings.read, "read"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what caused it, the first cause last."""
    inner: BaseException | None = error
    seen: list[Any] = []
    while inner is not None and inner not in seen:
        yield inner
        seen.append(inner)
        parts = (inner.__cause__, *inner.args)
        inner = next((part for part in parts if isinstance(part, BaseException)), None)


def is_timeout(error: BaseException) -> bool:
    """Tell whether *error* was caused by a limit that ran out."""
    return any(isinstance(cause, TimeoutError) for cause in causes(error))


#: The limits of the call that is made here; None outside of a call.
limits: ContextVar[Limits | None] = ContextVar("wsgifutures.upstream", default=None)


def of_call() -> Limits:
    """Return the limits of the call that is made here.

    Raises:
        RuntimeError: There is no call.
    """
    found = limits.get()
    if found is None:
        raise RuntimeError("a connection of an upstream is used outside of a call")
    return found
