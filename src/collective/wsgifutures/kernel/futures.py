"""The words that a view uses: ``future``, ``submit``, ``result``, ``gather``.

Where no pass is being published (in a script or a test, inside another future, while a
body is streamed), a future runs in place.
"""

from . import declarations
from . import executors
from .arguments import noun
from .arguments import take_arguments
from .arguments import take_closure
from .arguments import Taken
from .arguments import Unfit
from .asking import is_argument_of
from .by_name import Declared
from .by_name import pack
from .calls import Call
from .calls import CallState
from .calls import Outcome
from .errors import ArgumentRefused
from .errors import FutureCancelled
from .errors import FuturesError
from .errors import HoldCancelled
from .errors import HoldExpired
from .names import dotted_name
from .passes import current_pass
from .passes import holding_pass
from .passes import Pass
from .placeholders import may_give_default
from .put_away import lend
from .sites import SiteSettings
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Hashable
from typing import Any
from typing import cast
from typing import Generic
from typing import NoReturn
from typing import overload
from typing import ParamSpec
from typing import TypeVar

import functools

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

#: How many seconds a future may take if neither its declaration nor its site says so.
DEFAULT_TIMEOUT = 30.0

#: If there are any, the last of these returns the outcome of a call that would run in place.
stand_ins: list[Callable[[Call], Outcome]] = []

#: If it is set: called with each call that runs in place, before it runs.
watcher: Callable[[Call], None] | None = None

_MISSING: Any = object()

_WRITE_SUBMIT = "Write gather(f.submit(...), g.submit(...)) instead of gather(f(...), g(...))."
_NO_TIMEOUT_HERE = ". Set timeout= where the future is declared: @future(timeout=...)."


class Future(Generic[T]):
    """One external call, as one pass sees it. ``submit`` returns it."""

    def __init__(self, call: Call, this: Pass | None) -> None:
        self._call = call
        self._pass = this
        if this is not None and this.hold.watch is not None:
            this.hold.watch.asks(call)

    def __repr__(self) -> str:
        return f"<Future {self._call.name}: {self._call.state.name.lower()}>"

    @overload
    def result(self) -> T: ...
    @overload
    def result(self, *, default: D) -> T | D: ...
    def result(self, *args: Any, default: Any = _MISSING, **kwargs: Any) -> Any:
        """Return the call's value. If the call is pending, suspend the pass.

        Args:
            default: Returned in this pass if the call is pending. The request is published
                again when the call has settled. Inside of a function that is cached no default
                is returned: the pass suspends.

        Raises:
            Suspended: The call is pending.
            FutureTimeout: The call took longer than its timeout.
            FutureCancelled: The call was cancelled.
            HoldExpired: The call is pending, and this is the last pass.
            HoldCancelled: The call is pending, and an operator cancelled the wait for it.
            Exception: The exception of the call, with its own traceback.
        """
        if args or kwargs:
            raise _no_timeout("result", kwargs)
        outcome = self._call.outcome
        if outcome is not None:
            return self._value(outcome)
        if default is not _MISSING and gives_default(self._pass, self._call, default):
            return default
        return self._suspend()

    def exception(self, *args: Any, **kwargs: Any) -> BaseException | None:
        """Return the call's exception, or None for a value. If it is pending, suspend.

        Raises:
            Suspended, FutureCancelled, HoldExpired, HoldCancelled: As ``result``.
        """
        if args or kwargs:
            raise _no_timeout("exception", kwargs)
        outcome = self._call.outcome
        if outcome is None:
            return self._suspend()
        if self._call.cancelled:
            outcome.get()
        return outcome.exception()

    def done(self) -> bool:
        """Tell whether the call has settled. Within a pass only ``cancel`` changes that."""
        return self._call.state is CallState.SETTLED

    def cancel(self) -> bool:
        """Cancel the call, and stop it if its executor can; False if it has settled."""
        return self._pass is not None and self._pass.cancel(self._call)

    def cancelled(self) -> bool:
        """Tell whether the call was cancelled."""
        return self._call.cancelled

    def _value(self, outcome: Outcome) -> T:
        if self._pass is None or self._pass.closed:
            return cast(T, outcome.get())
        values = self._pass.values
        if self._call not in values:
            values[self._call] = outcome.get()
        return cast(T, values[self._call])

    def _suspend(self) -> NoReturn:
        this = self._pass
        if this is None or this.closed:
            raise FuturesError(
                f"{self._call.name} was submitted in a pass that has ended. Submit it "
                "again in each pass: the same arguments give the same call."
            )
        if this.hold.watch is not None and is_argument_of(gather):
            self.cancel()
            raise TypeError(
                f"{self._call.name} is called as an argument of gather, which takes futures: the "
                f"calls would be waited for one after the other. {_WRITE_SUBMIT}"
            )
        this.suspend([self._call])


def gives_default(this: Pass | None, call: Call, default: Any) -> bool:
    """Tell whether *default* is given in *this* pass in place of the pending *call*'s result."""
    if this is None or this.closed:
        return True
    if not may_give_default(call.name, refuses=this.hold.watch is not None):
        return False
    lend(this, default)
    return True


def settle_in_place(call: Call, make: Callable[[], Outcome]) -> None:
    """Settle *call* at once, without a hold, with the outcome that *make* returns."""
    if stand_ins:
        call.settle(stand_ins[-1](call))
        return
    if watcher is not None:
        watcher(call)
    call.settle(make())


class FutureFunction(Declared, Generic[P, T]):
    """A function declared with ``@future``. A call of it returns its value or suspends."""

    def __init__(
        self,
        function: Callable[P, T],
        timeout: float | None,
        key: str | None,
        executor: str | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = key or dotted_name(function)
        self.plain = function
        self._timeout = timeout
        self._executor = declarations.choose_executor(function, executor)
        self._signature = declarations.read_signature(function)

    def __repr__(self) -> str:
        return f"<future {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the value of the call. If the call is pending, suspend the pass."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Register the call and go on. It starts when the pass has ended by waiting.

        Without a hold, or if the site wants none, the call runs in place, now. ``result``
        raises its exception.

        Raises:
            ArgumentRefused: An argument is not plain data.
            TypeError: The arguments do not fit the function.
            ValueError: The ``executor`` is not available in this process.
        """
        function, arguments, identity = self._take(args, kwargs)
        this = holding_pass()
        known = None if this is None else this.hold.calls.get(identity)
        if known is not None:
            return Future(known, this)
        call = self._call(function, arguments, identity, None if this is None else this.hold.site)
        if this is None:
            settle_in_place(call, functools.partial(self._kind.in_place, call))
        else:
            if self._executor is not None and not stand_ins:
                executors.check_available(self._executor)
            this.submit(call)
        return Future(call, this)

    def identify(self, *args: P.args, **kwargs: P.kwargs) -> Hashable:
        """Return a key that only calls with the same arguments have.

        Raises:
            Unfit: An argument is not plain data.
            TypeError: The arguments do not fit the function.
        """
        return take_arguments(self._signature, args, kwargs).identity

    def __get__(self, instance: object, owner: type | None = None) -> "FutureFunction[P, T]":
        if instance is None:
            return self
        raise ArgumentRefused(
            self.name,
            "self",
            f"it is {noun(instance)}. Declare the future outside of the class, or below "
            "@staticmethod, and pass plain values.",
        )

    def _take(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Callable[..., Any], Taken, Hashable]:
        """Return the function to call, its arguments, and the identity of the call."""
        try:
            closure = take_closure(self.plain)
            arguments = take_arguments(self._signature, args, kwargs)
        except Unfit as unfit:
            raise ArgumentRefused(self.name, unfit.where, unfit.reason) from None
        except TypeError as error:
            own = self._signature.parameters
            hint = _NO_TIMEOUT_HERE if "timeout" in kwargs and "timeout" not in own else ""
            raise TypeError(f"{self.name}: {error}{hint}") from None
        return closure.copy, arguments, (self.name, arguments.identity, closure.identity)

    def _call(
        self,
        function: Callable[..., Any],
        arguments: Taken,
        identity: Hashable,
        site: SiteSettings | None,
    ) -> Call:
        args, kwargs = arguments.copy
        by_name = self._kind.by_name
        call = Call(
            self.name,
            identity,
            self.plain if by_name else function,
            args,
            kwargs,
            timeout=self._timeout or (site and site.timeout) or DEFAULT_TIMEOUT,
            arguments=cast(tuple[tuple[str, Hashable], ...], arguments.identity),
            executor=self._executor,
        )
        if by_name:
            pack(call)  # refuses here, in the view
        return call

    @functools.cached_property
    def _kind(self) -> executors.Kind:
        """The kind of its executor, looked up at the first call: gevent has patched by then."""
        return executors.kind_of(self._executor)


@overload
def future(function: Callable[P, Coroutine[Any, Any, T]], /) -> FutureFunction[P, T]: ...
@overload
def future(function: Callable[P, T], /) -> FutureFunction[P, T]: ...
@overload
def future(
    *, timeout: float | None = None, key: str | None = None, executor: str | None = None
) -> Callable[[Callable[P, T]], FutureFunction[P, T]]: ...
def future(
    function: Any = None,
    /,
    *,
    timeout: float | None = None,
    key: str | None = None,
    executor: str | None = None,
) -> Any:
    """Declare a function as a future: one external call, made outside of Zope.

    The function gets copies of its arguments, which are plain data. It returns plain data or
    a value that pickles. The same arguments give the same call in all passes of a request,
    and the call runs once.

    Args:
        function: Makes the call.
        timeout: How long the call may take, in seconds. Default: the site's setting, else 30.
        key: The name of the future, instead of its dotted name. A lambda and a function
            inside a function need a key.
        executor: Runs the call while the response is held. ``"greenlets"``: the default
            under gevent. ``"threads"``: the default elsewhere; under gevent for libraries that
            need real threads, and for C code that waits by itself. ``"processes"``: for
            computations. ``"asyncio"``: for ``async def``, and its default. A function of
            ``"processes"`` is found by its name, and under gevent also a function of
            ``"threads"`` or ``"asyncio"``: declare it at the top of a module.

    Raises:
        ValueError: *timeout* is not above 0, or *executor* is unknown or does not suit *function*.
        TypeError: *function* cannot be a future, or has no name and no *key*.
    """
    seconds = declarations.to_seconds(timeout)
    declarations.check_key(key)
    executors.kind_of(executor)

    def declare(function: Callable[P, T]) -> FutureFunction[P, T]:
        declarations.check_function(function, key)
        return FutureFunction(function, seconds, key, executor)

    return declare if function is None else declare(function)


def gather(*futures: Future[Any], return_exceptions: bool = False) -> list[Any]:
    """Return the results of *futures*, in order, after one wait for all of them.

    Every future is registered before the pass suspends, so the calls run side by
    side and the request is published once more, not once per future.

    Args:
        futures: As ``submit`` returns them. Without any, the result is ``[]``, at once.
        return_exceptions: Put a failed future's exception in its place instead of
            raising the first one, as ``asyncio.gather`` does.

    Raises:
        Suspended: At least one future is pending.
        FutureTimeout: A future took longer than its own ``timeout`` (seconds).
        Exception: The exception of a future, with its own traceback.
    """
    for position, item in enumerate(futures, 1):
        if not isinstance(item, Future):
            raise TypeError(
                f"gather takes futures, as submit returns them; argument {position} is a "
                f"{type(item).__qualname__}. {_WRITE_SUBMIT}"
            )
    this = current_pass()
    pending = [f._call for f in futures if f._call.outcome is None and f._pass is this]
    if this is not None and pending and not this.hold.expired:
        this.suspend(pending)
    if return_exceptions:
        return [_result_or_exception(item) for item in futures]
    return [item.result() for item in futures]


def _result_or_exception(item: Future[Any]) -> Any:
    try:
        error = item.exception()
    except (FutureCancelled, HoldCancelled, HoldExpired) as refusal:
        return refusal
    return item.result() if error is None else error


def _no_timeout(method: str, kwargs: dict[str, Any]) -> TypeError:
    given = f"{next(iter(kwargs))}=" if kwargs else "a positional argument"
    return TypeError(
        f"{method}() takes no timeout: it never blocks (it was given {given}). Set timeout= "
        "where the future is declared; result(default=...) does not wait."
    )
