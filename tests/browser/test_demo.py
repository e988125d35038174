"""The demo, as its visitors see it."""

from demo import waited

import pytest

PARTS = 10

#: What ten calls of a second each take one after the other, in seconds.
ONE_BY_ONE = 10

#: What 200 requests of a second each take at least where four are published at a time.
FOUR_AT_A_TIME = 50


def test_demo_when_opened_can_be_read_by_everybody(browser, site):
    """Its start page is whole, for each width and for those who cannot see it."""
    browser.open(site.site + "/@@futures-demo")
    assert browser.find("h1").text == "Held responses"
    browser.screenshot("demo")
    browser.check_accessibility()
    assert browser.complaints() == []


@pytest.mark.parametrize(
    ("page", "title"),
    [("futures-status", "Live status"), ("wsgifutures-controlpanel", "Held responses")],
)
def test_demo_leads_an_administrator_to_site_setup(browser, start_own, page, title):
    """To who waits now, and to the settings."""
    own = start_own()
    browser.log_in(own.site)
    browser.open(own.site + "/@@futures-demo")
    browser.follow(f"#content a[href$='@@{page}']")
    assert browser.find("#content h1").text == title


def test_demo_when_200_held_requests_come_in_shows_their_answers(browser, site):
    """They are answered long before a server of four threads could; nobody else waits as long."""
    browser.open(site.site + "/@@futures-demo")
    held = "figure[data-page=held]"
    browser.wait_for(lambda: browser.find(f"{held} button").is_enabled())
    browser.click(f"{held} button")
    browser.wait_for(lambda: len(browser.all(f"{held} .answered")) > 20)
    browser.screenshot("demo-200-coming-in")
    browser.wait_for(
        lambda: browser.find(f"{held} .futures-state").text == "200 of 200 answered",
        seconds=FOUR_AT_A_TIME,
    )
    browser.screenshot("demo-200")
    assert len(browser.all(f"{held} .answered")) == 200
    facts = browser.find(f"{held} dl").text.splitlines()
    first, last = facts[facts.index("Answers after") + 1].removesuffix(" s").split(" s to ")
    assert 1 <= float(first) <= float(last) < FOUR_AT_A_TIME
    visitor = facts[facts.index("Another visitor waited at most") + 1].removesuffix(" s")
    assert float(visitor) < ONE_BY_ONE
    browser.check_accessibility()
    assert browser.complaints() == []


def test_parts_when_ten_ask_for_a_second_each_come_after_one_wait(browser, site):
    """A visitor of a page of ten slow viewlets waits for one of them."""
    browser.open(site.site + "/@@hold-parts?seconds=1")
    assert len(browser.all(".futures-part")) == PARTS
    assert browser.find(".futures-part:first-child").text.splitlines() == [
        "Weather",
        "14 °C, light rain until noon",
    ]
    assert 1 <= waited(browser) < ONE_BY_ONE / 2
    browser.screenshot("parts")
    browser.check_accessibility()
    assert browser.complaints() == []
    assert site.get("@@hold-parts", seconds=0).headers["X-Hold-Passes"] == "2"


@pytest.mark.parametrize(
    "page",
    ["hold", "hold-many", "hold-blocking", "hold-submit-only", "hold-error", "hold-timeout"],
)
def test_page_of_the_demo_when_opened_can_be_read_by_everybody(browser, site, page):
    browser.open(f"{site.site}/@@{page}")
    assert waited(browser) >= 0
    browser.screenshot(page)
    browser.check_accessibility()
    assert browser.complaints() == []


def test_form_of_the_demo_when_sent_writes_once(browser, start_own):
    """Two passes, one write, as the person at the form sees it."""
    own = start_own()
    browser.log_in(own.site)
    browser.open(own.site + "/@@hold-write")
    assert browser.find("#counter").text == "0"
    browser.follow("#content form button")
    browser.wait_for(lambda: browser.find("#counter").text == "1")
    browser.screenshot("hold-write")
    browser.check_accessibility()
    browser.open(own.site + "/@@hold-write")
    assert browser.find("#counter").text == "1"
