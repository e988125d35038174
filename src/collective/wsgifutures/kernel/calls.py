"""One future of one hold: the function to call, its state and its outcome.

An outcome is kept so that every pass gets a copy of the same value or exception.
"""

from .arguments import foreign
from .arguments import is_immutable
from .arguments import take
from .arguments import Unfit
from .copies import can_be_made_of_its_args
from .copies import copy_exception
from .copies import make_of_parts
from .copies import mend_of
from .copies import state_of
from .copies import take_whole
from .errors import FutureCancelled
from .errors import FuturesError
from .errors import ResultRefused
from .outside import explain
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from enum import Enum
from typing import Any
from typing import Protocol

import functools
import io
import pickle


class Outcome(Protocol):
    """A settled future's value or exception."""

    def get(self) -> Any:
        """Return a copy of the value, or raise a copy of the exception."""

    def exception(self) -> BaseException | None:
        """Return a copy of the exception, or None if there is a value."""


#: The default of a call's arguments by name: shared by all calls, and never changed.
_NOTHING: dict[str, Any] = {}


class CallState(Enum):
    """The state of a future."""

    REGISTERED = "asked for in a pass that has not ended"
    RUNNING = "started"
    SETTLED = "has its outcome"


class Call:
    """One future of one hold.

    Args:
        name: The future's name, for people.
        identity: Its name and arguments, by which a later pass recognizes it.
        function: Makes the call, and is kept as long as the response is held; None if a
            subclass makes the call in another way.
        args: The function's arguments by position.
        kwargs: The function's arguments by name.
        timeout: How long the call may take from its start, in seconds.
        arguments: Names and identities of the arguments, to name those that differ.
        executor: The name of its executor; None for the default of the process.
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
        "function_name",
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
        self.function_name = name  #: the same, but without arguments in a subclass too
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

    def run(self) -> Outcome:
        """Make the call in place: SystemExit and the like are raised to the caller."""
        assert self.function is not None  # noqa: S101  a subclass has its own work
        return run(self.name, self.function, *self.args, **self.kwargs)

    def work(self) -> Outcome:
        """Make the call elsewhere than in the thread that asked for it."""
        return run_to_end(self.name, self.run)

    def settle(self, outcome: Outcome) -> None:
        """Settle with *outcome*."""
        self.state = CallState.SETTLED
        self.outcome = outcome

    def cancel(self) -> None:
        """Settle as cancelled."""
        self.cancelled = True
        self.settle(Raised(FutureCancelled(self.name)))


class Returned:
    """A packed value: an immutable value is shared, any other value is copied by pickle."""

    def __init__(self, name: str, value: object) -> None:
        self._unpack = _pack(name, value)

    def get(self) -> Any:
        """Return the pass's own copy."""
        return self._unpack()

    def exception(self) -> None:
        """Return None: there is a value."""
        return


class Raised:
    """A kept exception, with its traceback. The locals of its frames are cleared.

    What it carries and reading uses up, such as the body of an HTTPError, is read now.
    """

    def __init__(self, error: Exception) -> None:
        self._error, self._shared = take_whole(error)

    def get(self) -> Any:
        """Raise the pass's own copy."""
        raise self.exception()

    def exception(self) -> BaseException:
        """Return a copy of the exception."""
        return copy_exception(self._error, self._shared)

    @property
    def original(self) -> Exception:
        """The exception itself, of which each pass gets a copy; a note can be added."""
        return self._error

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickles, even if the exception's ``__init__`` takes other than its args."""
        error = self._error
        if can_be_made_of_its_args(error):
            return Raised, (error,)
        return _raised, (type(error), error.args, state_of(error))


def _raised(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Raised:
    return Raised(make_of_parts(kind, args, state))


def run(name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Outcome:
    """Call *function* and return its outcome, be that a value or an exception."""
    try:
        return Returned(name, function(*args, **kwargs))
    except Exception as error:
        return Raised(without_own_frame(error))


def run_to_end(name: str, function: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of *function*, which does not run in its caller's thread, nor in Zope.

    SystemExit and the like must not end a server's thread when a view asks for the result.
    A call that runs in place raises them to its caller.
    """
    try:
        outcome = function()
    except BaseException as error:
        return Raised(no_end(name, error))
    if isinstance(outcome, Raised):
        explain(name, outcome.original)
    return outcome


def no_end(name: str, error: BaseException) -> FuturesError:
    """Return the exception that a view gets for an *error* that ends a thread or process."""
    return FuturesError(f"{name} raised {_describe(error)}, which ends a thread or process")


def _describe(error: BaseException) -> str:
    try:
        return repr(error)
    except BaseException:  # a broken __repr__: the name of the class is enough
        return type(error).__name__


def without_own_frame(error: Exception) -> Exception:
    """Return *error* without the outermost frame of its traceback: the frame that caught it."""
    tb = error.__traceback__
    return error.with_traceback(tb.tb_next if tb and tb.tb_next else tb)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        known = foreign(value)
        if known:
            noun = known.partition(";")[0]  # the advice that follows is about arguments
            raise Unfit("", f"it is or contains {noun}; return the plain values instead.")
        mend = mend_of(value)
        if mend:
            kind = type(value).__qualname__
            raise Unfit("", f"it is or contains a {kind}, which can be read once; {mend}.")
        return NotImplemented


def _pack(name: str, value: Any) -> Callable[[], Any]:
    if is_immutable(value):
        return functools.partial(_itself, value)
    try:
        return functools.partial(pickle.loads, pack_value(name, value))
    except ResultRefused:
        raise
    except Exception as error:
        return _pack_plain(name, value, error)


def pack_value(name: str, value: Any) -> bytes:
    """Return *value*, which *name* returned, as a pickle that was seen to load.

    Raises:
        ResultRefused: It belongs to Zope or to a pass, or can be read only once.
        Exception: It does not pickle.
    """
    packed = io.BytesIO()
    try:
        _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(value)
    except Unfit as unfit:
        raise ResultRefused(name, unfit.reason) from None
    data = packed.getvalue()
    pickle.loads(data)  # some values pickle but do not load
    return data


def _itself(value: Any) -> Any:
    return value


def _pack_plain(name: str, value: Any, error: Exception) -> Callable[[], Any]:
    """Plain data need not pickle: an enum or a dataclass may be declared in a function."""
    try:
        kept = take(value, "it").copy
    except Unfit:
        reason = f"it does not pickle ({error}); return plain data."
        raise ResultRefused(name, reason) from None
    return lambda: take(kept, "it").copy


#: The outcome of a wait for work, if there was none.
NOTHING = Returned("work", None)
