"""What stands for a fragment that suspended, and where it may stand.

A fragment's placeholder is for one pass. A function that keeps what it gave, as
``plone.memoize.ram`` does, must never see it: a fragment that is made inside of one
does not give its placeholder but suspends what is around that function, up to the page.

A deferred fragment is not waited for at all: what it asked for is forgotten, and the browser
fetches it by itself. The kernel knows no addresses; ``Pass.defer`` gives what is sent instead.
"""

from .errors import HoldCancelled
from .errors import HoldExpired
from .errors import Suspended
from .names import dotted_name
from collections.abc import Callable
from types import CodeType
from types import FrameType
from typing import Any
from typing import TYPE_CHECKING

import sys

if TYPE_CHECKING:
    from .hold import Pass

#: The code of functions that keep what another one gives, with the name of their variable
#: which has that one.
caches: dict[CodeType, str] = {}


class Fragment:
    """A fragment that is being made in a pass.

    Args:
        name: For people.
        placeholder: What stands for it where it suspends.
        part: The object that it is a step of, where it is one.
        deferred: It is not waited for where it can be fetched by itself.
        height: How many lines of text are kept free for it then; 0: none.
        call: The function that makes it, and its arguments, where it is no step of an object.
    """

    __slots__ = ("call", "deferred", "height", "name", "part", "placeholder", "suspended")

    def __init__(
        self,
        name: str,
        placeholder: str,
        part: object = None,
        *,
        deferred: bool = False,
        height: int = 0,
        call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.placeholder = placeholder
        self.part = part
        self.deferred = deferred
        self.height = height
        self.call = call
        self.suspended = False


def made(this: "Pass", fragment: Fragment, function: Callable[[], Any]) -> Any:
    """Return what *function* gives, the placeholder where it suspends or comes too late.

    A deferred one suspends where anything that it asked for is pending, waited for or not.

    Args:
        this: The pass that is being published.
        fragment: Of *function*; ``suspended`` tells afterwards what became of it.
        function: Makes the fragment.

    Raises:
        Suspended: It is not the fragment that suspends, but what is around it.
        Exception: What *function* raised, where the pass is not discarded for it.
    """
    known = set(this.hold.calls) if fragment.deferred and this.defer else None
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
        if known is not None and this.registered_since(known):
            fragment.suspended = this.fragment() is fragment
        if not fragment.suspended:
            return value
    finally:
        this.fragments.pop()
    return fragment.placeholder if known is None else this.put_off(fragment, known)


def kept_by_a_cache() -> tuple[str, int]:
    """Return which function keeps what the fragments that are made here give.

    Returns:
        The function's dotted name, empty where there is none; and how many of the innermost
        fragments are inside of it.
    """
    frame: FrameType | None = sys._getframe(1)
    seen = inside = 0
    name = ""
    while frame is not None:
        code = frame.f_code
        if code is made.__code__:
            seen += 1
        elif seen and code in caches:
            inside, name = seen, dotted_name(frame.f_locals.get(caches[code]))
        frame = frame.f_back
    return name, inside
