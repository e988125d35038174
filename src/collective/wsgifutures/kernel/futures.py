"""The words that a view uses: ``future``, ``submit``, ``result``, ``gather``, ``held``.

Where no pass is being published (in a script, a test, inside another future, while a
body is streamed) a future runs in place.
"""

from . import executors
from .arguments import foreign
from .arguments import noun
from .arguments import take_arguments
from .arguments import take_closure
from .arguments import Taken
from .arguments import Unfit
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
import inspect
import math

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

#: Seconds that a future may take where neither itself nor its site says so.
DEFAULT_TIMEOUT = 30.0

#: While there are any, the last one gives the outcome of a call that would run in place.
stand_ins: list[Callable[[Call], Outcome]] = []

_MISSING: Any = object()

_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_FIRST = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Future(Generic[T]):
    """One external call, as one pass sees it. Made by ``submit``."""

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
        """Return the call's value; where it is pending, suspend the pass.

        Args:
            default: Given for this pass where the call is pending. The request is
                published again when it has settled.

        Raises:
            Suspended: It is pending.
            FutureTimeout: It took longer than its timeout.
            FutureCancelled: It was cancelled.
            HoldExpired: It is pending, and this is the last pass.
            HoldCancelled: The same, and an operator wanted it so.
            Exception: What the call raised, with its own traceback.
        """
        if args or kwargs:
            raise _no_timeout("result", kwargs)
        outcome = self._call.outcome
        if outcome is not None:
            return self._value(outcome)
        if default is not _MISSING:
            return default
        return self._suspend()

    def exception(self, *args: Any, **kwargs: Any) -> BaseException | None:
        """Return what the call raised, None for a value; where it is pending, suspend.

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
        """Tell whether the call has settled. Within a pass only ``cancel`` changes it."""
        return self._call.state is CallState.SETTLED

    def cancel(self) -> bool:
        """Cancel the call, a running one too where its executor can; False once settled."""
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
        this.suspend([self._call])


def settle_in_place(call: Call, make: Callable[[], Outcome]) -> None:
    """Settle *call* where there is no hold: with what *make* gives, now."""
    call.settle(stand_ins[-1](call) if stand_ins else make())


class FutureFunction(Declared, Generic[P, T]):
    """A function declared with ``@future``. Calling it gives its value or suspends."""

    def __init__(
        self,
        function: Callable[P, T],
        timeout: float | None,
        key: str | None,
        executor: str | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._timeout = timeout
        self._executor = _executor(function, executor)
        self._name = key or dotted_name(function)
        self._signature = _signature(function)

    def __repr__(self) -> str:
        return f"<future {self._name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the value of the call; where it is not there yet, suspend the pass."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Register the call and go on; it starts when the pass has ended by waiting.

        Where there is no hold, or the site wants none, it runs in place, now, and what it
        raises is raised by ``result``.

        Raises:
            ArgumentRefused: An argument is not plain data.
            TypeError: The arguments do not fit the function.
            ValueError: This process does not have its ``executor``.
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
        """Return what tells such a call from others of the same name.

        Raises:
            Unfit: An argument is not plain data.
            TypeError: The arguments do not fit the function.
        """
        return take_arguments(self._signature, args, kwargs).identity

    def __get__(self, instance: object, owner: type | None = None) -> "FutureFunction[P, T]":
        if instance is None:
            return self
        raise ArgumentRefused(
            self._name,
            "self",
            f"it is {noun(instance)}. Declare the future outside of the class, or below "
            "@staticmethod, and pass plain values.",
        )

    def _take(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Callable[..., Any], Taken, Hashable]:
        """Return what is called, with what, and what tells that call from others."""
        try:
            closure = take_closure(self._function)
            arguments = take_arguments(self._signature, args, kwargs)
        except Unfit as unfit:
            raise ArgumentRefused(self._name, unfit.where, unfit.reason) from None
        except TypeError as error:
            raise TypeError(f"{self._name}: {error}") from None
        return closure.copy, arguments, (self._name, arguments.identity, closure.identity)

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
            self._name,
            identity,
            self._function if by_name else function,
            args,
            kwargs,
            timeout=self._timeout or (site and site.timeout) or DEFAULT_TIMEOUT,
            arguments=cast(tuple[tuple[str, Hashable], ...], arguments.identity),
            executor=self._executor,
        )
        if by_name:
            pack(call)  # is refused here, in the view
        return call

    @functools.cached_property
    def _kind(self) -> executors.Kind:
        """What runs it, looked up when it is first called: gevent has patched by then."""
        return executors.kind_of(self._executor)

    @property
    def name(self) -> str:
        """Its dotted name, or its ``key``."""
        return self._name

    @property
    def plain(self) -> Callable[P, T]:
        """The function that was declared."""
        return self._function


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

    The function gets copies of its arguments, plain data, and returns plain data or
    what pickles. Asked for again with the same arguments, in whatever pass of the
    request, it is the same call and runs once.

    Args:
        function: What makes the call.
        timeout: How long it may take, in seconds. By default what the site has set, else 30.
        key: Its name, instead of its dotted name. A lambda or a function
            inside a function needs one.
        executor: What runs it while its response is held. ``"greenlets"``: the default
            under gevent. ``"threads"``: the default elsewhere; under gevent for libraries that
            need real threads, and for C code that waits by itself. ``"processes"``: for what
            computes. ``"asyncio"``: for ``async def``, and its default. A function that runs in
            another process (the last two, and threads, under gevent; else processes alone) is
            found by its name: declare it at the top of a module.

    Raises:
        ValueError: ``timeout`` or ``executor`` is not one of those, or does not suit the
            function.
        TypeError: *function* cannot be a future, or has no name and no ``key``.
    """
    seconds = _checked_timeout(timeout)
    if key is not None and not (isinstance(key, str) and key):
        raise TypeError(f"key={key!r} is not a name, a str of one letter or more")
    executors.kind_of(executor)

    def declare(function: Callable[P, T]) -> FutureFunction[P, T]:
        _check_function(function, key)
        return FutureFunction(function, seconds, key, executor)

    return declare if function is None else declare(function)


def gather(*futures: Future[Any], return_exceptions: bool = False) -> list[Any]:
    """Return the results of *futures*, in order, after one wait for all of them.

    Every future is registered before the pass suspends, so the calls run side by
    side and the request is published once more, not once per future.

    Args:
        futures: What ``submit`` returned. Without any, the result is ``[]``, at once.
        return_exceptions: Put a failed future's exception in its place instead of
            raising the first one, as ``asyncio.gather`` does.

    Raises:
        Suspended: At least one is pending.
        FutureTimeout: A future took longer than its own ``timeout`` (seconds).
        Exception: Whatever a future raised, with its own traceback.
    """
    for position, item in enumerate(futures, 1):
        if not isinstance(item, Future):
            raise TypeError(
                f"gather takes what submit gave; argument {position} is a {type(item).__qualname__}"
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


def held(**makers: Callable[[Any], Future[Any]]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Ask for futures before a view's method runs, all at once, and pass it their values.

    The method's other arguments are filled from the request as Zope does; those named
    here never are.

    Args:
        makers: For each argument a function of the view that returns what ``submit``
            gave, as ``weather=lambda self: weather.submit(self.city)``.

    Raises:
        TypeError: A maker is not callable, the method does not take such an argument,
            or a maker returns something other than a future.
    """
    for name, maker in makers.items():
        if not callable(maker):
            raise TypeError(f"held({name}=...) takes a function of the view, as lambda self: ...")

    def decorate(method: Callable[..., T]) -> Callable[..., T]:
        whole = inspect.signature(method)
        parameters = whole.parameters
        for name in makers:
            if name not in parameters or parameters[name].kind in _STARRED:
                raise TypeError(f"held({name}=...): {method.__qualname__} takes no {name!r}")
        others = [p for name, p in parameters.items() if name not in makers]
        if not others or others[0].kind not in _FIRST:
            raise TypeError(f"held is for a view's method; {method.__qualname__} takes no self")
        reduced = whole.replace(parameters=others)

        @functools.wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> T:
            bound = reduced.bind(*args, **kwargs)
            bound.apply_defaults()
            view = bound.args[0]
            futures = [_made(name, maker, view) for name, maker in makers.items()]
            values = dict(zip(makers, gather(*futures), strict=True))
            call = inspect.BoundArguments(whole, {**bound.arguments, **values})
            return method(*call.args, **call.kwargs)

        # ZPublisher.mapply fills the arguments that it finds here from the request.
        wrapper.__signature__ = reduced  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _made(name: str, maker: Callable[[Any], Future[Any]], view: object) -> Future[Any]:
    made = maker(view)
    if not isinstance(made, Future):
        raise TypeError(
            f"held({name}=...) must return what submit gave, not a {type(made).__qualname__}"
        )
    return made


def _no_timeout(method: str, kwargs: dict[str, Any]) -> TypeError:
    given = f"{next(iter(kwargs))}=" if kwargs else "a positional argument"
    return TypeError(
        f"{method}() takes no timeout: it never blocks (it was given {given}). Set timeout= "
        "where the future is declared; result(default=...) does not wait."
    )


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not number or not 0 < timeout < math.inf:
        raise ValueError(f"timeout={timeout!r} is not a number of seconds above 0")
    return float(timeout)


def _check_function(function: Any, key: str | None) -> None:
    if not callable(function):
        raise TypeError(
            f"@future is for a function, not for {function!r}; its options have names, "
            "as in @future(timeout=10)"
        )
    name = getattr(function, "__qualname__", None)
    if inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} yields; a future returns one value, a list say")
    found = foreign(function)
    if found:
        raise ArgumentRefused(key or str(name), "its function", f"it is {found}.")
    if isinstance(function, functools.partial):
        raise TypeError(
            "@future is for the function itself, not for a partial of it; give the arguments "
            "to submit"
        )
    if key is None and (name is None or "<" in name):
        raise TypeError(
            f"{name or function!r} has no dotted name by which it is known again in the next "
            "pass; give it one: @future(key=...)"
        )


def _executor(function: Callable[..., Any], executor: str | None) -> str | None:
    """Return what runs *function*: asyncio what is ``async def``, and nothing else."""
    is_async = inspect.iscoroutinefunction(function)
    if executor is None:
        return executors.ASYNC if is_async else None
    runs_async = executors.kind_of(executor).is_async
    if is_async and not runs_async:
        raise ValueError(f"executor={executor!r} does not run async def; {executors.ASYNC} does")
    if runs_async and not is_async:
        raise ValueError(
            f"executor={executor!r} runs async def; {function.__qualname__} is not async, and "
            "would stop the others in its loop"
        )
    return executor


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:  # some built-in functions tell none
        return inspect.signature(lambda *args, **kwargs: None)
