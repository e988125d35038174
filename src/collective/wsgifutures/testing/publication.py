"""Whole publications by Zope in a test layer, held as a server holds them."""

from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from collections.abc import Callable
from plone.testing.zope import Browser
from typing import Any
from zope.component.hooks import getSite
from zope.component.hooks import setSite


def held_browser(app: Any, hold: Callable[[Any], Callable[..., Any]]) -> Any:
    """Return a test browser of *app* whose requests go through *hold*."""
    browser = Browser(app)
    browser.testapp.app = _keep_user_and_site(hold(browser.testapp.app))
    return browser


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
