"""The plugin is put into the user folders that let people into a site, and taken out again."""

from collective.wsgifutures.pas.install import add_plugins
from collective.wsgifutures.pas.install import remove_plugins
from collective.wsgifutures.pas.plugin import ID
from OFS.userfolder import UserFolder
from plone import api
from Products.CMFPlone.factory import addPloneSite
from Products.PluggableAuthService.interfaces.plugins import IAuthenticationPlugin
from Products.PluggableAuthService.interfaces.plugins import IExtractionPlugin
from zope.component.hooks import site as in_site

import pytest


@pytest.fixture
def folders(site):
    """The user folders of the site and of Zope's root."""
    return [site.portal.acl_users, site.portal.aq_parent.acl_users]


def is_there(folder):
    """Tell whether the plugin is there and used; it is both or neither."""
    kinds = (IExtractionPlugin, IAuthenticationPlugin)
    used = {ID in folder.plugins.listPluginIds(kind) for kind in kinds}
    assert used == {ID in folder}
    return ID in folder


def test_each_user_folder_gets_the_plugin_once(folders):
    """The site's and the root's; again is no error, and replaces nothing."""
    for _ in range(2):
        add_plugins(None)
        assert [is_there(folder) for folder in folders] == [True, True]
        marked = [getattr(folder[ID], "marked", False) for folder in folders]
        for folder in folders:
            folder[ID].marked = True
    assert marked == [True, True]
    assert [folder.plugins.listPluginIds(IExtractionPlugin).count(ID) for folder in folders] == [
        1,
        1,
    ]


def test_both_are_removed_and_again_is_no_error(folders):
    """Nothing of a package that is gone stays in a user folder."""
    add_plugins(None)
    for _ in range(2):
        remove_plugins(None)
        assert [is_there(folder) for folder in folders] == [False, False]


@pytest.mark.parametrize("where", ["", "sites"])
def test_the_roots_plugin_stays_while_another_site_needs_it(site, folders, where):
    """Users of the root are users of that one, too; it may be in a folder."""
    app = holder = site.portal.aq_parent
    if where:
        app.manage_addFolder(where)
        holder = app[where]
    other = addPloneSite(holder, "other", setup_content=False, default_language="en")
    for each in (site.portal, other):
        with in_site(each):
            add_plugins(None)
    with in_site(site.portal):
        remove_plugins(None)
    assert [is_there(folder) for folder in (*folders, other.acl_users)] == [False, True, True]
    with in_site(other):
        remove_plugins(None)
    assert [is_there(folder) for folder in (*folders, other.acl_users)] == [False, False, False]


def test_a_user_folder_that_has_no_plugins_is_left_alone(site, folders):
    """Zope's root may have one of the older kind."""
    app = site.portal.aq_parent
    app._delObject("acl_users")
    app._setObject("acl_users", UserFolder())
    add_plugins(None)
    assert is_there(api.portal.get().acl_users)
    remove_plugins(None)
    assert not is_there(folders[0])
