"""Tries again what conflicts with others in the ZODB: somebody else was faster."""

from collections.abc import Callable
from transaction.interfaces import TransientError
from typing import TypeVar

import time

T = TypeVar("T")

#: Seconds until the next try.
SOON = 0.01


def try_again(attempt: Callable[[], T], tries: int) -> T:
    """Return what *attempt* gives, which is made again after a conflict.

    Args:
        attempt: Does something in a transaction of its own, and commits it.
        tries: How often, at most.

    Raises:
        TransientError: There was a conflict each time.
    """
    for _ in range(tries - 1):
        try:
            return attempt()
        except TransientError:
            time.sleep(SOON)
    return attempt()
