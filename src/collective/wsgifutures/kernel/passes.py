"""Publishes one pass, and knows which one is being published where.

Each pass runs in a fresh copy of its request's context: what was set up around the
request is seen inside, and nothing that a pass sets is seen by the next one in its slot.
"""

from .errors import FuturesError
from .errors import Suspended
from .hold import Hold
from .hold import Pass
from collections.abc import Callable
from contextvars import Context
from contextvars import ContextVar
from contextvars import copy_context

import time

#: The pass that is being published in this context.
_publishing: ContextVar[Pass | None] = ContextVar("wsgifutures.pass", default=None)


def current_pass() -> Pass | None:
    """Return the pass that is being published here, None where there is none."""
    this = _publishing.get()
    return None if this is None or this.closed else this


def holding_pass() -> Pass | None:
    """Return the pass that holds what is asked for here, None where a call runs in place.

    There is no pass, or the site that is being published wants it so.
    """
    this = current_pass()
    return None if this is None or this.site.in_place else this


def publish_once(
    hold: Hold,
    function: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    context: Context | None = None,
) -> bool:
    """Publish a request once; return True where that was its last pass.

    Args:
        hold: The request's; READY.
        function: Publishes. Returns True for a response with a 2xx status.
        clock: Gives the time in seconds.
        context: A fresh copy of the request's; of the current one where it is not given.

    Raises:
        TooManyPasses: It would have to be published again and may not.
        BaseException: What *function* raised, where that is final.
    """
    this = hold.begin(clock())
    error: BaseException | None = None
    successful = False
    try:
        successful = (copy_context() if context is None else context).run(_publish, this, function)
    except Suspended:
        if not this.suspended_on and this.again_in is None:
            error = FuturesError(
                "Suspended was raised, but no future was asked for in this pass. "
                "Only result(), exception() and gather() may raise it."
            )
    except BaseException as raised:
        error = raised
    try:
        if hold.done:  # it was given up meanwhile
            this.close()
            return False
        hold.end(clock(), successful=successful)
        if not hold.done:
            return False
        if error is not None:
            raise error
        return True
    finally:
        del error  # its traceback keeps this frame


def _publish(this: Pass, function: Callable[[], bool]) -> bool:
    _publishing.set(this)
    try:
        return function()
    except Exception as error:
        if not this.waits_for(error):
            raise
    return this.wait()
