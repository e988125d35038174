"""``fragment``: a part of a page that suspends without stopping the other parts.

A part is made in several steps: a viewlet is updated and then rendered; a portlet is first
asked whether it is available. Each step of a class is guarded, whether the class defines the
step, inherits it, or gets it in a subclass that ZCML makes for ``template=``. After a step has
suspended, the later steps of the part do not run in that pass.

A deferred part is not waited for: the page is sent with its placeholder, and the browser
fetches the part. The part must be found again then, by its place in the site or by its name.
"""

from .calls import Call
from .calls import CallState
from .declarations import check_not_async
from .errors import HoldCancelled
from .errors import HoldExpired
from .errors import Suspended
from .names import dotted_name
from .passes import current_pass
from .passes import Pass
from .placeholders import Fragment
from .put_away import lend
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Hashable
from typing import Any
from typing import NamedTuple
from typing import overload
from typing import TypeVar

import contextlib
import functools
import inspect
import sys

T = TypeVar("T")

#: The largest number of lines that can be kept free for a deferred part.
MOST_LINES = 40

#: By the name of a step, its value if it does not run or ends early, made of the placeholder.
_STEPS: dict[str, Callable[[str], Any]] = {
    "update": lambda placeholder: None,
    "available": lambda placeholder: True,
    "render": lambda placeholder: placeholder,
    "__call__": lambda placeholder: placeholder,
}


class _Options(NamedTuple):
    """How a part is declared."""

    placeholder: str
    deferred: bool
    height: int


@overload
def fragment(part: T, /) -> T: ...
@overload
def fragment(
    *, placeholder: str = "", deferred: bool = False, height: int = 0
) -> Callable[[T], T]: ...
def fragment(
    part: Any = None, /, *, placeholder: str = "", deferred: bool = False, height: int = 0
) -> Any:
    """Declare a part of a page, which suspends without stopping the page's other parts.

    If the part asks for a pending result, its placeholder takes its place and the page goes
    on, so that the other parts ask for their results. The page waits for all results together
    and is published again once. The placeholder is only sent after the hold's deadline.

    Args:
        part: The class of a viewlet, portlet renderer, tile or view (its ``update``,
            ``available``, ``render`` and ``__call__`` are guarded), or any callable.
        placeholder: Text or markup. The page treats it like the output of the part.
        deferred: If the result is pending, the page is sent without the part, and the
            browser fetches the part by itself.
        height: About how many lines of text a deferred part takes: the page keeps them free.

    Raises:
        TypeError: *part* is neither a class nor callable; or it is deferred and has no
            dotted name; or *placeholder* is not a str.
        ValueError: *height* is not a number of lines, or the part is not deferred.
    """
    options = _check(placeholder, deferred, height)

    def declare(part: Any) -> Any:
        if isinstance(part, type):
            return _guard_class(part, options)
        if not callable(part):
            raise TypeError(f"fragment is for a class or a callable, not for {part!r}")
        return _guard_function(part, options)

    return declare if part is None else declare(part)


def _check(placeholder: str, deferred: bool, height: int) -> _Options:
    if not isinstance(placeholder, str):
        raise TypeError(f"placeholder={placeholder!r} is not a str")
    if type(height) is not int or not 0 <= height <= MOST_LINES:
        raise ValueError(f"height={height!r} is not a number of lines from 0 to {MOST_LINES}")
    if height and not deferred:
        raise ValueError("height= is for a part that is declared with deferred=True")
    return _Options(placeholder, bool(deferred), height)


def _guard_function(function: Callable[..., Any], options: _Options) -> Any:
    check_not_async(function)
    name = dotted_name(function)
    if options.deferred and ("<" in name or not hasattr(function, "__qualname__")):
        raise TypeError(
            f"{function!r} has no dotted name by which the browser's request could find it "
            "again. Declare it in a module or as a method of a view, or leave out deferred=True."
        )

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        this = current_pass()
        if this is None:
            return function(*args, **kwargs)
        fragment = Fragment(name, **options._asdict(), call=(guarded, args, kwargs))
        return make(this, fragment, lambda: function(*args, **kwargs))

    guarded.is_deferred = options.deferred  # type: ignore[attr-defined]
    return _with_signature(guarded, function)


def _guard_class(class_: type, options: _Options) -> type:
    own = vars(class_).get("__init_subclass__")

    def guard_subclass(subclass: type, /, **its_own: Any) -> None:
        above: Any = super(class_, subclass)
        (own.__get__(None, subclass) if own else above.__init_subclass__)(**its_own)
        _guard_steps(subclass, options)

    class_.__init_subclass__ = classmethod(guard_subclass)  # type: ignore[assignment]
    _guard_steps(class_, options)
    return class_


def _guard_steps(class_: type, options: _Options) -> None:
    """Guard the steps that *class_* defines or inherits."""
    for name, otherwise in _STEPS.items():
        step = next((vars(c)[name] for c in class_.__mro__ if name in vars(c)), None)
        if step is not None:
            setattr(class_, name, _guard_step(step, dotted_name(class_), options, otherwise))


def _guard_step(step: Any, name: str, options: _Options, otherwise: Callable[[str], Any]) -> Any:
    """Return a guarded *step* to put into a class. A function stays a function."""

    def run(part: Any, function: Callable[[], Any]) -> Any:
        this = current_pass()
        part = getattr(part, "aq_base", part)  # Zope wraps it anew each time
        if this is None or not _is_guarded(this, part):
            return function()
        if id(part) in this.suspended_parts:
            return otherwise(this.suspended_parts[id(part)][1])
        fragment = Fragment(name, **options._asdict(), part=part)
        value = make(this, fragment, function)
        if not fragment.suspended:
            return value
        this.suspended_parts[id(part)] = (part, value)
        return otherwise(value)

    if not inspect.isfunction(step):
        return _Step(step, run)
    check_not_async(step)

    @functools.wraps(step)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        return run(self, lambda: step(self, *args, **kwargs))

    return _with_signature(guarded, step)


class _Step:
    """A guarded property or page template, in its class.

    Args:
        step: The property or template itself.
        run: Runs the step for a part.
    """

    def __init__(self, step: Any, run: Callable[[Any, Callable[[], Any]], Any]) -> None:
        self._step = step
        self._run = run

    def __get__(self, part: Any, class_: type | None = None) -> Any:
        if part is None:
            return self._bound(None, class_)
        if callable(self._step):
            return _BoundStep(part, self._bound(part, class_), self._run)
        return self._run(part, lambda: self._bound(part, class_))

    def _bound(self, part: Any, class_: type | None) -> Any:
        return self._step.__get__(part, class_) if hasattr(self._step, "__get__") else self._step


class _BoundStep:
    """A guarded page template of one part. It has the template's macros and other attributes."""

    def __init__(self, part: Any, bound: Any, run: Callable[[Any, Callable[[], Any]], Any]) -> None:
        self._part = part
        self._bound = bound
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(self._part, lambda: self._bound(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bound, name)


def _with_signature(guarded: Any, function: Any) -> Any:
    """Keep the signature: ZPublisher.mapply fills its arguments from the request."""
    with contextlib.suppress(TypeError, ValueError):  # C code may have no signature
        guarded.__signature__ = inspect.signature(function)
    return guarded


def make(this: Pass, fragment: Fragment, function: Callable[[], Any]) -> Any:
    """Return the value of *function*, or the placeholder if it suspends or is out of time.

    A deferred fragment suspends if any of its calls is pending, even if its code did not wait.

    Args:
        this: The pass that is being published.
        fragment: Its ``suspended`` is set if it suspends.
        function: Makes the fragment.

    Raises:
        Suspended: A fragment around this one suspends, or the page.
        Exception: The exception of *function*, if it does not stand for a suspension.
    """
    known = set(this.hold.calls) if fragment.deferred and this.publisher.defers else None
    fragment.made_in = sys._getframe()
    this.fragments.append(fragment)
    try:
        value = function()
    except Suspended:
        if not fragment.suspended or this.hold.done:
            raise
    except Exception as error:
        late = isinstance(error, HoldCancelled | HoldExpired)
        if not (late or this.waits_for(error)) or this.fragment() is not fragment:
            raise
        fragment.suspended = True
    else:
        if known is not None and _registered_since(this, known):
            fragment.suspended = this.fragment() is fragment
        if not fragment.suspended:
            return value
    finally:
        this.fragments.pop()
        fragment.made_in = None  # a frame that is kept keeps all of its pass
    text = fragment.placeholder if known is None else _put_off(this, fragment, known)
    lend(this, text)
    return text


def _put_off(this: Pass, fragment: Fragment, known: Container[Hashable]) -> str:
    """Return the text that stands for a deferred *fragment*, which has suspended and ended.

    Its calls are forgotten: they are made when the browser fetches the fragment.

    Args:
        this: The pass that is being published.
        fragment: The fragment.
        known: The identities of the calls that were asked for before it.
    """
    calls = _registered_since(this, known)
    for call in calls:
        this.placed.pop(call, None)
    text = this.publisher.defer(fragment)
    if text is None:
        this.placed.update(dict.fromkeys(calls))
        return fragment.placeholder
    for call in calls:
        del this.hold.calls[call.identity]
    return text


def _registered_since(this: Pass, known: Container[Hashable]) -> list[Call]:
    """Return the calls that have not started and whose identities are not *known*."""
    calls = this.hold.calls.values()
    return [c for c in calls if c.identity not in known and c.state is CallState.REGISTERED]


def _is_guarded(this: Pass, part: object) -> bool:
    """Tell whether a step of *part* is a fragment: not if it runs inside another step of it."""
    return part is not this.alone and all(part is not other.part for other in this.fragments)
