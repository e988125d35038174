"""Whole publications by Zope in a test layer, held as a server holds them."""

from ..publisher.events import pass_starts
from ..publisher.joint import zope_has_started
from ..wsgi.joints import joints
from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from collections.abc import Callable
from plone.testing.zope import Browser
from typing import Any
from zope.component import getGlobalSiteManager
from zope.component.hooks import getSite
from zope.component.hooks import setSite
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


def held_browser(app: Any, hold: Callable[[Any], Callable[..., Any]]) -> Any:
    """Return a test browser of *app* whose requests go through *hold*."""
    browser = Browser(app)
    browser.testapp.app = _keep_user_and_site(hold(browser.testapp.app))
    return browser


def _is_loaded() -> bool:
    adapters = getGlobalSiteManager().adapters
    return pass_starts in adapters.subscriptions([providedBy(PubStart(None))], None)


def _keep_user_and_site(application: Callable[..., Any]) -> Callable[..., Any]:
    """Give the test its user and its site back after each request."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        manager, site = getSecurityManager(), getSite()
        try:
            return application(environ, start_response)
        finally:
            setSecurityManager(manager)
            setSite(site)

    return call
