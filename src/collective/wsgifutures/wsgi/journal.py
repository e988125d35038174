"""One line in the log for each response that was held for long, when it has ended.

The line is for people. The fields of its record have the same data, for programs that read logs.
Of the data of a client or a view, both have only the path: no query string, header, or argument.
"""

from ..kernel.hold import Hold
from ..traces.paths import render_path
from http import HTTPStatus

import logging

logger = logging.getLogger(__name__)

#: How many futures of a request are named, those that took longest.
MOST = 20


def log(hold: Hold, request: tuple[str, str], status: int, ended: str, seconds: float) -> None:
    """Log a response that is no longer held.

    Args:
        hold: The request's hold.
        request: The request's method and path.
        status: The response's status.
        ended: How the response ended, in one word.
        seconds: How long the response took, from the request on.
    """
    well = status < HTTPStatus.INTERNAL_SERVER_ERROR and ended in ("answered", "gone")
    seconds, waited = round(seconds, 3), round(hold.waited, 3)  # the same in line and fields
    futures = sorted(hold.times, key=lambda item: -item[1])[:MOST]
    method, path = request[0], render_path(request[1])
    logger.log(
        logging.INFO if well else logging.WARNING,
        "%s %s: %d, %s after %.2f s and %d passes. It waited for %.2f s%s. Trace %s",
        *(method, path, status, ended, seconds, hold.passes, waited),
        "".join(f", {name} took {took:.2f} s" for name, took in futures),
        hold.trace,
        extra={
            "trace_id": hold.trace,
            "method": method,
            "path": path,
            "status": status,
            "ended": ended,
            "seconds": seconds,
            "passes": hold.passes,
            "waited": waited,
            "futures": [{"name": name, "seconds": round(took, 3)} for name, took in futures],
            "more_futures": len(hold.times) - len(futures),
        },
    )
