"""One future of one hold: what to run, and what became of it."""

from .errors import FutureCancelled
from .outcomes import Outcome
from .outcomes import Raised
from .outcomes import run
from .outcomes import run_to_end
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from enum import Enum
from typing import Any

#: Shared, and never changed.
_NOTHING: dict[str, Any] = {}


class CallState(Enum):
    """Where a future stands."""

    REGISTERED = "asked for in a pass that has not ended"
    RUNNING = "started"
    SETTLED = "has its outcome"


class Call:
    """One future of one hold.

    Args:
        name: The future's name, for people.
        identity: Its name and arguments, to know it again.
        function: What is called, and kept while its response is held; None where a subclass
            makes the call in another way.
        args: For it.
        kwargs: For it, too.
        timeout: How long it may take, in seconds, from its start.
        arguments: Their names and identities, to tell how two calls differ.
        executor: The name of what is to run it; None for what suits the process.
    """

    __slots__ = (
        "args",
        "arguments",
        "cancelled",
        "due",
        "ended",
        "executor",
        "first_pass",
        "function",
        "identity",
        "kwargs",
        "name",
        "outcome",
        "started",
        "state",
        "stopped",
        "timeout",
    )

    def __init__(
        self,
        name: str,
        identity: Hashable,
        function: Callable[..., Any] | None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] = _NOTHING,
        *,
        timeout: float = 30.0,
        arguments: Iterable[tuple[str, Hashable]] = (),
        executor: str | None = None,
    ) -> None:
        self.name = name
        self.identity = identity
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.timeout = timeout
        self.arguments = arguments
        self.executor = executor
        self.state = CallState.REGISTERED
        self.outcome: Outcome | None = None
        self.cancelled = False
        self.stopped = False
        self.first_pass = 0
        self.due = 0.0
        self.started = 0.0
        self.ended = 0.0

    @property
    def function_name(self) -> str:
        """Its name, without anything of what it is called with."""
        return self.name

    def run(self) -> Outcome:
        """Make the call, for a caller who may be ended by what it raises."""
        return run(self.name, self._call)

    def work(self) -> Outcome:
        """Make the call, away from whoever asked for it."""
        return run_to_end(self.name, self.run)

    def _call(self) -> Any:
        assert self.function is not None  # noqa: S101  a subclass has its own work
        return self.function(*self.args, **self.kwargs)

    def settle(self, outcome: Outcome) -> None:
        """Keep *outcome*."""
        self.state = CallState.SETTLED
        self.outcome = outcome

    def cancel(self) -> None:
        """Settle as cancelled."""
        self.cancelled = True
        self.settle(Raised(FutureCancelled(self.name)))
