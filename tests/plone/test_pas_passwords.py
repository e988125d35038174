"""Another password, or no user any more, ends all tokens of the user; whoever changes it."""

from bearers import Bearers
from bearers import PASSWORD
from collective.wsgifutures.keys.endings import DAY
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.endings import ended_since
from collective.wsgifutures.keys.endings import PART
from collective.wsgifutures.keys.places import find_part
from collective.wsgifutures.keys.places import place_of
from holdsite import ADMIN
from mailboxes import mailbox_of_the_site
from plone import api
from plone.app.testing import login
from plone.app.testing import TEST_USER_NAME
from plone.testing.zope import Browser
from zExceptions import Unauthorized

import json
import pytest
import time
import transaction

BOX = "folder/box"
NEW = "another horse battery"


@pytest.fixture
def bearers(site):
    made = Bearers(site)
    api.user.create("jane@example.com", "jane", PASSWORD, roles=["Manager"])
    root = site.portal.aq_parent.acl_users
    root.userFolderAddUser("boss", PASSWORD, ["Manager"], [])
    transaction.commit()
    return made


@pytest.fixture
def browse(site, functional):
    """Return a browser of a user."""

    def start(*user):
        browser = Browser(functional["app"])
        browser.handleErrors = False
        browser.addHeader("Authorization", "Basic " + ":".join(user))
        browser.addHeader("Accept", "text/html")
        return browser

    return start


# How passwords are changed


def by_themselves(bearers, browse):
    browser = browse("jane", PASSWORD)
    browser.open(bearers.site.portal.absolute_url() + "/@@change-password")
    browser.getControl(name="form.widgets.current_password").value = PASSWORD
    browser.getControl(name="form.widgets.new_password").value = NEW
    browser.getControl(name="form.widgets.new_password_ctl").value = NEW
    browser.getControl(name="form.buttons.reset_passwd").click()
    assert "Password changed" in browser.contents


def by_an_administrator(bearers, browse):
    browser = browse(*ADMIN)
    browser.open(bearers.site.portal.absolute_url() + "/@@usergroup-userprefs?searchstring=jane")
    browser.getControl(name="users.resetpassword:records").value = ["jane"]
    with mailbox_of_the_site() as mailbox:
        browser.getControl(name="form.button.Modify").click()
        assert len(mailbox.mails) == 1


def by_the_link_in_a_mail(bearers, browse):
    tool = api.portal.get_tool("portal_password_reset")
    asked = tool.requestReset("jane")
    tool.resetPassword("jane", asked["randomstring"], NEW)
    transaction.commit()


def by_rest(bearers, browse):
    body = json.dumps({"password": NEW}).encode()
    more = {"user": ADMIN, "body": body, "kind": "application/json"}
    assert bearers.ask("@users/jane", method="PATCH", **more).status == 204


def by_rest_with_the_old_one(bearers, browse):
    body = json.dumps({"old_password": PASSWORD, "new_password": NEW}).encode()
    more = {"user": ("jane", PASSWORD), "body": body, "kind": "application/json"}
    assert bearers.ask("@users/jane/reset-password", method="POST", **more).status == 200


def by_code(bearers, browse):
    api.user.get("jane").setSecurityProfile(password=NEW)
    transaction.commit()


def in_the_management_interface(bearers, browse):
    _in_the_management_interface(browse(*ADMIN), bearers.site.portal.acl_users.source_users, "jane")


def by_being_deleted(bearers, browse):
    api.user.delete(username="jane")
    transaction.commit()


def by_being_deleted_in_the_management_interface(bearers, browse):
    _in_the_management_interface(
        browse(*ADMIN), bearers.site.portal.acl_users.source_users, "jane", remove=True
    )


def by_logging_out_everywhere(bearers, browse):
    end_all(bearers.site.portal, "/plone", "jane")
    transaction.commit()


def _in_the_management_interface(browser, plugin, user_id, *, remove=False):
    """Use the forms of a plugin that keeps users."""
    browser.open(f"{plugin.absolute_url()}/manage_users")
    if remove:
        browser.getControl(name="user_ids:list").value = [user_id]
        browser.getControl(name="manage_removeUsers:method").click()
        return
    browser.open(f"{plugin.absolute_url()}/manage_users?user_id={user_id}&passwd=1")
    browser.getControl(name="password").value = NEW
    browser.getControl(name="confirm").value = NEW
    browser.getControl("Update Password").click()


@pytest.mark.parametrize(
    "change",
    [
        by_themselves,
        by_an_administrator,
        by_the_link_in_a_mail,
        by_rest,
        by_rest_with_the_old_one,
        by_code,
        in_the_management_interface,
        by_being_deleted,
        by_being_deleted_in_the_management_interface,
        by_logging_out_everywhere,
    ],
)
def test_what_began_before_the_change_is_nobodys(bearers, browse, change):
    """Of this user, and nobody else's; what begins later is good."""
    claimed, others = bearers.claim(user="jane"), bearers.claim(user=TEST_USER_NAME)
    token, kept = claimed.token(), others.token()
    assert bearers.ask(BOX, token).status == 200
    change(bearers, browse)
    bearers.site.sync()
    assert bearers.is_nobodys(BOX, token)
    assert claimed.token() is None
    assert bearers.ask(BOX, kept).status == 200
    if api.user.get("jane") is not None:
        login(bearers.site.portal, TEST_USER_NAME)
        assert bearers.ask(BOX, bearers.claim(user="jane").token()).status == 200


def test_a_user_of_zopes_root_has_another_password_in_the_management_interface(bearers, browse):
    """There is no other place for it; it ends the user's tokens of all sites."""
    token, kept = bearers.claim(user="boss").token(), bearers.claim(user="jane").token()
    assert bearers.ask(BOX, token).status == 200
    users = bearers.site.portal.aq_parent.acl_users.users
    _in_the_management_interface(browse(*ADMIN), users, "boss")
    bearers.site.sync()
    assert bearers.is_nobodys(BOX, token)
    assert bearers.ask(BOX, kept).status == 200


def test_ones_own_password_in_the_management_interface(bearers, browse):
    """The form does not name the user."""
    token = bearers.claim(user="boss").token()
    users = bearers.site.portal.aq_parent.acl_users.users
    browser = browse("boss", PASSWORD)
    browser.open(f"{users.absolute_url()}/manage_updatePasswordForm")
    browser.getControl(name="login_name").value = "boss"
    browser.getControl(name="password").value = NEW
    browser.getControl(name="confirm").value = NEW
    with pytest.raises(Unauthorized):  # the redirect comes with the old one
        browser.getControl("Update Password").click()
    bearers.site.sync()
    assert bearers.is_nobodys(BOX, token)


def test_another_password_that_is_not_committed_ends_nothing(bearers):
    """It is a part of the same transaction."""
    token = bearers.claim(user="jane").token()
    api.user.get("jane").setSecurityProfile(password=NEW)
    transaction.abort()
    assert bearers.ask(BOX, token).status == 200


# How it is kept


def test_the_last_end_counts_and_each_user_has_an_own_one(site):
    """By user folder and user; those of Zope's root for all sites."""
    portal, root = site.portal, site.portal.aq_parent
    now = time.time()
    end_all(portal, "/plone", "jane", now - 10)
    end_all(portal, "/plone", "jane", now)
    end_all(portal, "/plone/folder", "jane", now - 5)
    end_all(root, "", "jane", now - 7)
    assert ended_since(portal, "/plone", "jane") == now
    assert ended_since(portal, "/plone/folder", "jane") == now - 5
    assert ended_since(portal, "", "jane") == ended_since(root, "", "jane") == now - 7
    assert ended_since(portal, "/plone", "joe") == 0.0
    end_all(portal, "", "joe", now)
    assert ended_since(root, "", "joe") == now
    end_all(portal, "/plone", "jane", now - 3)  # by a host whose clock is behind
    assert ended_since(portal, "/plone", "jane") == now


def test_what_no_token_can_be_older_than_is_forgotten(site):
    """Two months of ends at once; what is younger than a year is kept."""
    portal, start = site.portal, 1e9
    for week in range(300):
        end_all(portal, "/plone", f"user-{week}", start + week * 7 * DAY)
    kept = [week for week in range(300) if ended_since(portal, "/plone", f"user-{week}")]
    age = (299 - kept[0]) * 7
    assert kept == list(range(kept[0], 300))
    assert 366 - 7 < age <= 366 + 2 * 61
    assert len(find_part(place_of(portal), PART)) <= 9
