"""What one process knows of one upstream: its client, its limits, what became of its calls.

A call that fails is put together here, from the outside in: retries, place, breaker,
client. All of it is the same with a hold and without.
"""

from ..kernel.durations import Durations
from ..kernel.executors import at_end_of_thread
from ..kernel.executors import real_lock
from ..kernel.executors import under_gevent
from ..traces import spans
from .answers import Answer
from .breaker import Breaker
from .bulkhead import Bulkhead
from .bulkhead import Full
from .errors import UpstreamBusy
from .errors import UpstreamError
from .errors import UpstreamFailed
from .errors import UpstreamOff
from .errors import UpstreamTimeout
from .request import Request
from .retries import Budget
from .retries import retried
from .settings import UpstreamSettings
from collections import Counter
from collections.abc import Callable
from typing import Any
from typing import cast
from typing import TYPE_CHECKING

import itertools
import time
import weakref

if TYPE_CHECKING:
    from .client import Client


class Service:
    """Makes the calls of one upstream, by its rules.

    Args:
        name: The upstream's.
        settings: The upstream's.
    """

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self.name = name
        self.settings = settings
        self.breaker = Breaker(
            settings.failure_rate,
            settings.failure_window,
            settings.failure_calls,
            settings.failure_pause,
        )
        self.bulkhead = Bulkhead(settings.max_calls, settings.max_queue)
        #: How many calls were made, retried, failed, refused; how many answers were kept ones
        #: (hits) or not. For whoever looks.
        self.counts: Counter[str] = Counter()
        #: How long each attempt took that came to an end.
        self.durations = Durations()
        self._budget = Budget(settings.retry_share)
        self._clients = _clients()
        self._lock = real_lock()

    def refusal(self) -> UpstreamError | None:
        """Return the error of a call that would not be made now, None where it would."""
        settings = self.settings
        if settings.off:
            return UpstreamOff(self.name, settings.host)
        patience = self.breaker.closed_for()
        if patience:
            return UpstreamBusy(self.name, settings.host, patience, "too many of its calls failed")
        if self.bulkhead.full:
            return self._busy(Full(0.0))
        return None

    def call(
        self, request: Request, until: float, given_up: Callable[[], bool] = lambda: False
    ) -> Answer:
        """Return the upstream's answer to *request*, of whatever status.

        Args:
            request: What to send.
            until: When it has to be over, in seconds of ``time.monotonic``.
            given_up: Tells whether nobody waits for it any more.

        Raises:
            UpstreamError: There is none.
        """
        refusal = self.refusal()
        if refusal is not None:
            self.counts["refused"] += 1
            raise refusal
        self.counts["calls"] += 1
        self._budget.earn()

        times = itertools.count(1)

        def allowed() -> bool:
            again = not given_up() and not self.breaker.closed_for() and self._budget.spend()
            self.counts["retries"] += again
            if again:
                spans.retried(next(times))
            return again

        retries = self.settings.retries if request.may_be_repeated else 0
        return retried(lambda: self._attempt(request, until), retries, until, allowed)

    def _attempt(self, request: Request, until: float) -> Answer:
        settings = self.settings
        left = until - time.monotonic()
        if left <= 0:  # no failure of the upstream's
            raise UpstreamTimeout(self.name, settings.host, settings.total, "total")
        patience = min(settings.queue_time, left)
        try:
            with self.bulkhead.place(patience):
                return self._counted(request, until)
        except Full as full:
            refused = full
        self.counts["refused"] += 1
        raise self._busy(refused)

    def _counted(self, request: Request, until: float) -> Answer:
        call = object()
        patience = self.breaker.enter(call)
        if patience:
            self.counts["refused"] += 1
            raise UpstreamBusy(
                self.name, self.settings.host, patience, "too many of its calls failed"
            )
        failed: bool | None = None
        began = time.monotonic()
        try:
            answer = self._client().send(request, until)
            failed = answer.status >= 500
            return answer
        except UpstreamTimeout as error:
            # Where its request had no more time left, that says little of the upstream.
            enough = time.monotonic() - began >= self.settings.read / 2
            failed = True if enough or error.what == "connect" else None
            raise
        except UpstreamFailed as error:
            failed = None if error.dropped else True
            raise
        except UpstreamError:
            failed = False  # it answered, if not as we take it
            raise
        finally:
            self.counts["failures"] += bool(failed)
            if failed is not None:
                self.durations.add(time.monotonic() - began)
            self.breaker.leave(call, failed)

    def _busy(self, full: Full) -> UpstreamBusy:
        settings = self.settings
        reason = f"all of its {settings.max_calls} calls at once (max_calls) are taken"
        if full.waited:
            reason += f", and none ended within {full.waited:.3g} s"
        return UpstreamBusy(self.name, settings.host, 1.0, reason)

    def _client(self) -> "Client":
        """Return the client of this process: greenlets of one thread share one."""
        owner = _owner()
        client = self._clients.get(owner)
        if client is None:
            from .client import Client  # never at the top: it imports urllib3

            with self._lock:
                client = self._clients.setdefault(owner, Client(self.name, self.settings))
            at_end_of_thread(lambda: self._clients.pop(owner).close())
        return cast("Client", client)


def _clients() -> Any:
    return weakref.WeakKeyDictionary() if under_gevent() else {}


def _owner() -> Any:
    """Return what a connection belongs to: under gevent to the loop of its thread."""
    if not under_gevent():
        return None
    import gevent

    return gevent.get_hub()
