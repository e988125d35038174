"""Answers for several requests: kept answers, and answers of calls that several wait for.

A renewal and a shared call belong to the upstream, not to a request: they keep nothing of the
request that came first, and go on after that request has ended.
"""

from ..kernel.calls import Outcome
from ..kernel.calls import Raised
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
    """An answer as an outcome. An answer cannot be changed, so all passes share it."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def get(self) -> Answer:
        """Return the answer."""
        return self._answer

    def exception(self) -> None:
        """Return None: there is an answer."""
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
            request: The request of the call.
            freshness: How old the answer may be.
            later: Called with a function that renews the answer, if it is stale.
        """
        key = cache().key(request)
        kept = cache().get(key)
        answer = self._find(request, key, freshness, kept, later)
        self._service.counts["misses" if answer is None else "hits"] += 1
        return answer

    def _find(
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
            make = self._maker(request, key, freshness)
            later(functools.partial(self._flights.renew, key, self._service.name, make))
        return kept.answer

    def answer(self, request: Request, freshness: Freshness, until: float) -> Answer:
        """Return the kept answer, or the answer of a call that all its waiters share.

        Raises:
            UpstreamError: The call failed, and no kept answer may be given instead.
        """
        key = cache().key(request)
        make = self._maker(request, key, freshness)
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

    def _maker(self, request: Request, key: str, freshness: Freshness) -> Make:
        return functools.partial(self._make, request, key, freshness)

    def _make(
        self, request: Request, key: str, freshness: Freshness, given_up: Callable[[], bool]
    ) -> Outcome:
        """Make the call for all that wait. Raises nothing."""
        try:
            kept = cache().get(key)  # another call may just have ended
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
        """Return the kept answer, if it may be given when the upstream fails."""
        if kept is None or kept.age >= freshness.fresh + freshness.if_error:
            return None
        return kept.answer
