"""The status page while responses are held, as an operator sees it."""

from processes import wait_until
from selenium.webdriver.common.keys import Keys

import pytest
import time

SECRET = "s3cret"  # in the query string of each request


@pytest.fixture
def crowd(running):
    """The site; who waits there is sent away at the end."""
    yield running
    running.disperse()


@pytest.fixture
def page(browser, crowd):
    """The page, opened by a Manager; return its address."""
    address = f"{crowd.site}/@@futures-status"
    browser.log_in(crowd.site)
    browser.complaints()  # those of other pages
    browser.open(address)
    return address


def live(browser):
    """Return what the page says of itself."""
    return browser.find(".futures-live").text


def paths(browser):
    """Return the paths that are listed, all as of one moment."""
    return browser.driver.execute_script(
        "return [...document.querySelectorAll('#futures-part-held tbody .futures-path')]"
        ".map(cell => cell.textContent.trim())"
    )


def fetched(browser):
    """Return how often the page has fetched what it shows."""
    return browser.fetched("futures-status-data")


def renewed(browser, times=2):
    """Wait until the page has fetched what it shows anew."""
    before = fetched(browser)
    browser.wait_for(lambda: fetched(browser) >= before + times)


def ask_many(site):
    """Let people ask for pages, until each worker holds some."""
    for number in range(6):
        site.ask("news/assistant", 90, ("jane", "walter", None)[number % 3], f"{SECRET}{number}")
        site.ask("library/everywhere", 90, text=f"{SECRET}{number}")
    while len(site.workers_that_hold()) < 2:
        site.ask("forecast", 90)


# What it shows


def test_page_when_nobody_waits_is_quiet_and_live(browser, page):
    """Numbers, the picture, upstreams and both workers."""
    browser.wait_for(lambda: "Live." in live(browser))
    assert "Nobody waits for an external service." in browser.find("#futures-part-held").text
    assert len(browser.all("#futures-part-workers tbody tr")) == 2
    browser.check_accessibility()
    browser.screenshot("status-quiet")
    assert not browser.overflows()
    assert browser.complaints() == []


def test_held_responses_of_both_workers_appear_while_the_page_is_open(browser, page, crowd):
    """Without a reload, and without what their query strings say."""
    ask_many(crowd)
    browser.wait_for(lambda: len(paths(browser)) >= 12)
    assert {"/Plone/news/assistant", "/Plone/library/everywhere"} <= set(paths(browser))
    held = [row.text.split() for row in browser.all("#futures-part-workers tbody tr")]
    assert all("0" not in row[-5:-4] for row in held)
    assert SECRET not in browser.driver.page_source
    browser.check_accessibility()
    browser.screenshot("status-busy")
    assert browser.complaints() == []


def test_limits_and_a_breaker_when_reached_are_said_in_words(browser, page, crowd):
    """Full, refused, not asked: what an operator has to see at once."""
    for _ in range(8):
        crowd.ask("shop/checkout", user="jane")
    for number in range(60):
        crowd.ask("news/assistant", 90, "jane", f"{SECRET}{number}")
    browser.wait_for(lambda: "limit of held responses" in browser.find("#futures-part-last").text)
    browser.wait_for(lambda: "nearly all" in browser.find("#futures-tile-held").text)
    state = browser.wait_for(lambda: browser.all("#futures-part-upstreams .futures-danger"))
    assert state[0].text == "Paused"
    renewed(browser)
    browser.check_accessibility()
    browser.screenshot("status-failing")
    browser.resize("phone")
    assert not browser.overflows()
    assert SECRET not in browser.driver.page_source


def test_picture_when_responses_are_held_moves(browser, page, crowd):
    """For those who see it, and in words."""

    def line():
        return browser.find(".futures-graph.futures-held .futures-line").get_attribute("d")

    renewed(browser)
    before = line()
    crowd.ask("news/assistant", 90, text=SECRET)
    crowd.ask("news/assistant", 90, text=SECRET + "2")
    browser.wait_for(lambda: line() != before)
    told = browser.driver.execute_script(
        "return document.querySelector('#futures-desc-held').textContent"
    )
    assert told.endswith(" now.")
    assert not told.endswith("; 0 now.")


def test_focus_and_what_is_folded_out_stay_when_the_page_renews_itself(browser, page, crowd):
    """Rows come and go around what somebody is about to press."""
    first, last = crowd.ask("forecast", 6), crowd.ask("news/assistant", 90)
    browser.wait_for(lambda: len(paths(browser)) == 2)
    browser.click("#futures-numbers summary")
    place = paths(browser).index("/Plone/news/assistant")  # either may have come first
    button = browser.all("tr [data-cancel]")[place]
    browser.driver.execute_script("arguments[0].focus({preventScroll: true})", button)
    scrolled = browser.driver.execute_script("return window.scrollY")
    browser.wait_for(lambda: first and paths(browser) == ["/Plone/news/assistant"])
    crowd.ask("library/everywhere", 90)
    browser.wait_for(lambda: len(paths(browser)) == 2)
    assert browser.driver.switch_to.active_element == button
    assert browser.find("#futures-numbers table").is_displayed()
    assert browser.driver.execute_script("return window.scrollY") == scrolled
    assert last == []


def test_page_when_a_policy_allows_no_inline_script_and_style_renews_itself(browser, page, crowd):
    """A strict Content-Security-Policy has nothing to complain about."""
    browser.driver.execute_script(
        "const meta = document.createElement('meta');"
        "meta.httpEquiv = 'Content-Security-Policy';"
        "meta.content = \"default-src 'self'; base-uri 'none'; object-src 'none'\";"
        "document.head.append(meta)"
    )
    crowd.ask("news/assistant", 90)
    browser.wait_for(lambda: paths(browser))
    renewed(browser)
    assert browser.complaints(of_plone=False) == []


# Where it cannot renew itself


def test_page_when_the_server_is_gone_says_so_and_goes_on_when_it_is_back(browser, page):
    """With the age of what it shows."""
    renewed(browser)
    browser.online(False)
    browser.wait_for(lambda: "The server does not answer." in live(browser))
    browser.wait_for(lambda: "The last update was" in live(browser))
    browser.screenshot("status-gone")
    browser.check_accessibility()
    browser.online()
    browser.wait_for(lambda: "Live." in live(browser))
    assert "The last update was" not in live(browser)


def test_page_when_the_user_is_logged_out_says_so_and_where_to_log_in(browser, page):
    """It does not show the form to log in as if it were the status."""
    renewed(browser)
    browser.driver.delete_all_cookies()
    browser.wait_for(lambda: "You are logged out" in live(browser))
    assert browser.all("#futures-part-held")
    browser.follow(".futures-live a[href*=login]")
    assert browser.find("#__ac_name")


def test_page_when_the_server_answers_with_an_error_says_so(browser, page):
    """Busy, say; the page keeps trying."""
    browser.driver.execute_script(
        "document.getElementById('futures-parts').dataset.refresh = '@@not-there'"
    )
    browser.wait_for(lambda: "The server refuses to answer" in live(browser))


def test_page_when_paused_stays_as_it_is(browser, page, crowd):
    """Until it is told to go on."""
    renewed(browser)
    browser.click("[data-pause]")
    assert "Not live." in live(browser)
    crowd.ask("news/assistant", 90)
    wait_until(lambda: crowd.holds())
    browser.wait_for(lambda: "was 4 s ago" in live(browser))
    assert paths(browser) == []
    browser.click("[data-pause]")
    browser.wait_for(lambda: paths(browser))


def test_page_when_its_tab_is_hidden_asks_for_nothing(browser, page, crowd):
    """Nobody looks."""
    renewed(browser)
    browser.hide()
    before = fetched(browser)
    crowd.ask("news/assistant", 90)
    wait_until(lambda: crowd.holds())
    time.sleep(5)
    assert fetched(browser) <= before + 1  # one was under way
    assert paths(browser) == []
    browser.hide(False)
    browser.wait_for(lambda: paths(browser))


# Cancelling


def test_hold_when_cancelled_ends_and_its_visitor_is_told(browser, page, crowd):
    """Asked for in the page, said in the page."""
    got = crowd.ask("shop/assistant", 90, "jane", SECRET)
    browser.click("[data-cancel]")
    dialog = browser.find("dialog")
    assert "/Plone/shop/assistant" in dialog.text
    browser.screenshot("status-cancel")
    browser.check_accessibility()
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.wait_for(lambda: not dialog.is_displayed())
    assert browser.driver.switch_to.active_element.text.startswith("Cancel")
    assert got == []

    browser.click("[data-cancel]")
    browser.click("dialog [type=submit]")
    browser.wait_for(lambda: "was cancelled" in browser.find("#futures-cancelled").text)
    browser.wait_for(lambda: got)
    assert got[0].status_code == 503
    assert paths(browser) == []
    assert "Cancelled" in browser.find("#futures-part-last").text


def test_page_without_javascript_shows_all_and_cancels(browser, page, crowd):
    """As of the moment in which it was asked for; it asks on a page of its own."""
    got = crowd.ask("shop/assistant", 90, "jane", SECRET)
    wait_until(lambda: crowd.holds())
    browser.javascript(False)
    browser.open(page)
    assert paths(browser) == ["/Plone/shop/assistant"]
    assert "Not live." in live(browser)
    assert not browser.all("[data-pause]")[0].is_displayed()
    browser.screenshot("status-plain")

    browser.follow("[data-cancel]")
    assert browser.find("h1").text == "Cancel this response?"
    assert "/Plone/shop/assistant" in browser.find("dl").text
    browser.screenshot("status-cancel-plain")
    browser.follow("form[action$=futures-cancel] [type=submit]")
    assert "The worker has been asked to cancel" in browser.find("#futures-cancelled").text
    wait_until(lambda: got)
    assert got[0].status_code == 503

    def told_after_a_reload():
        browser.follow("[data-reload]")
        return "This response was cancelled." in browser.find("#futures-cancelled").text

    browser.wait_for(told_after_a_reload)
