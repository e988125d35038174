"""The state of one upstream in one process: its client, its limits, its counts.

A call is put together here, from the outside in: retries, place, breaker, client. All of this
is the same with a hold and without.
"""

from ..kernel.durations import Durations
from ..kernel.runtime import current
from ..traces import spans
from .answers import Answer
from .breaker import Breaker
from .bulkhead import Bulkhead
from .bulkhead import NoPlace
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
from contextlib import ExitStack
from typing import Any
from typing import cast
from typing import Protocol
from typing import TYPE_CHECKING
from typing import TypeVar

import itertools
import time
import weakref

if TYPE_CHECKING:
    from .client import Client
    from .client import Opened


class _Answered(Protocol):
    @property
    def status(self) -> int: ...


A = TypeVar("A", bound=_Answered)


class Service:
    """Makes the calls of one upstream, by its rules.

    Args:
        name: The upstream's name.
        settings: The upstream's settings.
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
        #: How many calls were made, retried, failed and refused, and how many answers came from
        #: the cache (hits) or not (misses).
        self.counts: Counter[str] = Counter()
        #: How long each attempt took that ended by itself.
        self.durations = Durations()
        self._budget = Budget(settings.retry_share)
        self._clients = _clients()
        self._lock = current().lock()

    def refusal(self) -> UpstreamError | None:
        """Return the error with which a call would be refused now; None if it would be made."""
        settings = self.settings
        if settings.off:
            return UpstreamOff(self.name, settings.host)
        patience = self.breaker.closed_for()
        if patience:
            return UpstreamBusy(self.name, settings.host, patience, "too many of its calls failed")
        if self.bulkhead.is_full:
            return self._busy(NoPlace(0.0))
        return None

    def call(
        self, request: Request, until: float, given_up: Callable[[], bool] = lambda: False
    ) -> Answer:
        """Return the upstream's answer to *request*, of whatever status.

        Args:
            request: The request to send.
            until: When the call has to end, in seconds of ``time.monotonic``.
            given_up: Tells whether nobody waits for the answer any more.

        Raises:
            UpstreamError: The upstream gave no answer, or was not asked.
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

    def open(self, request: Request, until: float, stack: ExitStack) -> "Opened":
        """Return the upstream's answer to *request* as soon as its head is there.

        Args:
            request: The request to send. It is sent once.
            until: When the answer has to end, in seconds of ``time.monotonic``.
            stack: Its end closes the answer, and gives the call's place back.

        Raises:
            UpstreamError: The upstream gave no answer, or was not asked.
        """
        refusal = self.refusal()
        if refusal is not None:
            self.counts["refused"] += 1
            raise refusal
        self.counts["calls"] += 1
        patience = min(self.settings.queue_time, until - time.monotonic())
        try:
            stack.enter_context(self.bulkhead.place(patience))
        except NoPlace as full:
            refused = full
        else:
            opened = self._ask(lambda client: client.open(request, until))
            stack.callback(opened.close)
            return opened
        self.counts["refused"] += 1
        raise self._busy(refused)

    def note_broken(self) -> None:
        """Count an answer that began well and broke off: that is a failure of the service."""
        self.counts["failures"] += 1
        self.breaker.leave(object(), True)

    def _attempt(self, request: Request, until: float) -> Answer:
        settings = self.settings
        left = until - time.monotonic()
        if left <= 0:  # this is not the upstream's failure
            raise UpstreamTimeout(self.name, settings.host, settings.total, "total")
        patience = min(settings.queue_time, left)
        try:
            with self.bulkhead.place(patience):
                return self._send(request, until)
        except NoPlace as full:
            refused = full
        self.counts["refused"] += 1
        raise self._busy(refused)

    def _send(self, request: Request, until: float) -> Answer:
        return self._ask(lambda client: client.send(request, until))

    def _ask(self, ask: Callable[["Client"], A]) -> A:
        """Return what *ask* gets of the client; count it, and tell the breaker."""
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
            answer = ask(self._client())
            failed = answer.status >= 500
            return answer
        except UpstreamTimeout as error:
            # If the call had little time left, its timeout says little of the upstream.
            enough = time.monotonic() - began >= self.settings.read / 2
            failed = True if enough or error.what == "connect" else None
            raise
        except UpstreamFailed as error:
            failed = None if error.dropped else True
            raise
        except UpstreamError:
            failed = False  # it answered, though not in a way that is taken
            raise
        finally:
            self.counts["failures"] += bool(failed)
            if failed is not None:
                self.durations.add(time.monotonic() - began)
            self.breaker.leave(call, failed)

    def _busy(self, full: NoPlace) -> UpstreamBusy:
        settings = self.settings
        reason = f"its {settings.max_calls} calls at once (max_calls) are all in use"
        if full.waited:
            reason += f", and none ended within {full.waited:.3g} s"
        return UpstreamBusy(self.name, settings.host, 1.0, reason)

    def _client(self) -> "Client":
        """Return the client of this process: greenlets of one thread share one."""
        owner = current().loop()  # to which its connections belong
        client = self._clients.get(owner)
        if client is None:
            from .client import Client  # never at the top: it imports urllib3

            with self._lock:
                client = self._clients.setdefault(owner, Client(self.name, self.settings))
            current().at_end_of_thread(lambda: self._clients.pop(owner).close())
        return cast("Client", client)


def _clients() -> Any:
    return {} if current().loop() is None else weakref.WeakKeyDictionary()
