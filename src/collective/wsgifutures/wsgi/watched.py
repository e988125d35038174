"""A pass as the monitor and the look for waits see it: from another thread, while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Protocol

import traceback

#: How many calls of a stack are logged, the innermost ones.
DEPTH = 15


class Watched(Protocol):
    """A pass that is published in a slot."""

    path: str  #: of the request, without its query string
    trace: str  #: the id of the request's trace
    began: float  #: in seconds of ``time.monotonic``
    where: Any  #: the thread or greenlet that publishes
    is_logged: bool  #: whether it was logged as slow

    def view_name(self) -> str:
        """Return the name of the view that is published."""


def view_name(attempt: Watched) -> str:
    """Return the view's name; its request may have ended by now."""
    try:
        return str(attempt.view_name())
    except Exception as error:
        return f"A view that cannot be named ({type(error).__name__})"


@contextmanager
def survive_errors() -> Iterator[None]:
    """Keep the thread alive after an error: frames change while it looks at them."""
    try:
        yield
    except Exception:
        traceback.print_exc()  # not to the log, which may be the cause
