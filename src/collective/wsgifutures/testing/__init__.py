"""To test code that holds: no server, no waiting, a clock that stands still.

::

    def test_summary(futures):
        futures.settle(summary, "text", value="short")
        assert futures.publish(view) == "short"
        assert futures.passes == 2

The fixture is in ``fixtures`` (pytest), a layer in ``layers`` (zope.testrunner).
"""

from .by_hand import ByHand
from .by_hand import Clock
from .by_hand import HELD
from .by_hand import HeldRequest
from .futures import Futures
from .settled import answer
from .settled import UnexpectedCall

__all__ = [
    "HELD",
    "ByHand",
    "Clock",
    "Futures",
    "HeldRequest",
    "UnexpectedCall",
    "answer",
]
