"""What holding code is tested with: no server, no waiting, no clock that runs.

::

    request = HeldRequest(lambda: summary("text").upper())
    assert request.publish() is HELD              # pass 1 asked for summary("text")
    request.settle("shop.summary", value="short")
    assert request.publish() == "SHORT"           # pass 2 found it
"""

from .by_hand import ByHand
from .by_hand import Clock
from .by_hand import HELD
from .by_hand import HeldRequest

__all__ = ["HELD", "ByHand", "Clock", "HeldRequest"]
