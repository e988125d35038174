"""What stands for a fragment that suspended, and where it may stand.

A fragment's placeholder is for one pass. A function that keeps what it gave, as
``plone.memoize.ram`` does, must never see it: a fragment that is made inside of one
does not give its placeholder but suspends what is around that function, up to the page.

A deferred fragment is not waited for at all: what it asked for is forgotten, and the browser
fetches it by itself. The kernel knows no addresses; ``Publisher.defer`` gives what is sent
instead.
"""

from .errors import FuturesError
from .names import dotted_name
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from types import CodeType
from types import FrameType
from typing import Any

import sys


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


def find_usable(
    fragments: Sequence[Fragment], caches: Mapping[CodeType, str], *, refuses: bool
) -> Sequence[Fragment]:
    """Return those of *fragments* whose placeholders no cache would keep.

    Args:
        fragments: Those that are being made, the innermost one last.
        caches: As a ``Publisher`` has them.
        refuses: Somebody develops: a cache in the way is an error.

    Raises:
        FuturesError: A cache would keep the placeholder of one of them.
    """
    frame: FrameType | None = sys._getframe(1)
    around, usable, name = list(fragments), list(fragments), ""
    while frame is not None:
        if around and frame is around[-1].made_in:
            around.pop()
        elif len(around) < len(fragments) and frame.f_code in caches:
            usable, name = list(around), dotted_name(frame.f_locals.get(caches[frame.f_code]))
        frame = frame.f_back
    if name and refuses:
        raise FuturesError(
            f"{fragments[-1].name} is a fragment and suspends while {name} caches "
            "what it gives: its placeholder would be kept for everybody. Make the cached "
            "function the one that gets the result as an argument, or keep the answer of "
            "the call itself with cache= of an Upstream."
        )
    return usable
