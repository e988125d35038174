"""The middleware's joint with Zope: slots, statuses, and what Zope keeps per thread.

AccessControl keeps the security manager of a request, and through it the user and the
request itself, under the identity of the thread, and only drops it when the next request
begins there. Greenlets come and go, their identities are used again: without this the
next one could find somebody else's user.
"""

from ..compat import FutureNotResolvedError
from ..kernel.errors import FuturesError
from ..kernel.errors import Unavailable
from ..upstreams.settings import unknown_variables
from ..upstreams.upstream import upstreams
from ..wsgi.findings import Finding
from ..wsgi.findings import warning
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from .zope_audit import layers
from .zope_audit import of_zope
from AccessControl.SecurityManagement import noSecurityManager
from App.config import getConfiguration
from collections.abc import Iterator
from typing import Any
from ZPublisher.HTTPResponse import status_codes

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
        return [*of_zope(self._database, workers), *overrides()]

    def home(self) -> str:
        """Return Zope's ``clienthome``."""
        return str(getConfiguration().clienthome)

    def clean_up(self) -> None:
        """Forget who was logged in."""
        noSecurityManager()


def overrides() -> Iterator[Finding]:
    """Yield the variables of the environment that are meant for an upstream and change none."""
    for variable, why in unknown_variables(sorted(upstreams)):
        yield warning(
            "upstreams",
            f"The variable {variable} changes nothing: {why}.",
            "Correct its name, or take it out of the environment.",
        )


def statuses() -> dict[str, int]:
    """Return the status of each error that no view catches, by its name in lower case.

    What came too late is 504, what cannot be had now 503; Retry-After is the error's own
    header. Zope, plone.rest and plone.transformchain each look for the name in one table.
    """
    found = dict.fromkeys(_tree(Unavailable), 503)
    found.update({kind: 504 for kind in _tree(FuturesError) if issubclass(kind, TimeoutError)})
    found[FutureNotResolvedError] = 504
    return {kind.__name__.lower(): status for kind, status in found.items()}


def _tree(kind: type[FuturesError]) -> Iterator[type[FuturesError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def zope_has_started(event: Any) -> None:
    """Join the middleware with this Zope."""
    join(ZopeJoint(event.database))
    for name, status in statuses().items():
        status_codes.setdefault(name, status)  # one of a package's own may be called NotFound
