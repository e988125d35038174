"""What add-on authors test with, in a Plone site: views in process, and whole publications."""

from AccessControl import getSecurityManager
from collective.wsgifutures import future
from collective.wsgifutures.publisher import layers
from collective.wsgifutures.publisher.layers import NotLoaded
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing import UnexpectedCall
from collective.wsgifutures.wsgi.joints import joints
from holdsite import count
from plone.app.testing import login
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.testing.zope import Browser
from Products.Five import BrowserView
from zope.component import getMultiAdapter
from zope.component.globalregistry import BaseGlobalComponents
from zope.component.hooks import getSite

import math
import os
import pytest
import subprocess
import sys
import transaction

pytest_plugins = ["collective.wsgifutures.testing.fixtures"]


@future(key="shop.price", timeout=10)
def price(item):
    raise RuntimeError("a test must not call the shop")


def view(self):
    count(self)
    return f"<p>Tea: {price('tea')}</p>"


@pytest.fixture
def page(site, functional):
    """The address of a view that writes and asks, in a layer as it is for others."""
    joints.clear()
    site.view("tea", view)
    return site.portal.absolute_url() + "/@@tea"


@pytest.fixture
def browser(page, functional, futures):
    browser = futures.browser(functional["app"])
    browser.raiseHttpErrors = False
    return browser


# A whole publication


def test_a_publication_is_held_and_committed_once(site, page, browser, futures):
    """By the test browser that everybody knows."""
    futures.settle(price, "tea", value=250, after=2)
    browser.open(page)
    assert browser.contents == "<p>Tea: 250</p>"
    assert browser.headers["X-Hold-Passes"] == "2"
    assert (futures.passes, futures.waits, futures.waited) == (2, [["shop.price"]], 2)
    site.sync()
    assert (site.portal.counter, site.commits) == (1, 1)


def test_a_publication_out_of_time_has_its_status(page, browser, futures):
    """Plone's own error page."""
    futures.settle(price, ..., after=math.inf)
    browser.open(page)
    assert browser.headers["status"].startswith("504")
    assert futures.waited == 10


def test_a_publication_that_asks_for_what_nobody_settled_fails_the_test(page, browser, futures):
    """It is no error page."""
    with pytest.raises(UnexpectedCall, match=r"futures.settle\(price, item=..., value=None\)"):
        browser.open(page)
    futures.unexpected.clear()


def test_a_publication_without_a_hold_fails_the_test_too(site, functional, futures):
    """Also where it is asked for in a template, which wraps what is raised."""
    site.view("tea", template='<p tal:content="view/price"/>', price=lambda self: price("tea"))
    with pytest.raises(UnexpectedCall):
        Browser(functional["app"]).open(site.portal.absolute_url() + "/@@tea")
    futures.unexpected.clear()


def test_a_test_keeps_its_user_and_its_site(site, page, browser, futures):
    """They are its own; each pass has those of its request."""
    futures.settle(price, ..., value=1)
    login(site.portal, TEST_USER_NAME)
    browser.open(page)
    assert getSecurityManager().getUser().getId() == TEST_USER_ID
    assert getSite() == site.portal


def test_a_test_leaves_no_joint_behind(page, browser, request):
    """What comes next begins as a layer does."""
    assert joints
    request.getfixturevalue("futures").__exit__(None, None, None)
    assert joints == []


def test_a_layer_without_our_zcml_is_told_what_to_load(functional, futures, monkeypatch):
    """A held request would be committed in each pass."""
    empty = BaseGlobalComponents("empty")
    monkeypatch.setattr(layers, "getGlobalSiteManager", lambda: empty)
    with pytest.raises(NotLoaded, match=r"self.loadZCML\(package=collective.wsgifutures\)"):
        futures.browser(functional["app"])


# In process


class Counting(BrowserView):
    __call__ = view


def test_a_view_in_process_writes_once(site, futures):
    """What a pass that waits wrote is undone, as in a server."""
    futures.settle(price, "tea", value=250)
    assert futures.publish(Counting(site.portal, site.portal.REQUEST)) == "<p>Tea: 250</p>"
    assert site.portal.counter == 1


def test_a_view_in_process_writes_nothing_where_it_fails(site, futures):
    """Its transaction would be aborted."""
    futures.settle(price, "tea", error=KeyError("gone"))
    with pytest.raises(KeyError):
        futures.publish(Counting(site.portal, site.portal.REQUEST))
    assert not hasattr(site.portal, "counter")


def test_a_view_in_process_may_have_committed(site, futures):
    """That is its fault, and not an error of ours."""

    def commit(self):
        count(self)
        transaction.commit()
        return price("tea")

    site.view("commits", commit)
    futures.settle(price, "tea", value=250)
    request = site.portal.REQUEST
    assert futures.publish(getMultiAdapter((site.portal, request), name="commits")) == 250
    assert site.portal.counter == 2


def test_a_view_in_process_that_redirects_starts_nothing(site, futures):
    """Its response says so."""

    def redirect(self):
        price.submit("tea")
        self.request.response.redirect("http://nohost")
        return ""

    site.view("redirects", redirect)
    publish = getMultiAdapter((site.portal, site.portal.REQUEST), name="redirects")
    assert (futures.publish(publish), futures.passes) == ("", 1)


def test_a_view_in_process_is_published_a_pass_at_a_time(site):
    """To look at what is there between two passes."""
    request = HeldRequest(Counting(site.portal, site.portal.REQUEST))
    assert request.publish() is HELD
    request.settle(price, "tea", value=250)
    assert request.publish() == "<p>Tea: 250</p>"


# The layer

LAYERED = """
from collective.wsgifutures import future
from collective.wsgifutures.testing.layers import FUTURES
from plone.app.testing import FunctionalTesting
from plone.app.testing import PLONE_FIXTURE
from plone.app.testing import PloneSandboxLayer
from Products.Five import BrowserView

import collective.wsgifutures
import unittest


@future(key="shop.price")
def price(item):
    raise RuntimeError("a test must not call the shop")


class Tea(BrowserView):
    def __call__(self):
        return f"Tea: {price('tea')}"


class Fixture(PloneSandboxLayer):
    defaultBases = (PLONE_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        self.loadZCML(package=collective.wsgifutures)
        from zope.configuration import xmlconfig
        xmlconfig.string('''
            <configure xmlns:browser="http://namespaces.zope.org/browser">
              <browser:page name="tea" for="*" class="test_it.Tea" permission="zope2.Public" />
            </configure>''', context=configurationContext)


FUNCTIONAL = FunctionalTesting(bases=(Fixture(), FUTURES), name="Tea:Functional")


class Test(unittest.TestCase):
    layer = FUNCTIONAL

    def test_first(self):
        futures = self.layer["futures"]
        futures.settle(price, "tea", value=250)
        browser = futures.browser(self.layer["app"])
        browser.open(self.layer["portal"].absolute_url() + "/@@tea")
        self.assertEqual((browser.contents, futures.passes), ("Tea: 250", 2))

    def test_second(self):
        browser = self.layer["futures"].browser(self.layer["app"])
        browser.open(self.layer["portal"].absolute_url() + "/@@tea")
"""


def test_a_layer_of_zope_testrunner_has_the_futures_of_each_test(tmp_path):
    """Beside the layer that has the site."""
    (tmp_path / "test_it.py").write_text(LAYERED)
    options = ("--path", ".", "--tests-pattern", "test_it")
    done = subprocess.run(
        [sys.executable, "-m", "zope.testrunner", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Ran 2 tests with 0 failures, 1 errors" in done.stdout, done.stdout + done.stderr
    assert "UnexpectedCall: shop.price was asked for" in done.stdout
