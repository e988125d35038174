"""Preferences > Access tokens: people make, see and end their own."""

from collective.wsgifutures.keys.endings import ended_since
from collective.wsgifutures.keys.opaque import PATTERN
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.records import DAY
from datetime import date
from datetime import datetime
from datetime import timedelta
from holdsite import ADMIN
from lxml.html import fromstring
from plone import api
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from plone.uuid.interfaces import IUUID
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from statustabs import told
from tokenpages import ACT
from tokenpages import error_at
from tokenpages import FORM
from tokenpages import MINE
from tokenpages import Pages
from tokenpages import secret_in
from tokenpages import SOON

import pytest
import time
import transaction

ME = (TEST_USER_NAME, TEST_USER_PASSWORD)
OWN_PAGES = ("@@personal-information", "@@personal-preferences", "@@change-password")


@pytest.fixture
def pages(site, tokens):
    return Pages(site)


@pytest.fixture
def made(site, pages):
    """Make a token by the form; return its record."""

    def make(**changes):
        secret_in(pages.make(**changes))
        site.sync()
        return acts.all_of(site.portal)[0]

    return make


def card(page, token):
    (found,) = told(page, f"#token-{token.id}")
    return found


# The tab


@pytest.mark.parametrize("page", [*OWN_PAGES, MINE])
def test_the_tab_is_beside_those_of_plone(pages, page):
    """In the user's preferences, and in that order."""
    links = fromstring(pages.get(page).body).cssselect("#content .nav-tabs a")
    assert [link.get("href") for link in links] == [
        f"http://nohost/plone/{path}" for path in (*OWN_PAGES, MINE)
    ]
    (active,) = (link for link in links if "active" in link.get("class"))
    assert active.get("href").endswith(page)
    assert links[-1].text_content().strip() == "Access tokens"


def test_whoever_may_not_set_own_properties_has_no_tab_and_no_page(site, pages):
    """As with Plone's own."""
    site.portal.manage_permission("Set own properties", ["Manager"], acquire=0)
    transaction.commit()
    assert MINE not in pages.get("@@change-password").body
    assert pages.get().status in (302, 401)


def test_plones_pages_do_what_they_did(site, pages):
    """They are saved as before."""
    page = fromstring(pages.get("@@personal-information").body)
    (found,) = page.cssselect("#content [name=_authenticator]")
    fields = {
        "form.widgets.fullname": "Mark Twain",
        "form.widgets.email": "mark@example.com",
        "form.buttons.save": "Save",
        "_authenticator": found.get("value"),
    }
    assert pages.send("@@personal-information", fields).status == 302
    site.sync()
    assert api.user.get(MEMBER[0]).getProperty("fullname") == "Mark Twain"


# Making


def test_a_token_is_made_shown_once_and_good(pages, tokens, site):
    """No cache keeps the page, no address and no message has the secret."""
    answer = pages.make(user=ME)
    secret = secret_in(answer)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert "location" not in answer.headers
    assert answer.body.count(secret) == 1
    assert secret not in str(answer.headers)
    assert tokens.ask("folder/box", secret).status == 200
    assert not PATTERN.search(pages.get(user=ME).body)
    assert not any(secret in record.getMessage() for record in site.log.records)


def test_what_was_chosen_is_what_it_may(made, site):
    """Until the end of the day."""
    folder = api.content.create(site.portal, "Folder", "reports")
    transaction.commit()
    token = made(user=ADMIN, name=" A <b> ", services=["read:", "write:@comments"], part="/reports")
    assert token.name == "A <b>"
    assert token.scope.services == ("read:", "write:@comments")
    assert token.scope.part == IUUID(folder)
    assert str(datetime.fromtimestamp(token.ends))[:16] == f"{SOON} 23:59"
    assert (token.user, token.made_by) == ("admin", "admin")


@pytest.mark.parametrize(
    "part",
    [
        "reports",
        "/reports/",
        "http://nohost/plone/reports",
        "http://nohost/plone/reports/?x=1#y",
        "  /reports ",
    ],
)
def test_a_part_is_named_by_its_path_or_its_address(made, site, part):
    """As it stands in the browser."""
    folder = api.content.create(site.portal, "Folder", "reports")
    transaction.commit()
    assert made(user=ADMIN, services=["read:"], part=part).scope.part == IUUID(folder)


@pytest.mark.parametrize("part", ["", " / ", "http://nohost/plone", "http://nohost/plone/"])
def test_no_part_is_the_whole_site(made, part):
    """Also its address."""
    assert made(part=part).scope.part == ""


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "what the token is for"),
        ("name", "x" * 101, "what the token is for"),
        ("ends", "", "Choose the last day"),
        ("ends", "1.3.2027", "Choose the last day"),
        ("ends", str(date.today() - timedelta(1)), "at most a year from now"),
        ("ends", str(date.today() + timedelta(400)), "at most a year from now"),
        ("services", [], "Choose what the token may do"),
        ("services", ["read:@users"], "read:@users is not offered"),
        ("part", "/nowhere", "nothing that you may see"),
        ("part", "http://[", "nothing that you may see"),
        ("part", "?", "nothing that you may see"),
        ("part", "http://elsewhere.example/folder", "nothing that you may see"),
        ("part", "/folder", "nothing that you may see"),  # there is one, for others
    ],
)
def test_what_cannot_be_made_says_why_at_its_field_and_loses_nothing(
    pages, site, field, value, words
):
    """And nothing is made."""
    changes = {"name": "Kept", "part": "typed", "services": ["read:"], field: value}
    answer = pages.make(**changes)
    at = {"services": "scope"}.get(field, field)
    assert words in error_at(answer, at)
    assert "No token was made." in " ".join(told(answer, "[role=alert]"))
    page = fromstring(answer.body)
    for name in ("name", "part", "ends"):
        (input,) = page.cssselect(f"#token-{name}")
        assert input.get("value") == {**changes, "ends": SOON, field: value}.get(name, SOON)
    boxes = page.cssselect("[type=checkbox][checked]")
    offered = [v for v in changes["services"] if v != "read:@users"]
    assert [box.get("value") for box in boxes] == offered
    if field != "services":
        (input,) = page.cssselect(f"#token-{field}")
        assert input.get("aria-invalid") == "true"
        assert f"token-{field}-error" in input.get("aria-describedby")
    assert acts.all_of(site.portal) == []


def test_all_that_is_wrong_is_said_at_once(pages):
    """Each at its field."""
    answer = pages.make(name="", ends="", services=[])
    assert all(error_at(answer, name) for name in ("name", "ends", "scope"))


def test_what_shows_the_whole_site_is_not_for_a_part(pages, site):
    """The page says which."""
    api.content.create(site.portal, "Folder", "reports")
    transaction.commit()
    answer = pages.make(part="/reports", services=["read:", "read:@search", "read:@navigation"])
    assert "too: Navigation, Search. Do not choose them" in error_at(answer, "part")


def test_a_form_that_is_sent_twice_makes_one_token(pages, site):
    """As by a reload, or a double click."""
    hidden = pages.hidden()
    secret_in(pages.make(hidden=hidden))
    answer = pages.make(hidden=hidden)
    assert "This form was sent before" in answer.text
    assert not PATTERN.search(answer.body)
    assert len(acts.all_of(site.portal)) == 1


def test_a_form_that_was_refused_can_be_sent_again(pages):
    """It has made nothing."""
    hidden = pages.hidden()
    pages.make(hidden=hidden, name="")
    secret_in(pages.make(hidden=hidden))


def test_too_many_tokens_are_refused_in_words_and_those_that_ended_do_not_count(
    pages, site, monkeypatch
):
    """Nobody can use them."""
    monkeypatch.setattr(acts, "MOST_PER_USER", 1)
    secret_in(pages.make())
    assert "too many tokens already" in pages.make().text
    pages.do("end-all:")
    secret_in(pages.make())


def test_offers_are_in_the_order_of_their_titles(pages):
    """The content itself first; then what a part of the site is enough for."""
    rows = [
        text.split(" ")[0] for text in told(pages.get(), "#wsgifutures-tokens-make fieldset .row")
    ]
    assert rows[:2] == ["Content", "Comments"]
    assert rows.index("Workflow") < rows.index("Alternative") < rows.index("Search")


def test_a_form_that_is_refused_comes_before_the_list(pages, made):
    """Nobody looks for it below fifty tokens."""
    made()
    order = ["wsgifutures-tokens-make", "wsgifutures-tokens-list"]
    for changes, expected in (({"name": ""}, order), ({}, order[::-1])):
        page = fromstring(pages.make(**changes).body)
        found = [each.get("id") for each in page.cssselect("#content section[id]")]
        assert [id for id in found if id in order] == expected


# To whom


def test_nobody_else_gets_to_the_pages(pages, site):
    """Whoever is not logged in is sent to the login form."""
    for answer in (
        pages.get(user=None),
        pages.get(ACT, user=None, what="end-all:"),
        pages.make(user=None, hidden=pages.hidden()),
    ):
        assert answer.status in (302, 401)
    assert acts.all_of(site.portal) == []


@pytest.mark.parametrize("path", [MINE, ACT])
def test_no_token_of_ours_gets_to_the_pages(tokens, path):
    """Whatever its scope."""
    secret = tokens.secret("read:", "write:", "read:@search")
    for method in ("GET", "POST"):
        assert tokens.is_nobodys(path, secret, method=method, kind=FORM)


@pytest.mark.parametrize("path", [MINE, ACT])
def test_no_token_of_plone_restapi_gets_to_the_pages(site, pages, path):
    """They are for people."""
    plugins = site.portal.acl_users
    if "jwt_auth" not in plugins:
        site.portal.portal_setup.runAllImportStepsFromProfile("plone.restapi:default")
    theirs = plugins.jwt_auth.create_token(MEMBER[0])
    transaction.commit()
    headers = {"HTTP_AUTHORIZATION": f"Bearer {theirs}"}
    assert site.get("@@personal-preferences", headers=headers).status == 200
    assert site.get(path, headers=headers).status in (302, 401)


def test_without_the_authenticator_of_the_page_nothing_is_made_or_ended(pages, made, site):
    """Another site cannot send the form."""
    token = made()
    assert pages.make(hidden={}).status == 403
    for what in (f"revoke:{token.id}", "end-all:"):
        assert pages.do(what, authenticator=False).status == 403
    site.sync()
    assert [each.id for each in acts.all_of(site.portal)] == [token.id]
    assert acts.state_of(site.portal, token) is acts.TokenState.GOOD


def test_a_site_without_the_add_on_has_neither_tab_nor_page(site):
    """Its preferences are Plone's."""
    assert site.get(MINE, user=ADMIN).status == 404
    assert MINE not in site.get("@@personal-preferences", user=ADMIN).body


# The list


def test_the_list_says_in_words_what_each_may(pages, made, site):
    """The name is text."""
    token = made(name="<b>A</b>", services=["read:", "read:@search", "write:@comments"])
    page = pages.get()
    text = card(page, token)
    assert "<b>A" not in page.body
    assert "<b>A</b> State Good" in text
    assert "May read Content, Search" in text
    assert "May write Comments" in text
    assert "Where in the whole site" in text
    assert "Last used never" in text
    assert f"Name in logs {token.id}" in text


def test_last_use_is_shown_by_the_day_and_from_where(pages, made, site):
    """As Zope knows the address."""
    token = made()
    acts.note_use(site.portal, token, "192.0.2.7", 1_790_000_000.0)
    transaction.commit()
    assert "Last used Sep 21, 2026 from 192.0.2.7" in card(pages.get(), token)


def test_the_part_of_a_token_is_named_for_whoever_may_see_it(pages, made, tokens, site):
    """Others learn nothing of it."""
    api.content.create(site.portal, "Folder", "reports", title="Reports")
    transaction.commit()
    token = made(part="/reports", services=["read:"])
    (link,) = fromstring(pages.get().body).cssselect(f"#token-{token.id} dd a")
    assert (link.text_content(), link.get("href")) == ("Reports", "http://nohost/plone/reports")
    hidden, _ = tokens.make(part=tokens.box, user=MEMBER[0])
    text = card(pages.get(), hidden)
    assert "a folder that is gone, or that you may not see" in text
    assert "Box" not in text


def test_what_is_not_offered_any_more_is_named_as_it_was(pages, made, site):
    """The token is good for nothing there."""
    from collective.wsgifutures.tokens.offered import offer
    from collective.wsgifutures.tokens.offered import withdraw_offer

    offer("@orders", read=("GET",), title="Orders")
    token = made(services=["read:@orders"])
    assert "May read Orders" in card(pages.get(), token)
    withdraw_offer("@orders")
    assert "May read @orders" in card(pages.get(), token)


def test_each_sees_their_own_and_who_made_it(pages, tokens, site):
    """Good ones first."""
    token, _ = tokens.make(user=MEMBER[0])
    tokens.make(user="test-user")
    past, _ = tokens.make(user=MEMBER[0], at=time.time() - 31 * DAY + 60, days=30)
    page = pages.get()
    ids = [each.get("id") for each in fromstring(page.body).cssselect("#content article")]
    assert ids == [f"token-{token.id}", f"token-{past.id}"]
    assert "by boss" in card(page, token)
    assert "State Ended" in card(page, past)
    assert "Revoke" not in card(page, past)


# Ending


def test_revoking_asks_first_and_says_which(pages, made, site):
    """Nothing is done by GET."""
    token = made()
    page = pages.get(ACT, what=f"revoke:{token.id}")
    assert told(page, "h1") == ["Revoke this token?"]
    assert "Nightly export" in page.text
    assert page.headers["cache-control"] == "no-store"
    site.sync()
    assert token.revoked is None


def test_a_revoked_token_is_good_for_nothing(pages, tokens, site):
    """At once; again, nothing more happens."""
    secret = secret_in(pages.make(user=ME))
    site.sync()
    (token,) = acts.all_of(site.portal)
    for _ in range(2):
        message = pages.message_after(pages.do(f"revoke:{token.id}", user=ME), ME)
        assert "The token is revoked." in message
    assert tokens.is_nobodys("folder/box", secret)
    assert "State Revoked" in card(pages.get(user=ME), token)


def test_all_of_ones_own_end_and_no_others(pages, tokens, site):
    """The page says what else ends."""
    mine, other = secret_in(pages.make(user=ME)), secret_in(pages.make(user=ADMIN))
    assert "workers elsewhere that do jobs of yours" in pages.get(ACT, ME, what="end-all:").text
    assert "All of your tokens have ended." in pages.message_after(pages.do("end-all:", ME), ME)
    assert tokens.is_nobodys("folder/box", mine)
    assert tokens.ask("folder/box", other).status == 200
    assert "Ended with all tokens of the user" in pages.get(user=ME).text
    assert ended_since(site.portal, "/plone", "test_user_1_")


def test_all_end_whatever_an_address_adds(pages, tokens):
    """A link with the id of one does not let the page say of the others that they have ended."""
    one, first = tokens.make(user="test-user")
    second = tokens.secret(user="test-user")
    what = f"end-all:{one.id}"
    assert told(pages.get(ACT, ME, what=what), "h1") == ["End all of your tokens?"]
    assert "All of your tokens have ended." in pages.message_after(pages.do(what, ME), ME)
    assert all(tokens.is_nobodys("folder/box", secret) for secret in (first, second))


def test_another_password_ends_them_and_the_page_says_so(pages):
    """Before somebody wonders."""
    assert "Another password ends all of your tokens, too." in pages.get().text


@pytest.mark.parametrize("what", ["revoke:{other}", "revoke:", "end-all", "sudo:", ""])
def test_what_is_not_ones_own_is_not_there(pages, tokens, site, what):
    """Neither is what nobody can do."""
    other, _ = tokens.make(user="test-user")
    what = what.format(other=other.id)
    page = pages.get(ACT, what=what)
    if not what.startswith("end-all"):
        assert told(page, "h1") == ["There is no such token any more"]
        assert "There is no such token" in pages.message_after(pages.do(what))
    site.sync()
    assert other.revoked is None


def test_opening_the_pages_writes_nothing(pages, made, site):
    """They look."""
    token = made()
    pages.get(ACT, what="end-all:")  # Plone writes once for itself
    before = site.commits
    pages.get()
    pages.get(ACT, what=f"revoke:{token.id}")
    pages.make(name="")
    assert site.commits == before


def test_site_administrators_have_tokens_of_their_own(pages):
    """As everybody who may set preferences."""
    secret_in(pages.make(user=SITE_ADMIN))
