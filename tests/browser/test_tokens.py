"""Preferences > Access tokens, and Site Setup > Access tokens, in a browser."""

from datetime import date
from datetime import timedelta
from sites import speak
from sites import start_site

import pytest
import requests

MINE = "/@@wsgifutures-tokens"
OF_ALL = "/@@wsgifutures-tokens-of-all"
SECRET = "#wsgifutures-tokens-secret"
CARD = "article[id^=token-]"
SEND = "#wsgifutures-tokens-make button"
INLINE = "#content [style], #content style, #content script, #content [onclick]"
LINK = f"#content a[href$='{OF_ALL}']:not(.dropdown-item)"
TITLES = {"de": "Zugriffstokens", "fi": "Käyttöavaimet"}


@pytest.fixture
def own(browser, start_own):
    """A site of its own, where a Manager is logged in; return its address."""
    site = start_own().site
    browser.log_in(site)
    browser.complaints()  # those of other pages
    return site


def make(browser, name, *values):
    """Fill in the form and send it; return the secret that the page shows."""
    browser.fill("#token-name", name)
    for value in values:
        browser.click(f"[name='services:list'][value='{value}']")
    browser.follow(SEND)
    return browser.find(SECRET).text


def check(browser, name):
    """Look at the page: for everybody, on a phone, without what a strict policy forbids."""
    browser.check_accessibility()
    browser.screenshot(name)
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")
    assert browser.all(INLINE) == []


def status_of(url, secret):
    """Return the status of an answer to a program with a token."""
    headers = {"Accept": "application/json", "Authorization": f"Bearer {secret}"}
    return requests.get(url, headers=headers, timeout=60).status_code


@pytest.mark.parametrize("javascript", [True, False])
def test_a_token_is_made_used_and_revoked(browser, own, javascript):
    """Reached from the preferences; also without JavaScript."""
    browser.javascript(javascript)
    browser.open(f"{own}/@@personal-preferences")
    browser.follow(f"#content .nav-tabs a[href$='{MINE}']")
    assert browser.find("h1").text == "Access tokens"
    assert "You have no token yet." in browser.find("#wsgifutures-tokens-list").text
    if javascript:  # which the checks need
        check(browser, "tokens-none")

    secret = make(browser, "Nightly export on host7", "read:@search", "write:@comments")
    assert secret not in browser.driver.current_url
    if javascript:
        check(browser, "tokens-made")
    assert status_of(f"{own}/@search", secret) == 200
    assert status_of(f"{own}/@users", secret) == 401

    browser.open(own + MINE)
    assert secret not in browser.driver.page_source
    card = browser.find(CARD).text
    assert "Content, Search" in card
    assert "127.0.0.1" in card
    if javascript:
        check(browser, "tokens")

    browser.follow(f"{CARD} .btn-outline-danger")
    assert browser.find("h1").text == "Revoke this token?"
    if javascript:
        check(browser, "tokens-revoke")
    browser.follow("#content form button")
    assert "The token is revoked." in browser.find(".portalMessage").text
    assert status_of(f"{own}/@search", secret) == 401
    assert browser.complaints() == []


def test_what_is_refused_loses_nothing(browser, own):
    """The browser asks for some fields itself; the site does for the others."""
    browser.open(own + MINE)
    browser.fill("#token-name", "Kept")
    browser.click("[value='read:@search']")
    browser.fill("#token-part", "/nowhere")
    browser.follow(SEND)
    assert "No token was made." in browser.find("[role=alert]").text
    assert "nothing that you may see" in browser.find("#token-part-error").text
    assert browser.find("#token-name").get_attribute("value") == "Kept"
    assert browser.find("[value='read:@search']").is_selected()
    assert browser.find("#token-part").get_attribute("value") == "/nowhere"
    check(browser, "tokens-refused")
    browser.fill("#token-part", "")
    browser.follow(SEND)
    assert browser.find(SECRET).text.startswith("wsgifutures_app_")


def test_all_of_ones_own_end_after_a_question(browser, own):
    """A page says what that means."""
    browser.open(own + MINE)
    first, second = make(browser, "One"), make(browser, "Two")
    browser.follow("#wsgifutures-tokens-list a[href*='end-all']")
    assert browser.find("h1").text == "End all of your tokens?"
    check(browser, "tokens-end-all")
    browser.follow("#content form button")
    assert "All of your tokens have ended." in browser.find(".portalMessage").text
    assert {status_of(own + "/@search", one) for one in (first, second)} == {401}


def test_administrators_see_and_end_those_of_all(browser, own):
    """Reached from Site Setup; filtered by user and state; made for another user."""
    browser.open(own + MINE)
    make(browser, "Mine")
    browser.open(f"{own}/@@overview-controlpanel")
    browser.follow(LINK)
    assert browser.find("h1").text == "Access tokens"
    browser.fill("#token-user", "admin")
    make(browser, "Search index of the intranet", "read:@search")
    check(browser, "tokens-of-all-made")
    browser.open(own + OF_ALL)
    assert len(browser.all(CARD)) == 2
    check(browser, "tokens-of-all")
    browser.fill("#filter-user", "nobody")
    browser.follow("#wsgifutures-tokens-filter button")
    assert "There is none of that user" in browser.find("#wsgifutures-tokens-list").text
    browser.fill("#filter-user", "admin")
    browser.follow("#wsgifutures-tokens-filter button")
    browser.follow(f"{CARD} .btn-outline-danger")
    browser.follow("#content form button")
    assert "The token is revoked." in browser.find(".portalMessage").text
    assert browser.complaints() == []


@pytest.mark.parametrize("language", ["de", "fi"])
def test_the_pages_are_translated(browser, demo_instance, tmp_path, language):
    """And fit on a phone."""
    instance = speak(demo_instance, tmp_path / "template", language)
    site = start_site(instance, tmp_path / "instance")
    try:
        browser.log_in(site.site)
        browser.open(site.site + MINE)
        assert browser.find("h1").text == TITLES[language]
        make(browser, "Export", "read:@search")
        check(browser, f"tokens-{language}")
        browser.fill("#token-part", "/nowhere")
        browser.fill("#token-name", "A")
        browser.follow(SEND)
        check(browser, f"tokens-refused-{language}")
        browser.follow("#wsgifutures-tokens-list a[href*='end-all']")
        check(browser, f"tokens-end-all-{language}")
        browser.open(site.site + OF_ALL)
        check(browser, f"tokens-of-all-{language}")
    finally:
        site.stop()


def test_the_form_offers_three_months_and_a_year_at_most(browser, own):
    """A browser's own calendar knows the last day."""
    browser.open(own + MINE)
    field = browser.find("#token-ends")
    assert field.get_attribute("value") == str(date.today() + timedelta(90))
    assert field.get_attribute("max") == str(date.today() + timedelta(365))
