"""What stands for a fragment that suspended, and where it may stand.

A fragment's placeholder is for one pass. A function that keeps what it gave, as
``plone.memoize.ram`` does, must never see it: a fragment that is made inside of one
does not give its placeholder but suspends what is around that function, up to the page.

A deferred fragment is not waited for at all: what it asked for is forgotten, and the browser
fetches it by itself. The kernel knows no addresses; ``Publisher.defer`` gives what is sent
instead.
"""

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


def find_cache(
    fragments: Sequence[Fragment], caches: Mapping[CodeType, str]
) -> tuple[str, list[Fragment]]:
    """Return which function keeps what the fragments give that are made here.

    Args:
        fragments: Those that are being made, the innermost one last.
        caches: As a ``Publisher`` has them.

    Returns:
        The function's dotted name, empty where there is none; and those of *fragments* that are
        not inside of it.
    """
    frame: FrameType | None = sys._getframe(1)
    around, usable, name = list(fragments), list(fragments), ""
    while frame is not None:
        if around and frame is around[-1].made_in:
            around.pop()
        elif len(around) < len(fragments) and frame.f_code in caches:
            usable, name = list(around), dotted_name(frame.f_locals.get(caches[frame.f_code]))
        frame = frame.f_back
    return name, usable
