"""Who a token is for."""

from ..jobs.origin import Origin
from typing import NamedTuple


class Bearer(NamedTuple):
    """Whose request it is."""

    origin: Origin  #: names the user and the user folder
    since: float  #: when the bearer logged in, in seconds since the epoch
    within: str = ""  #: the UID of all that answers may describe; empty: the site
