"""Code that waits, written once as *steps*: a generator that yields a ``Wait`` where it waits.

``drive`` runs the steps in a thread or a greenlet; ``asynced`` has a task do so.
"""

from .contract import Signal
from collections.abc import Generator
from typing import NamedTuple
from typing import TypeVar

T = TypeVar("T")


class Wait(NamedTuple):
    """What a step waits for. The step gets back whether the signal was set in time."""

    signal: Signal
    timeout: float | None  #: in seconds; None: for ever


#: A generator that waits on its way to its result.
Steps = Generator[Wait, bool, T]


def drive(steps: Steps[T]) -> T:
    """Run *steps* to their end, and return their result. All waits happen in this function.

    So the stack of the waiting thread or greenlet stays short: the frames of the steps are
    plain objects meanwhile. An exception that interrupts the wait is raised in the steps.
    """
    try:
        wanted = next(steps)
        while True:
            try:
                in_time = wanted.signal.wait(wanted.timeout)
            except BaseException as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(in_time)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
