"""The add-on in a site: listed, installed and uninstalled through the control panel."""

from collective.wsgifutures.interfaces import IWSGIFuturesLayer
from collective.wsgifutures.pas.plugin import ID
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from lxml.html import fromstring
from plone.base.interfaces import INonInstallable
from plone.registry.interfaces import IRegistry
from plone.testing.zope import Browser
from zope.component import getAllUtilitiesRegisteredFor
from zope.component import getSiteManager
from zope.component import getUtility

import pytest
import transaction

PRODUCT = "collective.wsgifutures"
TITLE = "Held Responses"


@pytest.fixture
def panel(site, functional):
    """Site Setup > Add-ons, as an administrator sees it."""
    browser = Browser(functional["app"])
    browser.handleErrors = False
    browser.addHeader("Authorization", "Basic " + ":".join(ADMIN))
    browser.addHeader("Accept", "text/html")
    browser.open(site.portal.absolute_url() + "/prefs_install_products_form")
    return browser


def press(panel, section):
    """Press the add-on's button in a *section* of the form."""
    buttons = {"install-products": "install_product", "activated-products": "uninstall_product"}
    name = buttons[section]
    for index in range(200):
        form = panel.getForm(index=index)
        controls = {c.name: c.value for c in form.controls if c.name}
        if controls.get(name) == PRODUCT:
            form.getControl(name="form.submitted").click()
            return
    pytest.fail(f"{PRODUCT} is not in {section}")


def listed(panel, section):
    """Return what *section* of the form says about each add-on."""
    items = fromstring(panel.contents).cssselect(f"#{section} > ul > li")
    return [" ".join(item.text_content().split()) for item in items]


def kept(portal):
    """Return what an add-on may leave in a site."""
    manager = getSiteManager(portal)
    return {
        "registry": sorted(getUtility(IRegistry, context=portal).records),
        "utilities": sorted(
            (u.provided.__identifier__, u.name) for u in manager.registeredUtilities()
        ),
        "adapters": len(list(manager.registeredAdapters())),
        "permissions": sorted(name for name, *_ in portal.ac_inherited_permissions(1)),
        "roles": sorted(portal.valid_roles()),
        "actions": sorted(portal.portal_actions.objectIds()),
        "user menu": portal.portal_actions.user.objectIds(),
        "control panels": sorted(a.id for a in portal.portal_controlpanel.listActions()),
        "types": sorted(portal.portal_types.objectIds()),
        "indexes": sorted(portal.portal_catalog.indexes()),
        "content": sorted(portal.objectIds()),
        "plugins": [plugins_of(portal.acl_users), plugins_of(portal.aq_parent.acl_users)],
        "installed": portal.portal_setup.getLastVersionForProfile(f"{PRODUCT}:default"),
    }


def plugins_of(folder):
    """Return the plugins of a user folder, and what each is used for, in order."""
    kinds = [info["interface"] for info in folder.plugins.listPluginTypeInfo()]
    used = {str(kind): folder.plugins.listPluginIds(kind) for kind in kinds}
    return sorted(folder.objectIds()), used


def test_the_add_on_when_not_installed_is_listed_with_its_name_and_one_sentence(panel):
    """The name says what it does, the description why one wants it."""
    (text,) = [t for t in listed(panel, "install-products") if PRODUCT in t]
    assert TITLE in text
    assert "without keeping a thread or a database connection" in text
    assert "uninstall" not in text.lower()


def test_the_uninstall_profile_when_profiles_are_listed_is_hidden(site):
    """Older Plones list the others where a site is made."""
    hidden = [
        profile
        for utility in getAllUtilitiesRegisteredFor(INonInstallable)
        for profile in getattr(utility, "getNonInstallableProfiles", list)()
    ]
    assert [p for p in hidden if p.startswith(PRODUCT)] == [f"{PRODUCT}:uninstall"]


def test_the_add_on_when_installed_is_listed_as_active_and_marks_requests(panel, site):
    """Installing it puts its browser layer on the requests of the site."""
    site.view("layer", lambda self: str(IWSGIFuturesLayer.providedBy(self.request)))
    assert "False" in site.get("layer").body

    press(panel, "install-products")

    assert [TITLE in t for t in listed(panel, "activated-products") if PRODUCT in t] == [True]
    assert [t for t in listed(panel, "install-products") if PRODUCT in t] == []
    assert [t for t in listed(panel, "upgrade-products") if PRODUCT in t] == []
    assert "True" in site.get("layer").body


def test_the_add_on_when_uninstalled_leaves_nothing_in_the_site(panel, site):
    """Registry records, browser layers, permissions, utilities: as they were."""
    before = kept(site.portal)

    press(panel, "install-products")
    site.sync()
    assert kept(site.portal) != before

    press(panel, "activated-products")
    site.sync()
    assert kept(site.portal) == before
    assert [TITLE in t for t in listed(panel, "install-products") if PRODUCT in t] == [True]


def test_a_response_when_the_add_on_is_not_installed_is_held(site):
    """What the publisher does hangs on no browser layer."""
    site.view("asks", lambda self: ask("a"))
    answer = site.get("asks")
    assert (answer.passes, calls) == (["Suspended", "200"], ["a"])


def make_old(portal):
    """Put the site into the state that the profile 1000 left: the browser layer and no more."""
    setup = portal.portal_setup
    setup.runAllImportStepsFromProfile(f"profile-{PRODUCT}:default")
    registry = getUtility(IRegistry, context=portal)
    for name in [name for name in registry.records if name.startswith("wsgifutures.")]:
        del registry.records[name]
    for name in ("wsgifutures", "wsgifutures-workers", "wsgifutures-clock", "wsgifutures-tokens"):
        portal.portal_controlpanel.unregisterConfiglet(name)
    portal.portal_actions.user.manage_delObjects(["wsgifutures-my-jobs"])
    for folder in (portal.acl_users, portal.aq_parent.acl_users):
        folder._delObject(ID)
    setup.setLastVersionForProfile(f"{PRODUCT}:default", "1000")
    transaction.commit()


def test_the_add_on_when_upgraded_has_what_a_new_one_has(panel, site):
    """Through the Add-ons form; nothing is lost on the way."""
    press(panel, "install-products")
    site.sync()
    new = kept(site.portal)
    make_old(site.portal)
    old = kept(site.portal)
    assert (old["installed"], old["registry"] == new["registry"]) == (("1000",), False)

    panel.open(site.portal.absolute_url() + "/prefs_install_products_form")
    assert [TITLE in t for t in listed(panel, "upgrade-products") if PRODUCT in t] == [True]
    form = panel.getForm(action="upgrade_products")
    form.getControl(name="form.submitted").click()
    site.sync()
    assert kept(site.portal) == new
    assert new["installed"] == ("1006",)


def test_the_upgrade_when_run_again_keeps_what_was_set(site):
    """As when somebody runs it by hand."""
    make_old(site.portal)
    setup = site.portal.portal_setup
    setup.upgradeProfile(f"{PRODUCT}:default")
    registry = getUtility(IRegistry, context=site.portal)
    registry["wsgifutures.deadline"] = 7.0
    registry["wsgifutures.upstream_limits"] = ["weather.off = on"]
    setup.setLastVersionForProfile(f"{PRODUCT}:default", "1000")
    setup.upgradeProfile(f"{PRODUCT}:default")
    values = registry.records._values
    assert values["wsgifutures.deadline"] == 7.0
    assert values["wsgifutures.upstream_limits"] == ["weather.off = on"]
