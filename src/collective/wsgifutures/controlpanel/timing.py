"""Who gets ``Server-Timing``, decided in the pass, where the user is known.

A request that was never held is not looked at: nothing is read and no permission checked.
"""

from ..kernel.passes import current_pass
from .site import setting
from AccessControl import getSecurityManager
from typing import Any
from zope.component.hooks import getSite

VIEW_TIMING = "collective.wsgifutures: View timing"


def path_is_traversed(event: Any) -> None:
    """Let the response tell its times, if the site has that on and the user may know them."""
    this = current_pass()
    if this is None or this.hold.passes < 2:
        return
    this.hold.tells_times = bool(
        setting("server_timing") is True
        and getSecurityManager().checkPermission(VIEW_TIMING, getSite())
    )
