"""One line in the log for each response that was held for long, when it has ended.

The line is for people; what it says is in the record's fields too, for who reads logs by
machine. Neither has anything of what a client or a view said, but for the path: no query
string, header, argument.
"""

from ..kernel.executors import Registry
from ..kernel.gate import NoAnswer
from ..kernel.gate import Refused
from ..kernel.hold import Hold
from ..traces import ids
from ..traces import spans
from ..traces.paths import shown
from .interrupts import ClientGone
from .interrupts import Interrupted
from .interrupts import WorkerStops
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import logging

logger = logging.getLogger(__name__)

#: So many futures of a request are named: those that took longest.
MOST = 20

#: How a response ended where one of those came between.
_ENDS: dict[type[BaseException] | None, str] = {
    ClientGone: "gone",
    NoAnswer: "expired",
    Refused: "refused",
    WorkerStops: "stopped",
}


class Entry:
    """What is told of one request: a context that lasts until its response is there.

    Args:
        environ: The server's.
        slow: A response that was held for so many seconds is logged.
        clock: The hold's.
    """

    __slots__ = (
        "_clock",
        "_environ",
        "_error",
        "_failed",
        "_slow",
        "_span",
        "_token",
        "held",
        "hold",
        "status",
    )

    def __init__(self, environ: dict[str, Any], slow: float, clock: Callable[[], float]) -> None:
        self._environ = environ
        self._slow = slow
        self._clock = clock
        self._error: type[BaseException] | None = None
        self.hold: Hold | None = None
        self.held = False
        self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value  #: of its response; or it has none

    def __enter__(self) -> "Entry":
        self._span = spans.of_request(self._environ).__enter__()
        self._token = ids.current.set(ids.of(self._environ))
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        self._failed = kind is not None
        if self.hold is not None:
            self._end(self.hold)
        self._span.answered(self.status)
        self._span.__exit__(kind, *raised)
        ids.current.reset(self._token)

    def executors(self, executors: Registry) -> Registry:
        """Return what runs its futures: *executors*, with a span for each where it is traced."""
        return self._span.executors(executors)

    def breaks_off(self, error: BaseException) -> None:
        """Note that *error* ends it, before the calls that still run are stopped."""
        self._error = type(error)
        if self.hold is not None and isinstance(error, Interrupted):
            self.hold.note_pending(self._clock())

    def _end(self, hold: Hold) -> None:
        self._span.tell(passes=hold.passes)
        if self.held:
            ended = self._ended(hold)
            self._span.tell(waited=hold.waited, ended=ended)
            seconds = self._clock() - hold.since
            if seconds >= self._slow:
                self._log(hold, seconds, ended)

    def _log(self, hold: Hold, seconds: float, ended: str) -> None:
        well = self.status < HTTPStatus.INTERNAL_SERVER_ERROR and ended in ("answered", "gone")
        seconds, waited = round(seconds, 3), round(hold.waited, 3)  # the same in line and fields
        futures = sorted(hold.times, key=lambda item: -item[1])[:MOST]
        method, path = self._environ["REQUEST_METHOD"], shown(self._environ.get("PATH_INFO", ""))
        logger.log(
            logging.INFO if well else logging.WARNING,
            "%s %s: %d, %s after %.2f s and %d passes. It waited for %.2f s%s. Trace %s",
            *(method, path, self.status, ended, seconds, hold.passes, waited),
            "".join(f", {name} took {took:.2f} s" for name, took in futures),
            hold.trace,
            extra={
                "trace_id": hold.trace,
                "method": method,
                "path": path,
                "status": self.status,
                "ended": ended,
                "seconds": seconds,
                "passes": hold.passes,
                "waited": waited,
                "futures": [{"name": name, "seconds": round(took, 3)} for name, took in futures],
                "more_futures": len(hold.times) - len(futures),
            },
        )

    def _ended(self, hold: Hold) -> str:
        """Return how it ended, in one word."""
        if self._error in _ENDS:
            return _ENDS[self._error]
        if self._failed:
            return "failed"
        if hold.cancelled:
            return "cancelled"
        return "expired" if hold.late else "answered"
