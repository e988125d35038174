"""The middleware's joint with Zope: slots, statuses, and what Zope keeps per thread.

AccessControl keeps the security manager of a request, and through it the user and the
request itself, under the identity of the thread, and only drops it when the next request
begins there. Greenlets come and go, their identities are used again: without this the
next one could find somebody else's user.
"""

from ..compat import FutureNotResolvedError
from ..kernel.errors import ExecutorBusy
from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from ..upstreams.errors import UpstreamBusy
from ..upstreams.errors import UpstreamError
from ..upstreams.errors import UpstreamOff
from ..upstreams.errors import UpstreamRefused
from ..upstreams.errors import UpstreamStatus
from ..upstreams.errors import UpstreamTimeout
from ..upstreams.errors import UpstreamTooLarge
from ..wsgi.audit import Finding
from ..wsgi.joints import Joint
from ..wsgi.joints import joints
from .audit import layers
from .audit import of_zope
from AccessControl.SecurityManagement import noSecurityManager
from typing import Any
from ZPublisher.HTTPResponse import status_codes

#: Zope, plone.rest and plone.transformchain each take the status of an exception that no
#: view caught from this table, by the name of its class in lower case.
_LATE = (FutureTimeout, HoldExpired, FutureNotResolvedError, UpstreamTimeout)
TOO_LATE = {error.__name__.lower(): 504 for error in _LATE}

#: What cannot be had now. Retry-After is the error's own header.
_AWAY = (
    ExecutorBusy,
    UpstreamBusy,
    UpstreamError,
    UpstreamOff,
    UpstreamRefused,
    UpstreamStatus,
    UpstreamTooLarge,
)
UNAVAILABLE = {error.__name__.lower(): 503 for error in _AWAY}

#: The packages of storages which wait for a database, so that others can publish meanwhile.
WAITING_STORAGES = ("ZEO", "relstorage")

#: As many slots for these at most, where the settings do not say how many.
MOST_SLOTS = 16


class ZopeJoint(Joint):
    """What ZPublisher has to do with passes.

    Args:
        database: The root database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def max_slots(self) -> int:
        """Return how many ZODB connections the pool has."""
        return int(self._database.getPoolSize())

    def good_slots(self) -> int | None:
        """More than a few only help where a pass waits for its storage."""
        *_, innermost = layers(self._database.storage)
        waits = type(innermost).__module__.partition(".")[0] in WAITING_STORAGES
        return min(self.max_slots(), MOST_SLOTS) if waits else None

    def findings(self, workers: int) -> list[Finding]:
        """Return what the audit has to know about this Zope."""
        return of_zope(self._database, workers)

    def clean_up(self) -> None:
        """Forget who was logged in."""
        noSecurityManager()


def zope_has_started(event: Any) -> None:
    """Join the middleware with this Zope."""
    joints[:] = [ZopeJoint(event.database)]
    status_codes.update(TOO_LATE | UNAVAILABLE)
