"""The guard of the addresses of upstreams: only users with the permission change them.

The registry's record is written by the form of this control panel, by ``@controlpanels`` and
``@registry`` of plone.restapi, and by the form of the registry itself. The guard subscribes to
the change of the record, so that it covers all of them.
"""

from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from typing import Any
from zope.component.hooks import getSite
from zope.globalrequest import getRequest

ADDRESSES = "upstream_addresses"
MANAGE_ADDRESSES = "collective.wsgifutures: Manage upstream addresses"


def may_set_addresses() -> bool:
    """Tell whether the current user may set the addresses of upstreams."""
    # A script may have a request and no site, where plone.api raises an error of its own.
    return bool(getSecurityManager().checkPermission(MANAGE_ADDRESSES, getSite()))


def record_is_modified(settings: Any, event: Any) -> None:
    """Refuse to change the addresses for a user without the permission.

    A script that runs without a request may change them.

    Raises:
        Unauthorized: The user may not set addresses.
    """
    changed = (event.oldValue or []) != (event.newValue or [])
    if event.record.fieldName != ADDRESSES or not changed or getRequest() is None:
        return
    if not may_set_addresses():
        raise Unauthorized(f"You need the permission “{MANAGE_ADDRESSES}”.")
