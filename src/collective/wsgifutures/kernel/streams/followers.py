"""What comes after a stream: whoever gets its text, once, when it has ended.

The view names who that is, in the transaction of its pass. The text is kept until the stream has
ended, up to a limit.
"""

from collections.abc import Callable
from typing import Any
from typing import Protocol

import logging

logger = logging.getLogger(__name__)

#: If there is any, it makes a follower of what a view names, of a context and of seconds.
makers: list[Callable[[Any, Any, float], "Follower"]] = []

#: The most letters that are handed over.
LONGEST_TEXT = 1024 * 1024


class Follower(Protocol):
    """Waits for the text of one stream."""

    def hand_over(self, text: str) -> None:
        """Take the whole *text*."""

    def give_up(self, reason: str, *, wanted: bool) -> None:
        """Take note that there will be no text, for that *reason*.

        Args:
            reason: In a sentence.
            wanted: Something went wrong; else the client has left, or there was no stream.
        """


class Following:
    """Keeps the text of one stream for its follower.

    Args:
        follower: Gets the text.
        keep_going: The stream is made to its end even if its client leaves.
    """

    def __init__(self, follower: Follower, keep_going: bool) -> None:
        self.keep_going = keep_going
        self._follower: Follower | None = follower
        self._parts: list[str] = []
        self._left = LONGEST_TEXT

    def add(self, text: str) -> None:
        """Keep *text*."""
        self._left -= len(text)
        if self._left >= 0:
            self._parts.append(text)

    def end(self, broken: str = "", *, wanted: bool = True) -> None:
        """Hand the text over; or tell why it is not whole. Only the first call counts."""
        follower, self._follower = self._follower, None
        text, self._parts = "".join(self._parts), []
        if follower is None:
            return
        if self._left < 0 and not broken:
            broken = f"The stream has more than {LONGEST_TEXT} letters."
        try:
            if broken:
                follower.give_up(broken, wanted=wanted)
            else:
                follower.hand_over(text)
        except Exception:
            logger.exception("The text of a stream could not be handed over.")


def follow(then: Any, context: Any, seconds: float, keep_going: bool) -> Following | None:
    """Return what follows a stream; None if nothing does.

    Args:
        then: A task, as ``@task`` makes one, or None.
        context: What its job is about.
        seconds: How long the stream may take.
        keep_going: The stream is made to its end even if its client leaves.

    Raises:
        TypeError: *then* is not a task.
    """
    if then is None:
        return None
    if not makers:
        raise TypeError(f"then={then!r} is for a view of a site: there are no jobs here.")
    return Following(makers[-1](then, context, seconds), keep_going)
