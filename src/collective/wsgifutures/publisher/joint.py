"""The middleware's joint with Zope: slots, statuses, and what Zope keeps per thread.

AccessControl keeps the security manager of a request under the identity of the thread, with the
user and the request itself. It only drops the manager when the next request begins there.
Greenlets come and go, and their identities are used again. So the manager is dropped after each
pass: otherwise the next greenlet could find another visitor's user.
"""

from ..compat import FutureNotResolvedError
from ..kernel import futures
from ..kernel.errors import FuturesError
from ..kernel.errors import HandshakeRefused
from ..kernel.errors import Unavailable
from ..upstreams.settings import unknown_variables
from ..upstreams.settings import variables_of
from ..upstreams.upstream import upstreams
from ..wsgi.findings import Finding
from ..wsgi.joints import join
from ..wsgi.joints import Joint
from ..wsgi.variables import changes_nothing
from . import in_place
from . import streams
from .leftovers import always_roll_back
from .zope_audit import layers
from .zope_audit import of_zope
from AccessControl.SecurityManagement import noSecurityManager
from App.config import getConfiguration
from collections.abc import Iterator
from typing import Any
from typing import TypeVar
from ZPublisher.HTTPResponse import status_codes

Kind = TypeVar("Kind", bound=FuturesError)

#: The packages whose storages wait for a database; other passes can be published meanwhile.
WAITING_STORAGES = ("ZEO", "relstorage")

#: The largest number of slots for these storages, if the settings do not say how many.
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
        """Return many if a pass waits for its storage; else more than a few do not help."""
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
    """Warn of each variable that is named like an upstream's setting and changes none."""
    names = sorted(upstreams)
    for variable, why in unknown_variables(names):
        yield changes_nothing("upstreams", variable, why, variables_of(names))


def statuses() -> dict[str, int]:
    """Return the status of each error that no view catches, by the error's name in lower case.

    A service that is late is 504, an unavailable service 503; Retry-After is a header of the
    error itself. Zope, plone.rest and plone.transformchain all look for the name in one table.
    """
    found: dict[type[FuturesError], int] = dict.fromkeys(_tree(Unavailable), 503)
    found.update({kind: 504 for kind in _tree(FuturesError) if issubclass(kind, TimeoutError)})
    found[FutureNotResolvedError] = 504
    found.update({kind: kind.status for kind in _tree(HandshakeRefused)})
    return {kind.__name__.lower(): status for kind, status in found.items()}


def _tree(kind: type[Kind]) -> Iterator[type[Kind]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def zope_has_started(event: Any) -> None:
    """Join the middleware with this Zope."""
    join(ZopeJoint(event.database))
    for database in event.database.databases.values():
        always_roll_back(database.storage)
    futures.watcher = in_place.call_starts
    streams.run_in_place()
    for name, status in statuses().items():
        status_codes.setdefault(name, status)  # a package's own error may be called NotFound
