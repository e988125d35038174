"""Who a token is for."""

from ..jobs.origin import Origin
from collections.abc import Callable
from typing import NamedTuple


def _nothing() -> None:
    """Be called, where nobody wants to know."""


class Bearer(NamedTuple):
    """Whose request it is."""

    origin: Origin  #: names the user and the user folder
    since: float  #: when the bearer logged in, in seconds since the epoch
    used: Callable[[], None] = _nothing  #: called before a request of the bearer is committed
    refused: Callable[[], None] = _nothing  #: called if the bearer is nobody any more
    within: str = ""  #: the UID of all that answers may describe; empty: the site
