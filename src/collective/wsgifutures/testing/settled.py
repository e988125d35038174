"""The outcomes that a test gives to its calls, and the error of a call that has none."""

from ..kernel.arguments import take
from ..kernel.arguments import Unfit
from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.calls import Raised
from ..kernel.calls import Returned
from ..kernel.declarations import read_signature
from ..kernel.errors import ArgumentRefused
from ..kernel.futures import FutureFunction
from ..upstreams.answers import Answer
from ..upstreams.answers import Headers
from ..upstreams.upstream import Method
from ..upstreams.upstream import UpstreamCall
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from typing import NamedTuple
from uuid import uuid4

import json as json_
import math

#: The default of ``value=``.
MISSING: Any = object()

_COMPAT = "collective.wsgifutures.compat"

#: Stands for any arguments of a call, and for any value of one argument.
ANY: Hashable = ...

#: Goes in place of ``ANY`` where arguments are taken: it is plain data.
_ANY_MARK = uuid4()
_ANY_IDENTITY = take(_ANY_MARK, "").identity


class UnexpectedCall(BaseException):
    """A view asked for a future, and the test does not say what the future gives.

    ``except Exception`` in a view does not catch this.
    """

    def __init__(
        self, name: str, call: str, different: Iterable[str], example: str = "None"
    ) -> None:
        different = tuple(different)
        super().__init__(name, call, different, example)
        self.name = name  #: the future's name
        self.call = call  #: the function and the names of its arguments, as a test writes them
        self.example = example  #: a value that it may give, as a test writes it
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
            f"    futures.settle({self.call}, value={self.example})\n\n"
            "with what it gives, or error= and an exception. An argument that is ... may be any."
        )


class Settled(NamedTuple):
    """What a test says of one call."""

    name: str
    #: ``ANY``, or the call's by name; ``ANY`` in place of one that may be any
    arguments: Any
    outcome: Outcome | None  #: None if the call never ends
    after: float  #: how many seconds the call takes

    def fits(self, call: Call) -> bool:
        """Tell whether *call* gets this outcome."""
        return self.name == call.name and not self.differences(call)

    def differences(self, call: Call) -> tuple[str, ...]:
        """Return the names of the arguments in which *call* differs."""
        if self.arguments is ANY:
            return ()
        wanted, given = dict(self.arguments), dict(call.arguments)
        names = {**given, **wanted}
        return tuple(n for n in names if n not in given or not _fits(wanted.get(n), given[n]))

    @property
    def how_many_fit(self) -> float:
        """How many arguments may be any: of several that fit, the strictest counts."""
        if self.arguments is ANY:
            return math.inf
        return sum(identity is ANY for _, identity in self.arguments)


def _fits(wanted: Hashable, given: Hashable) -> bool:
    return wanted is ANY or wanted == given


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
    near = [other.differences(call) for other in all_settled if other.name == call.name]
    nearest = min(near, key=len, default=())
    example = "answer()" if isinstance(call, UpstreamCall) else "None"
    return UnexpectedCall(call.name, _write(call), nearest, example)


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
    given = {key: _mark_any(value) for key, value in kwargs.items()}
    try:
        identity: Any = what.identify(*map(_mark_any, args), **given)
        return tuple((key, ANY if part == _ANY_IDENTITY else part) for key, part in identity)
    except Unfit as unfit:
        raise ArgumentRefused(name, unfit.where, unfit.reason) from None
    except TypeError as error:
        raise TypeError(f"{name}: {error}; or write ... in place of its arguments") from None


def _mark_any(value: Any) -> Any:
    return _ANY_MARK if value is ANY else value


def _complete(what: Method[Any], name: str, value: Any) -> Any:
    """Return *value*, an answer, with the names that it gets from its upstream."""
    if value is MISSING:
        return value
    if not isinstance(value, Answer):
        raise TypeError(f"{name} gives an Answer: write value=answer(json=...)")
    return replace(value, upstream=what.upstream.name, host=what.upstream.settings.host)


def _outcome(name: str, value: Any, error: Exception | None, after: float) -> Outcome | None:
    if value is ...:
        raise TypeError(f"{name}: write what it gives in place of value=...")
    if value is not MISSING and error is None:
        return Returned(name, value)
    if value is MISSING and isinstance(error, Exception):
        return Raised(error)
    if value is MISSING and error is None and after == math.inf:
        return None
    raise TypeError(f"{name}: say value= or error=, an exception; or after=math.inf for neither")


def _write(call: Call) -> str:
    """Return how a test writes *call*, without its values."""
    if isinstance(call.identity, tuple) and call.identity[0] == _COMPAT:
        return repr(call.name)
    function = call.name if call.function is None else call.function.__name__
    if not all(map(str.isidentifier, function.split("."))):  # a lambda: it goes by its key
        return repr(call.name)
    if call.function is not None and not _takes_names(call.function):
        return f"{function}, ..."
    return ", ".join([function, *(f"{name}=..." for name, _ in call.arguments)])


def _takes_names(function: Any) -> bool:
    """Tell whether all arguments of *function* may be given by their names."""
    parameters = read_signature(function).parameters.values()
    return all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters)
