"""Who a token is for, and the header that has it."""

from ..jobs.origin import Origin
from typing import Any
from typing import NamedTuple


class Bearer(NamedTuple):
    """Whose request it is."""

    origin: Origin  #: names the user and the user folder
    since: float  #: when the bearer logged in, in seconds since the epoch


def find_token(request: Any) -> str:
    """Return what comes after ``Bearer`` in the request's header; nothing if there is none."""
    auth = request._auth
    return str(auth[7:].strip()) if auth and auth[:7].lower() == "bearer " else ""
