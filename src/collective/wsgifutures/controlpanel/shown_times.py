"""Which responses have ``Server-Timing``: decided in the pass, which knows the user.

For a request that was never held no setting is read and no permission is checked.
"""

from ..kernel.passes import current_pass
from .site import setting
from AccessControl import getSecurityManager
from typing import Any
from zope.component.hooks import getSite

VIEW_TIMING = "collective.wsgifutures: View timing"


def path_is_traversed(event: Any) -> None:
    """Add the times to the response, if the site wants that and the user may see them."""
    this = current_pass()
    if this is None or this.hold.passes < 2:
        return
    # Asked in each held request: plone.api would take three times as long.
    this.hold.tells_times = bool(
        setting("server_timing") is True
        and getSecurityManager().checkPermission(VIEW_TIMING, getSite())
    )
