"""Only who may set the addresses of upstreams sets them, whichever way it is tried.

A record of the registry is written by this control panel's form, by plone.restapi's
``@controlpanels`` and ``@registry``, and by the form of the registry itself. All of them
end here.
"""

from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from typing import Any
from zope.component.hooks import getSite
from zope.globalrequest import getRequest

ADDRESSES = "upstream_addresses"
MANAGE_ADDRESSES = "collective.wsgifutures: Manage upstream addresses"


def may_set_addresses() -> bool:
    """Tell whether the current user may."""
    return bool(getSecurityManager().checkPermission(MANAGE_ADDRESSES, getSite()))


def record_is_modified(settings: Any, event: Any) -> None:
    """Refuse another address. A script without a request does as it likes.

    Raises:
        Unauthorized: The user may not set addresses.
    """
    changed = (event.oldValue or []) != (event.newValue or [])
    if event.record.fieldName != ADDRESSES or not changed or getRequest() is None:
        return
    if not may_set_addresses():
        raise Unauthorized(f"You need the permission “{MANAGE_ADDRESSES}”.")
