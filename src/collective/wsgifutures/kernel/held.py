"""``held``: the futures of a view's method, asked for before it runs, all at once."""

from .declarations import check_not_async
from .futures import Future
from .futures import gather
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import functools
import inspect

T = TypeVar("T")

_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_FIRST = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def held(**makers: Callable[[Any], Future[Any]]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Submit futures before a view's method runs, all at once, and pass it their values.

    Zope fills the method's other arguments from the request, but never those named here.

    Args:
        makers: For each argument, a function of the view that returns a future, as
            ``weather=lambda self: weather.submit(self.city)``.

    Raises:
        TypeError: A maker is not callable, the method has no argument of that name,
            or a maker returns something other than a future.
    """
    for name, maker in makers.items():
        if not callable(maker):
            raise TypeError(f"held({name}=...) takes a function of the view, as lambda self: ...")

    def decorate(method: Callable[..., T]) -> Callable[..., T]:
        check_not_async(method)
        whole = inspect.signature(method)
        parameters = whole.parameters
        for name in makers:
            if name not in parameters or parameters[name].kind in _STARRED:
                raise TypeError(f"held({name}=...): {method.__qualname__} has no argument {name!r}")
        others = [p for name, p in parameters.items() if name not in makers]
        if not others or others[0].kind not in _FIRST:
            raise TypeError(f"held is for a view's method; {method.__qualname__} takes no self")
        reduced = whole.replace(parameters=others)

        @functools.wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> T:
            bound = reduced.bind(*args, **kwargs)
            bound.apply_defaults()
            view = bound.args[0]
            futures = [_make_future(name, maker, view) for name, maker in makers.items()]
            values = dict(zip(makers, gather(*futures), strict=True))
            call = inspect.BoundArguments(whole, {**bound.arguments, **values})
            return method(*call.args, **call.kwargs)

        # ZPublisher.mapply fills the arguments of this signature from the request.
        wrapper.__signature__ = reduced  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _make_future(name: str, maker: Callable[[Any], Future[Any]], view: object) -> Future[Any]:
    item = maker(view)
    if not isinstance(item, Future):
        raise TypeError(
            f"held({name}=...) must return a future, as submit does, not a "
            f"{type(item).__qualname__}. Write f.submit(...) instead of f(...)."
        )
    return item
