"""Site Setup > Access tokens: administrators see and end those of all, and make some for others."""

from collective.wsgifutures.controlpanel.tokens import panel
from collective.wsgifutures.keys.opaque import PATTERN
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.records import DAY
from holdsite import ADMIN
from lxml.html import fromstring
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from statustabs import told
from tokenpages import error_at
from tokenpages import Pages
from tokenpages import secret_in
from tokenpages import WISH

import pytest
import time

PAGE = "@@wsgifutures-tokens-of-all"
ACT = "@@wsgifutures-tokens-of-all-act"


@pytest.fixture
def pages(site, tokens):
    return Pages(site, PAGE, ACT)


@pytest.fixture
def of_both(tokens):
    """Return a good token of a member, and one of the test user that has ended."""
    good, _ = tokens.make(user=MEMBER[0])
    ended, _ = tokens.make(user="test-user", at=time.time() - 31 * DAY)
    return good, ended


def listed(page):
    return [each.get("id") for each in fromstring(page.body).cssselect("#content article")]


def wish_for(user):
    return {**WISH, "user": user}


def test_site_setup_lists_the_panel_with_an_icon(pages):
    """For Managers."""
    css = f"#content li:not(.dropdown) a[href$='{PAGE}']:not(.dropdown-item)"
    (link,) = fromstring(pages.get("@@overview-controlpanel", ADMIN).body).cssselect(css)
    assert "Access tokens" in link.text_content()
    assert link.cssselect("svg")
    assert PAGE not in pages.get("@@overview-controlpanel", SITE_ADMIN).body


def test_without_tokens_the_panel_says_so(pages):
    """And keeps nothing in caches."""
    page = pages.get(user=ADMIN)
    assert "Nobody has a token yet." in page.text
    assert page.headers["cache-control"] == "no-store"


def test_all_are_listed_with_their_users(pages, of_both):
    """The newest first."""
    good, ended = of_both
    page = pages.get(user=ADMIN)
    assert listed(page) == [f"token-{good.id}", f"token-{ended.id}"]
    assert f"User {MEMBER[0]}" in " ".join(told(page, f"#token-{good.id}"))
    assert not PATTERN.search(page.body)


def test_they_are_found_by_user_and_state(pages, of_both):
    """What was asked for stays in the form."""
    good, ended = of_both
    assert listed(pages.get(user=ADMIN, of=f" {MEMBER[0]} ")) == [f"token-{good.id}"]
    page = pages.get(user=ADMIN, state="ended")
    assert listed(page) == [f"token-{ended.id}"]
    (chosen,) = fromstring(page.body).cssselect("option[selected]")
    assert chosen.get("value") == "ended"
    page = pages.get(user=ADMIN, of="test_user_1_", state="good")
    assert "There is none of that user and state." in page.text
    assert len(listed(pages.get(user=ADMIN, state="nonsense"))) == 2


def test_the_list_has_an_end_and_says_so(pages, tokens, monkeypatch):
    """Others are found by their user."""
    monkeypatch.setattr(panel, "MOST", 2)
    monkeypatch.setattr(panel.TokensControlPanel, "most", 2)
    for _ in range(3):
        tokens.make()
    page = pages.get(user=ADMIN)
    assert len(listed(page)) == 2
    assert "There are more than 2: the newest are listed." in page.text


def test_a_token_of_another_user_is_revoked_after_a_question(pages, tokens, site):
    """It is good for nothing then, and says who ended it."""
    token, secret = tokens.make()
    page = pages.get(ACT, ADMIN, what=f"revoke:{token.id}")
    assert told(page, "h1") == ["Revoke this token?"]
    assert "test_user_1_" in page.text
    message = pages.message_after(pages.do(f"revoke:{token.id}", ADMIN), ADMIN)
    assert "The token is revoked." in message
    site.sync()
    assert token.revoked_by == "admin"
    assert tokens.is_nobodys("folder/box", secret)


def test_one_is_made_for_a_service_user_and_shown_once(pages, tokens, site):
    """It acts for that user, and says who made it."""
    secret = secret_in(pages.send(PAGE, {**pages.hidden(ADMIN), **wish_for("test_user_1_")}, ADMIN))
    tokens.ask("folder/box", secret)
    assert tokens.seen == ["test_user_1_"]
    site.sync()
    (token,) = acts.all_of(site.portal)
    assert (token.user, token.made_by) == ("test_user_1_", "admin")


@pytest.mark.parametrize("user", ["nobody-here", ""])
def test_a_user_who_is_not_there_is_refused_at_the_field(pages, site, user):
    """Nothing that was typed is lost."""
    answer = pages.send(PAGE, {**pages.hidden(ADMIN), **wish_for(user)}, ADMIN)
    assert "There is no user with the id" in error_at(answer, "user")
    (field,) = fromstring(answer.body).cssselect("#token-user")
    assert field.get("value") == user
    assert acts.all_of(site.portal) == []


def test_a_manager_of_a_site_names_no_user_of_zope(pages, site):
    """Who may have rights in other sites, too."""
    me = (TEST_USER_NAME, TEST_USER_PASSWORD)
    answer = pages.send(PAGE, {**pages.hidden(me), **wish_for("admin")}, me)
    assert "is a user of Zope, and not of this site" in error_at(answer, "user")
    assert acts.all_of(site.portal) == []


@pytest.mark.parametrize("user", [None, MEMBER, SITE_ADMIN])
def test_the_panel_is_for_who_manages_tokens(pages, tokens, site, user):
    """Whoever makes tokens for others acts as anybody."""
    token, _ = tokens.make()
    hidden = pages.hidden(ADMIN)
    for answer in (
        pages.get(user=user),
        pages.get(ACT, user, what=f"revoke:{token.id}"),
        pages.send(PAGE, {**hidden, **wish_for("admin")}, user),
        pages.send(ACT, {**hidden, "what": f"revoke:{token.id}"}, user),
    ):
        assert answer.status in (302, 401)
        assert token.id not in answer.body
        assert PAGE not in answer.headers.get("location", "")
    site.sync()
    assert token.revoked is None
    assert len(acts.all_of(site.portal)) == 1


def test_administrators_end_no_own_tokens_by_mistake_here(pages, tokens, site):
    """That is in their preferences."""
    token, _ = tokens.make()
    pages.do("end-all:", ADMIN)
    site.sync()
    assert acts.state_of(site.portal, token) is acts.TokenState.GOOD


@pytest.mark.parametrize("path", [PAGE, ACT])
def test_no_token_of_ours_gets_to_the_panel(tokens, path):
    """Whatever its scope, and its user's rights."""
    secret = tokens.secret("read:", "write:", user="admin")
    assert tokens.is_nobodys(path, secret)
