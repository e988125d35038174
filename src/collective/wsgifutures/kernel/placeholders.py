"""A fragment that suspended, and where its placeholder may stand for it.

A placeholder is for one pass. A function that caches results, as ``plone.memoize.ram``
does, must never see a placeholder. So a fragment inside of such a function returns none, but
suspends the fragment around that function, or the page. The same goes for ``default=``.

The page never waits for a deferred fragment: the fragment's calls are forgotten, and the
browser fetches it by itself. The kernel knows no addresses; ``Publisher.defer`` returns the
text that is sent instead.
"""

from . import keepers
from .checks import warn_once
from .errors import FuturesError
from collections.abc import Callable
from collections.abc import Sequence
from types import FrameType
from typing import Any

import sys


class Fragment:
    """A fragment that is being made in a pass.

    Args:
        name: Its name, for people.
        placeholder: The text that stands for it if it suspends.
        part: The object, if the fragment is a step of an object.
        deferred: The page does not wait for it if the browser can fetch it.
        height: How many lines of text the page keeps free for it then.
        call: The function that makes it, and the arguments, if it is no step of an object.
    """

    __slots__ = (
        "call",
        "deferred",
        "height",
        "made_in",
        "name",
        "part",
        "placeholder",
        "suspended",
    )

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
        self.made_in: FrameType | None = None  #: the frame that makes it, while it does


def find_usable(fragments: Sequence[Fragment], *, refuses: bool) -> Sequence[Fragment]:
    """Return those of *fragments* whose placeholders no cache would keep.

    Args:
        fragments: The fragments that are being made, the innermost one last.
        refuses: A cache in the way is an error.

    Raises:
        FuturesError: A cache would keep the placeholder of one of the fragments.
    """
    around, usable, name = list(fragments), list(fragments), ""
    for frame, cached in keepers.walk(sys._getframe(1), fragments[-1].name):
        if around and frame is around[-1].made_in:
            around.pop()
        elif cached and len(around) < len(fragments):
            usable, name = list(around), cached
    if name:
        _complain(_FRAGMENT.format(fragments[-1].name, name), refuses=refuses)
    return usable


def may_give_default(name: str, *, refuses: bool) -> bool:
    """Tell whether ``default=`` may be given for the call *name*, or a cache would keep it.

    Args:
        name: The name of the call.
        refuses: A cache in the way is an error.

    Raises:
        FuturesError: A cache would keep the default.
    """
    cached = keepers.find(sys._getframe(1))
    if cached:
        _complain(_DEFAULT.format(name, cached), refuses=refuses)
    return not cached


def _complain(what: str, *, refuses: bool) -> None:
    if refuses:
        raise FuturesError(what)
    warn_once(f"{what} Here the page waits instead.")


_REMEDY = (
    "Cache a function that gets the result as an argument, or keep the answer of the call "
    "itself with cache= of an Upstream."
)

_FRAGMENT = (
    "{} is a fragment and suspends while {} caches its output: the cache would keep the "
    f"placeholder for everybody. {_REMEDY}"
)

_DEFAULT = (
    "{} has no result yet and is asked with default= while {} is cached: the cache would keep "
    f"what is made of the default for everybody. {_REMEDY}"
)
