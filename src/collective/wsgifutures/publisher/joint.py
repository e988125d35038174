"""The middleware's joint with Zope: slots, statuses, and what Zope keeps per thread.

AccessControl keeps the security manager of a request, and through it the user and the
request itself, under the identity of the thread, and only drops it when the next request
begins there. Greenlets come and go, their identities are used again: without this the
next one could find somebody else's user.
"""

from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..wsgi.republish import Joint
from ..wsgi.republish import joints
from AccessControl.SecurityManagement import noSecurityManager
from typing import Any
from ZPublisher.HTTPResponse import status_codes

#: Zope, plone.rest and plone.transformchain each take the status of an exception that no
#: view caught from this table, by the name of its class in lower case.
TOO_LATE = {error.__name__.lower(): 504 for error in (FutureTimeout, HoldExpired)}


class ZopeJoint(Joint):
    """What ZPublisher has to do with passes.

    Args:
        connections: How many the pool of the root database has.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections

    def max_slots(self) -> int:
        """Return how many ZODB connections there are."""
        return self._connections

    def clean_up(self) -> None:
        """Forget who was logged in."""
        noSecurityManager()


def zope_has_started(event: Any) -> None:
    """Join the middleware with this Zope."""
    joints[:] = [ZopeJoint(event.database.getPoolSize())]
    status_codes.update(TOO_LATE)
