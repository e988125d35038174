"""What an executor does, for all kinds."""

from ..calls import Call
from collections.abc import Callable
from typing import Any
from typing import Protocol


class Job(Protocol):
    """A call that was started."""

    def cancel(self) -> None:
        """Stop it as far as the executor can. What it gives later is dropped."""


class Executor(Protocol):
    """Runs calls side by side."""

    name: str

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        """Run *call* and tell *done*, from wherever, its outcome.

        It runs in a copy of its caller's ``contextvars`` context (not in a process). Nothing
        here waits: under gevent a request may be ended wherever it waits, and what it had
        started then would be nobody's.

        Raises:
            ExecutorBusy: Too many wait already.
        """

    def close(self) -> None:
        """End what can be ended."""
