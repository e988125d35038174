"""A real Plone site, made once; each test gets a storage of its own on top of it."""

from apptokens import Tokens
from collective.wsgifutures.publisher import events
from docsaddon import Addon
from holdsite import calls
from holdsite import released
from holdsite import Site
from logins import Logins
from plone.app.testing import FunctionalTesting
from plone.app.testing import PLONE_FIXTURE
from plone.app.testing import PloneSandboxLayer
from plone.app.testing import popGlobalRegistry
from plone.app.testing import pushGlobalRegistry
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from Products.SiteErrorLog import SiteErrorLog
from pytest_plone import fixtures_factory
from zope.event import notify
from zope.processlifetime import DatabaseOpenedWithRoot
from ZPublisher.HTTPRequest import HTTPRequest

import collective.wsgifutures
import collective.wsgifutures.wsgi.joints
import plone.app.blocks
import plone.restapi
import plone.subrequest
import Products.SiteErrorLog
import pytest
import transaction


class HoldLayer(PloneSandboxLayer):
    """A Plone site behind the hold. Nothing is installed in the site."""

    defaultBases = (PLONE_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        loaded = (Products.SiteErrorLog, plone.restapi, plone.subrequest, plone.app.blocks)
        for package in (*loaded, collective.wsgifutures):
            self.loadZCML(package=package)
        SiteErrorLog.manage_addErrorLog(app)  # Zope's start does; test layers do not


HOLD_FIXTURE = HoldLayer()
HOLD_FUNCTIONAL = FunctionalTesting(bases=(HOLD_FIXTURE,), name="Hold:Functional")

globals().update(fixtures_factory(((HOLD_FUNCTIONAL, "functional"),)))


@pytest.fixture
def site(functional, tmp_path, monkeypatch, caplog):
    """The site, without content; the outside world was not called yet."""
    calls.clear()
    released.clear()
    SiteErrorLog.temp_logs.clear()
    # As in a zope.conf without max-conflict-retries, but without the pauses.
    monkeypatch.setattr(HTTPRequest, "retry_max_count", 3)
    monkeypatch.setattr(events, "_pause", lambda conflicts: 0.0)
    # What Zope's start notifies, and test layers do not.
    notify(DatabaseOpenedWithRoot(functional["zodbDB"]))
    portal = functional["portal"]
    setRoles(portal, TEST_USER_ID, ["Manager"])
    pushGlobalRegistry(portal)  # what the test registers is gone with it
    transaction.commit()
    yield Site(portal, functional["configurationContext"], caplog, tmp_path)
    released.set()
    popGlobalRegistry(portal)
    collective.wsgifutures.wsgi.joints.joints.clear()


@pytest.fixture
def tokens(site):
    """What makes application tokens of the site, and asks with them."""
    made = Tokens(site)
    yield made
    made.stop()


@pytest.fixture
def logins(site):
    """The same, and what gives refresh tokens and tokens of service accounts."""
    made = Logins(site)
    yield made
    made.stop()


@pytest.fixture
def acme(site, functional, tmp_path, monkeypatch):
    """Load the add-on of a how-to of the docs; return its module of that name."""
    addon = Addon("acme", tmp_path, functional, monkeypatch)
    yield addon.load_howto
    addon.forget()


@pytest.fixture
def browser(site, functional, futures):
    """A browser at the site that also shows pages of errors."""
    browser = futures.browser(functional["app"])
    browser.raiseHttpErrors = False
    return browser
