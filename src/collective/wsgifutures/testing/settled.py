"""The outcomes that a test gives to its calls, and the error of a call that has none."""

from ..kernel.arguments import Unfit
from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.calls import Raised
from ..kernel.calls import Returned
from ..kernel.errors import ArgumentRefused
from ..kernel.futures import FutureFunction
from ..upstreams.answers import Answer
from ..upstreams.answers import Headers
from ..upstreams.upstream import Method
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from typing import NamedTuple

import json as json_
import math

#: The default of ``value=``.
MISSING: Any = object()

_COMPAT = "collective.wsgifutures.compat"

#: Stands for any arguments of a call.
ANY: Hashable = ...


class UnexpectedCall(BaseException):
    """A view asked for a future, and the test does not say what the future gives.

    ``except Exception`` in a view does not catch this.
    """

    def __init__(self, name: str, call: str, different: Iterable[str]) -> None:
        different = tuple(different)
        super().__init__(name, call, different)
        self.name = name  #: the future's name
        self.call = call  #: the function and the names of its arguments, as a test writes them
        self.different = different  #: names of arguments that were settled with other values

    def __init_subclass__(cls) -> None:
        # As with Suspended: Chameleon would make an Exception of a subclass.
        raise TypeError("UnexpectedCall cannot be subclassed")

    def __str__(self) -> str:
        other = ", ".join(self.different)
        settled = f" It is settled with another {other}." if other else ""
        return (
            f"{self.name} was asked for, and the test does not say what it gives.{settled} "
            "Before the view is called, write:\n\n"
            f"    futures.settle({self.call}, value=...)  # or error=...\n\n"
            "with the arguments that it is asked for with, or with ... in their place for any."
        )


class Settled(NamedTuple):
    """What a test says of one call."""

    name: str
    arguments: Hashable  #: the call's, or ``ANY``
    outcome: Outcome | None  #: None if the call never ends
    after: float  #: how many seconds the call takes

    def fits(self, call: Call) -> bool:
        """Tell whether *call* gets this outcome."""
        return self.name == call.name and self.arguments in (ANY, call.arguments)


def answer(
    status: int = 200,
    *,
    json: Any = MISSING,
    body: bytes | str = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return an ``Answer``, as an upstream gives it.

    Args:
        status: As 200.
        json: Data that the body has as JSON.
        body: A body that is not JSON. A text is encoded in UTF-8.
        headers: By name.
    """
    pairs = dict(headers or {})
    if json is not MISSING:
        body = json_.dumps(json)
        pairs.setdefault("Content-Type", "application/json")
    data = body.encode() if isinstance(body, str) else body
    return Answer(status, Headers(tuple(pairs.items())), data)


def declare(
    what: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    value: Any = MISSING,
    error: Exception | None = None,
    after: float = 0.0,
) -> Settled:
    """Return what a test says; the arguments and errors are those of ``Futures.settle``."""
    name = _name(what)
    arguments = _identify(what, name, args, kwargs)
    if isinstance(what, Method):
        value = _complete(what, name, value)
    return Settled(name, arguments, _outcome(name, value, error, after), after)


def report_unexpected(call: Call, all_settled: Iterable[Settled]) -> UnexpectedCall:
    """Return the error of a *call* that is not in *all_settled*."""
    near = [_differences(call, other) for other in all_settled if other.name == call.name]
    nearest = min(near, key=len, default=())
    return UnexpectedCall(call.name, _write(call), nearest)


def _name(what: Any) -> str:
    if isinstance(what, FutureFunction | Method | str):
        return what if isinstance(what, str) else what.name
    if isinstance(what, tuple | int):  # a key of compat
        return repr(what)
    raise TypeError(
        "settle takes what @future made of a function, a method of an Upstream, or a name; "
        f"this is a {type(what).__qualname__}"
    )


def _identify(what: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    if args == (ANY,) and not kwargs:
        return ANY
    if not isinstance(what, FutureFunction | Method):
        if args or kwargs:
            raise TypeError(f"{name} is a name: give the function to tell its arguments too")
        return ANY
    try:
        identity: Hashable = what.identify(*args, **kwargs)
        return identity
    except Unfit as unfit:
        raise ArgumentRefused(name, unfit.where, unfit.reason) from None
    except TypeError as error:
        raise TypeError(f"{name}: {error}; or write ... in place of its arguments") from None


def _complete(what: Method[Any], name: str, value: Any) -> Any:
    """Return *value*, an answer, with the names that it gets from its upstream."""
    if value is MISSING:
        return value
    if not isinstance(value, Answer):
        raise TypeError(f"{name} gives an Answer: write value=answer(json=...)")
    return replace(value, upstream=what.upstream.name, host=what.upstream.settings.host)


def _outcome(name: str, value: Any, error: Exception | None, after: float) -> Outcome | None:
    if value is not MISSING and error is None:
        return Returned(name, value)
    if value is MISSING and isinstance(error, Exception):
        return Raised(error)
    if value is MISSING and error is None and after == math.inf:
        return None
    raise TypeError(f"{name}: say value= or error=, an exception; or after=math.inf for neither")


def _differences(call: Call, settled: Settled) -> tuple[str, ...]:
    """Return the names of the arguments in which *call* and *settled* differ."""
    others: Any = settled.arguments
    here, there = dict(call.arguments), dict(others)
    return tuple(n for n in {**here, **there} if here.get(n, MISSING) != there.get(n, MISSING))


def _write(call: Call) -> str:
    """Return how a test writes *call*, without its values."""
    if isinstance(call.identity, tuple) and call.identity[0] == _COMPAT:
        return repr(call.name)
    function = call.name if call.function is None else call.function.__name__
    return ", ".join([function, *(f"{name}=..." for name, _ in call.arguments)])
