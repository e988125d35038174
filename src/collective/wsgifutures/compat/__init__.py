"""The function names of ``collective.futures``, for views that were written for it.

A future is recognized by a key here, instead of by its arguments: the key names one call of
one request. A view runs after its import is changed::

    from collective.wsgifutures import compat as futures

New code should use ``@future``: there is no key to keep unique, no placeholder to render, and
a mistake is reported where it is made.

In a pass:

=================  ==================  =====================  ==============  =============
the key is         ``result(key)``     ``result(key, d)``     ``submit``      ``cancel``
=================  ==================  =====================  ==============  =============
not submitted      not submitted       ``d``                  registers       False
submitted          not resolved        ``d``                  the last wins   True
running            not resolved        ``d``                  it goes on      True
resolved           value or exception  value or exception     is refused      False
=================  ==================  =====================  ==============  =============

The table holds for the last pass at the deadline too, but a call submitted there never starts.
Without a hold, or if the site is set to hold nothing, a call runs in place when it is
submitted, and its outcome is kept with the request that Zope publishes.

One module, since views and ``except`` clauses take all of these names from one.
"""

from ..kernel.arguments import foreign
from ..kernel.arguments import take
from ..kernel.arguments import take_closure
from ..kernel.arguments import Unfit
from ..kernel.calls import Call
from ..kernel.calls import CallState
from ..kernel.calls import Outcome
from ..kernel.calls import Returned
from ..kernel.errors import ArgumentRefused
from ..kernel.errors import FuturesError
from ..kernel.errors import ResultRefused
from ..kernel.errors import StandsForSuspension
from ..kernel.executors import kind_of
from ..kernel.futures import Future
from ..kernel.futures import gives_default
from ..kernel.futures import settle_in_place
from ..kernel.names import dotted_name
from ..kernel.passes import holding_pass
from ..kernel.passes import Pass
from ..traces import ids
from collections.abc import Callable
from collections.abc import Hashable
from types import FunctionType
from types import MethodType
from typing import Any
from zope.globalrequest import getRequest
from zope.interface import alsoProvides
from zope.interface import Interface

import inspect
import logging
import math
import pickle

__all__ = [
    "FutureAlreadyResolvedError",
    "FutureNotResolvedError",
    "FutureNotSubmittedError",
    "FuturesException",
    "IContainsPromises",
    "cancel",
    "clear",
    "reset",
    "result",
    "resultOrSubmit",
    "resultOrSubmitMultiprocess",
    "submit",
    "submitMultiprocess",
]

logger = logging.getLogger(__name__)

_MISSING: Any = object()

#: The attribute of a request that keeps calls which ran in place.
_KEPT = "_collective_wsgifutures_compat"

#: On a request that was marked in its pass.
_MARKED = "_collective_wsgifutures_marked"

_GUIDE = "See 'Port from collective.futures' in the documentation."


class IContainsPromises(Interface):  # type: ignore[misc]
    """Marks a request in whose pass a call was submitted.

    A view that takes the mark away, by ``noLongerProvides(self.request, IContainsPromises)``,
    has its page sent as it is. No submitted call runs.
    """


class FuturesException(FuturesError):
    """Something is wrong with the call under a key."""

    def __init__(self, key: Hashable) -> None:
        super().__init__(key)
        self.key = key  #: the key that was asked for


class FutureNotSubmittedError(FuturesException):
    """No call was submitted under the key."""

    def __str__(self) -> str:
        return f"No call was submitted as {self.key!r}. Submit a call first, or use resultOrSubmit."


class FutureNotResolvedError(FuturesException, StandsForSuspension):
    """The call under the key has no outcome yet.

    If no view catches this error, the request is published again when the outcome is there. In
    the last pass at the deadline the answer is 504.
    """

    def __str__(self) -> str:
        return f"{self.key!r} has no result yet. Catch FutureNotResolvedError, or give a default."


class FutureAlreadyResolvedError(FuturesException):
    """A call was submitted under a key that has its outcome already."""

    def __str__(self) -> str:
        return f"{self.key!r} has its result already. To run the call again, clear the key first."


def result(key: Hashable, default: Any = _MISSING) -> Any:
    """Return the value of *key*, or raise what its call raised.

    Args:
        key: A ``str``, an integer or a tuple of those.
        default: Returned instead of raising one of the first two errors; the second one is
            raised inside of a function that is cached.

    Raises:
        FutureNotSubmittedError: No call was submitted under *key*.
        FutureNotResolvedError: The call has no outcome yet.
        TooManyPasses: The call has no outcome yet, and the request may not be published again.
        Exception: The exception that the call raised, whatever the default.
    """
    call = _find(key)
    if call is not None and call.outcome is not None:
        return _value(call)
    if default is not _MISSING and (call is None or gives_default(holding_pass(), call, default)):
        return default
    if call is None:
        raise FutureNotSubmittedError(key)
    this = holding_pass()
    if this is not None and this.hold.out_of_passes and not this.hold.expired:
        raise this.hold.too_many_passes()
    error = FutureNotResolvedError(key)
    error.is_of_pass = this is not None
    raise error


def submit(key: Hashable, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Register the call of *fn* under *key*; it starts when the pass has ended by waiting.

    If two calls are registered in a pass, only the last one runs. If the call under *key* is
    already running, nothing is registered. True is returned in either case.

    Args:
        key: A ``str``, an integer or a tuple of those.
        fn: The function to call, outside of Zope.
        args: Arguments of *fn*, which are copied: plain data, functions, or values that pickle,
            but nothing of Zope.
        kwargs: Keyword arguments of *fn*.

    Raises:
        FutureAlreadyResolvedError: *key* has its outcome already.
        ArgumentRefused: *fn* or an argument belongs to Zope or to this pass.
        TypeError: *fn* is not callable.
    """
    return _submit(key, None, fn, args, kwargs)


def submitMultiprocess(key: Hashable, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Register as ``submit`` does; *fn* runs in another process.

    Raises:
        ArgumentRefused: As ``submit``, or *fn* or an argument does not pickle.
    """
    return _submit(key, "processes", fn, args, kwargs)


def resultOrSubmit(
    key: Hashable, placeholder: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Return the value of *key*; if there is none, submit *fn* and return *placeholder*.

    Raises:
        Exception: As ``result`` and ``submit`` do.
    """
    return _result_or_submit(key, placeholder, None, fn, args, kwargs)


def resultOrSubmitMultiprocess(
    key: Hashable, placeholder: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Do as ``resultOrSubmit`` does; *fn* runs in another process."""
    return _result_or_submit(key, placeholder, "processes", fn, args, kwargs)


def cancel(key: Hashable) -> bool:
    """Cancel the call under *key*; return False if it is resolved or there is none."""
    call, this = _find(key), holding_pass()
    return call is not None and this is not None and this.cancel(call)


def clear(key: Hashable) -> bool:
    """Forget the outcome of *key*, so that a call may run again; False if there is none."""
    call = _find(key)
    if call is None or call.outcome is None:
        return False
    this = holding_pass()
    if this is None:
        del _calls()[call.identity]
    else:
        this.forget(call)
    return True


def reset(key: Hashable) -> bool:
    """Cancel or clear *key*; return False if no call was submitted under *key*."""
    return clear(key) or cancel(key)


# Keys


def _identity(key: Hashable) -> Hashable:
    if not _is_key(key):
        raise TypeError(
            f"A key is a str, an integer or a tuple of those, not a {type(key).__qualname__}."
        )
    return (__name__, take(key, "the key").identity)


def _is_key(key: object) -> bool:
    if type(key) is tuple:
        return all(map(_is_key, key))
    return type(key) in (str, int)


def _calls() -> dict[Hashable, Call]:
    """Return the calls of this hold, or of this request if there is no hold."""
    this = holding_pass()
    if this is not None:
        return this.hold.calls
    request = getRequest()
    if request is None:
        return {}
    calls: dict[Hashable, Call] = vars(request).setdefault(_KEPT, {})
    return calls


def _find(key: Hashable) -> Call | None:
    """Return the call of *key*. A cancelled call counts as never submitted."""
    call = _calls().get(_identity(key))
    return None if call is None or call.cancelled else call


def _value(call: Call) -> Any:
    return Future[Any](call, holding_pass()).result()


# Calls


class _Call(Call):
    """A call under a key. Its failure is logged, whichever executor ran it."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.function_name = dotted_name(self.function)  # the key may be made of the arguments

    def settle(self, outcome: Outcome) -> None:
        super().settle(outcome)
        error = outcome.exception()
        if error is not None and not self.cancelled:
            trace = {"trace_id": ids.current_id()}
            logger.error("%s failed", self.name, exc_info=error, extra=trace)


def _submit(key: Hashable, *what: Any) -> bool:
    if holding_pass() is None and getRequest() is None:
        raise FuturesError(
            f"There is neither a hold nor a request that could keep the result of {key!r}. "
            "Call the function itself, or use resultOrSubmit."
        )
    _register(key, *what)
    return True


def _register(key: Hashable, *what: Any) -> Call:
    """Register a call of *what*: executor, function, arguments, keyword arguments."""
    known = _find(key)
    if known is not None and known.state is CallState.SETTLED:
        raise FutureAlreadyResolvedError(key)
    this = holding_pass()
    call = _call(key, *what)
    if this is None:
        settle_in_place(call, call.run)
        _calls()[call.identity] = call
        return call
    if known is not None and known.state is CallState.RUNNING:
        return known
    if this.hold.done:  # given up: nobody waits for the page
        this.suspend([call])
    _mark()
    replaced = this.hold.calls.get(call.identity)
    if replaced is not None:
        this.forget(replaced)
    return this.submit(call)


def _result_or_submit(key: Hashable, placeholder: Any, *what: Any) -> Any:
    call = _find(key) or _register(key, *what)
    return result(key, placeholder) if call.outcome is None else _value(call)


def _call(
    key: Hashable,
    executor: str | None,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Call:
    name = key if isinstance(key, str) else repr(key)
    call = _Call(
        name,
        _identity(key),
        _take_function(name, function),
        tuple(_take(name, f"argument {n}", value) for n, value in enumerate(args, 1)),
        {word: _take(name, word, value) for word, value in kwargs.items()},
        timeout=math.inf,  # the call ends with its hold: collective.futures had no time limit
        executor=executor,
    )
    if kind_of(executor).by_name:
        _check_pickles(call)
    return call


# The function and the arguments of a call


def _take_function(name: str, function: Any) -> Any:
    if not callable(function):
        kind = type(function).__qualname__
        raise TypeError(f"{name}: submit a function and its arguments; a {kind} is not callable")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: {function.__qualname__} is async def; declare it with @future")
    if isinstance(function, MethodType) and foreign(function):
        reason = (
            f"it is {foreign(function)}. Move {function.__name__} out of its class, and submit "
            f"the plain values that it takes from self. {_GUIDE}"
        )
        raise ArgumentRefused(name, "its function", reason)
    try:
        return _copy_function(function)
    except Unfit as unfit:
        raise ArgumentRefused(name, unfit.where, f"{unfit.reason} {_GUIDE}") from None


def _copy_function(function: Any) -> Any:
    """Return a copy that keeps its closure; without one the function itself, for pickle."""
    taken = take_closure(function)
    return taken.copy if taken.identity else function


def _take(name: str, where: str, value: Any) -> Any:
    """Return a copy of *value*: plain data, a function, or a value that pickles."""
    try:
        return _copy_function(value) if type(value) is FunctionType else take(value, where).copy
    except Unfit as unfit:
        place = unfit.where if unfit.where.startswith(where) else where
        refused = ArgumentRefused(name, place, f"{unfit.reason} {_GUIDE}")
        if unfit.foreign:
            raise refused from None
    try:
        return Returned(name, value).get()
    except ResultRefused:
        raise refused from None


def _check_pickles(work: Call) -> None:
    """Refuse a function or an argument that cannot be pickled for another process."""
    arguments = {f"argument {n}": value for n, value in enumerate(work.args, 1)}
    for where, part in {"its function": work.function, **arguments, **work.kwargs}.items():
        try:
            pickle.dumps(part)
        except Exception as error:
            reason = f"it does not pickle ({error}); declare it at the top of a module. {_GUIDE}"
            raise ArgumentRefused(work.name, where, reason) from None


# The end of a pass


def _mark() -> None:
    """Let the view opt out."""
    request = getRequest()
    if request is not None:
        alsoProvides(request, IContainsPromises)
        setattr(request, _MARKED, True)


def cancel_if_opted_out(this: Pass, request: Any) -> None:
    """Cancel what was submitted here, where the view has taken the mark off its *request*.

    For a publisher, before it is decided whether the pass waits.
    """
    # In vars: as an attribute, a variable of the form or a cookie would count too.
    if _MARKED in vars(request) and not IContainsPromises.providedBy(request):
        for call in this.hold.pending:
            if isinstance(call.identity, tuple) and call.identity[0] == __name__:
                this.cancel(call)
