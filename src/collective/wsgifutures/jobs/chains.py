"""Warns developers of a task that submits itself for ever: the setting ``debug``.

A job whose task submits the same work again makes a chain. Each job knows its place in it. A
delay ends a chain: such a task is meant to come again.
"""

from ..kernel.checks import warn_once
from ..kernel.passes import current_pass
from .options import Options
from .publishing import find_run
from typing import Any
from zope.globalrequest import getRequest

#: How many jobs of one chain are submitted until that is logged.
DEEP = 10


def find_depth(work: tuple[str, str, bytes], options: Options) -> int:
    """Return how many jobs before this one were the same, each submitted by the one before.

    Args:
        work: The name of the task, the UID of its context, its packed arguments.
        options: Those of the submission.
    """
    wanted = getattr(find_run(getRequest()), "wanted", None)
    if wanted is None or options.delay or options.at is not None:
        return 0
    if work != (wanted.task, wanted.context, wanted.arguments):
        return 0
    depth: int = wanted.depth + 1
    if depth >= DEEP and _is_watched():
        warn_once(
            f"{work[0]} seems to submit itself for ever: {DEEP} jobs in a row did the same, each "
            "submitted by the one before. Submit it with key=, so that it is not submitted while "
            "it runs; with delay=, if it is meant to come again; or under a condition that ends."
        )
    return depth


def _is_watched() -> bool:
    this: Any = current_pass()
    return this is not None and this.hold.watch is not None
