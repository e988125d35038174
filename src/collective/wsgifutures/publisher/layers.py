"""Joins the hold with a Zope that did not start as a server does: in a test layer."""

from ..wsgi.joints import joints
from .events import pass_starts
from .joint import zope_has_started
from collections.abc import Callable
from zope.component import getGlobalSiteManager
from zope.interface import providedBy
from zope.processlifetime import DatabaseOpenedWithRoot
from ZPublisher.pubevents import PubStart

import Zope2


class NotLoaded(RuntimeError):
    """The test's layer has not loaded this package."""


def join_zope() -> Callable[[], None]:
    """Join the hold with the layer's Zope, as Zope's start does, which layers skip.

    Returns a function that parts them again.

    Raises:
        NotLoaded: The layer has not loaded this package.
    """
    if not _is_loaded():
        raise NotLoaded(
            "The ZCML of collective.wsgifutures is not loaded in this layer, so a held request "
            "would be committed in each of its passes. Write in the layer's setUpZope:\n\n"
            "    self.loadZCML(package=collective.wsgifutures)\n\n"
            "or let your package's configure.zcml include it."
        )
    before = list(joints)
    if not before:
        zope_has_started(DatabaseOpenedWithRoot(Zope2.DB))
    return lambda: joints.__setitem__(slice(None), before)


def _is_loaded() -> bool:
    adapters = getGlobalSiteManager().adapters
    return pass_starts in adapters.subscriptions([providedBy(PubStart(None))], None)
