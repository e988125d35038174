"""Counts the requests whose token was not good: each request once.

Each user folder on the way looks at the token, and a page that waits is published again.
"""

from ..kernel.passes import current_pass
from ..tokens.refusals import Reason
from ..tokens.refusals import refusals
from typing import Any

#: What a request has whose token was refused.
_REFUSED = "_wsgifutures_refused"


def note_refused(request: Any, reason: Reason) -> None:
    """Count that the token of *request* was refused."""
    this = current_pass()
    if _REFUSED in vars(request) or (this is not None and this.hold.passes > 1):
        return
    vars(request)[_REFUSED] = reason
    refusals.count(reason)
