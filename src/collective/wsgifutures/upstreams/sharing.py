"""Answers for several requests: kept ones, and those of one call that all wait for.

A renewal and a shared call are the upstream's own, not a request's: nothing of the request
that happened to be first is in them, and none of them ends with it.
"""

from ..kernel.outcomes import Outcome
from ..kernel.outcomes import Raised
from .answers import Answer
from .cache import cache
from .cache import Freshness
from .cache import Kept
from .cache import may_be_kept
from .cache import may_be_shared
from .cache import without_cookies
from .errors import UpstreamError
from .errors import UpstreamTimeout
from .flights import Flights
from .flights import Make
from .request import Request
from .service import Service
from collections.abc import Callable

import functools
import time


class Shared:
    """An answer as an outcome. Nothing can change it, so every pass gets it itself."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def get(self) -> Answer:
        """Return it."""
        return self._answer

    def exception(self) -> None:
        """There is none."""
        return


class SharedCalls:
    """The calls of one upstream whose answers several requests get."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._flights = Flights()

    def ready(
        self, request: Request, freshness: Freshness, later: Callable[[Callable[[], None]], None]
    ) -> Answer | None:
        """Return a kept answer that may be given now.

        Args:
            request: What is asked for.
            freshness: How old it may be.
            later: Is given what renews it, where it is stale.
        """
        key = cache().key(request)
        kept = cache().get(key)
        answer = self._now(request, key, freshness, kept, later)
        self._service.counts["misses" if answer is None else "hits"] += 1
        return answer

    def _now(
        self,
        request: Request,
        key: str,
        freshness: Freshness,
        kept: Kept | None,
        later: Callable[[Callable[[], None]], None],
    ) -> Answer | None:
        if kept is None or kept.age >= freshness.fresh + freshness.stale:
            return self._instead(kept, freshness) if self._service.refusal() else None
        if kept.age >= freshness.fresh and not self._service.refusal():
            make = self._making(request, key, freshness)
            later(functools.partial(self._flights.renew, key, self._service.name, make))
        return kept.answer

    def answer(self, request: Request, freshness: Freshness, until: float) -> Answer:
        """Return the answer that is kept, or that one call gives to all who wait for it.

        Raises:
            UpstreamError: There is none.
        """
        key = cache().key(request)
        make = self._making(request, key, freshness)
        joined = self._flights.join(key, self._service.name, make, until)
        if joined is None:
            settings = self._service.settings
            raise UpstreamTimeout(self._service.name, settings.host, settings.total, "total")
        outcome, first = joined
        try:
            answer: Answer = outcome.get()
        except UpstreamError:
            instead = self._instead(cache().get(key), freshness)
            if instead is None:
                raise
            return instead
        if answer.status >= 500:
            return self._instead(cache().get(key), freshness) or answer
        if first or may_be_shared(answer):
            return answer
        return without_cookies(self._service.call(request, until))

    def _making(self, request: Request, key: str, freshness: Freshness) -> Make:
        return functools.partial(self._make, request, key, freshness)

    def _make(
        self, request: Request, key: str, freshness: Freshness, given_up: Callable[[], bool]
    ) -> Outcome:
        """Make the call, for whoever waits. Raises nothing."""
        try:
            kept = cache().get(key)  # another one may just have ended
            if kept is not None and kept.age < freshness.fresh:
                return Shared(kept.answer)
            until = time.monotonic() + self._service.settings.total
            answer = without_cookies(self._service.call(request, until, given_up))
            if may_be_kept(answer):
                cache().set(key, answer)
            return Shared(answer)
        except Exception as error:
            return Raised(error)

    def _instead(self, kept: Kept | None, freshness: Freshness) -> Answer | None:
        """Return what may be given where the upstream fails."""
        if kept is None or kept.age >= freshness.fresh + freshness.if_error:
            return None
        return kept.answer
