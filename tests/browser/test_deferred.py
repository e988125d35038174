"""Deferred parts, as visitors see them: they come, fail, come again, and nothing jumps."""

from chromium import WIDTHS
from selenium.webdriver.common.keys import Keys

import pytest
import time

PAGE = "/@@hold-progressive"

#: What may move in a page while its parts come. Up to 0.1 is called good.
STILL = 0.002

_SHIFTS = """
window.shifts = 0;
let quiet = Infinity; // until then the fonts come, and lines break elsewhere
addEventListener("load", async () => { await document.fonts.ready; quiet = performance.now(); });
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) {
    if (shift.startTime > quiet) { window.shifts += shift.value; }
  }
}).observe({type: "layout-shift"});
"""


@pytest.fixture
def visitor(browser):
    """A browser that notes what moves in its pages, and may be cut off from their parts."""
    command = browser.driver.execute_cdp_cmd
    script = command("Page.addScriptToEvaluateOnNewDocument", {"source": _SHIFTS})
    yield browser
    command("Page.removeScriptToEvaluateOnNewDocument", script)
    cut_off(browser, False)


#: What each request of a page's scripts is answered with, and what was asked for.
_ANSWERED = """
window.asked = [];
window.fetch = async (address, options) => {
  window.asked.push([address, options]);
  return new Response("<p>Not the part</p>", {status: STATUS});
};
"""


@pytest.fixture
def answered(visitor):
    """Answer all parts with a status, in place of the site."""
    command, scripts = visitor.driver.execute_cdp_cmd, []

    def answered(status):
        source = _ANSWERED.replace("STATUS", str(status))
        script = command("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        scripts.append(script)

    yield answered
    for script in scripts:
        command("Page.removeScriptToEvaluateOnNewDocument", script)


def cut_off(browser, cut):
    """Let no part get through, or all of them again."""
    browser.driver.execute_cdp_cmd("Network.enable", {})
    blocked = ["*wsgifutures-part*"] if cut else []
    browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": blocked})


def parts(browser):
    """Return what the parts say now."""
    return [" ".join(part.text.split()) for part in browser.all(".wsgifutures-part")]


def busy(browser):
    return [one.get_attribute("aria-busy") for one in browser.all(".wsgifutures-part")]


def rest(browser):
    """Wait until no part is being fetched."""
    browser.wait_for(lambda: set(busy(browser)) == {"false"})


def said(browser):
    """Return what a screen reader says at the end."""
    (status,) = browser.all("[role=status].wsgifutures-status")
    return status.get_attribute("textContent")


def focused(browser):
    return browser.driver.switch_to.active_element


def test_parts_when_they_come_are_heard_of(visitor, site):
    """The page is there at once; its parts come when each has its result."""
    visitor.open(f"{site.site}{PAGE}?seconds=2")
    assert busy(visitor) == ["true", "true", "true"]
    assert parts(visitor) == ["Loading"] * 3
    visitor.screenshot("deferred-loading")
    visitor.wait_for(lambda: "after one call" in parts(visitor)[0])
    assert busy(visitor)[1] == "true"
    rest(visitor)
    assert "three times as long" in parts(visitor)[1]
    visitor.wait_for(lambda: "of 3 further parts of this page have loaded." in said(visitor))
    visitor.screenshot("deferred-there")
    visitor.check_accessibility()


@pytest.mark.parametrize("device", WIDTHS)
def test_page_when_its_parts_come_does_not_move(visitor, site, device):
    """Their places have the height that was kept free."""
    visitor.resize(device)
    visitor.open(f"{site.site}{PAGE}?seconds=1")
    rest(visitor)
    assert "after one call" in parts(visitor)[0]
    assert visitor.driver.execute_script("return window.shifts") < STILL
    assert not visitor.overflows()


def test_page_with_a_strict_policy_has_its_parts(visitor, site):
    """Nothing of them is refused: no script in the page, no style in an element."""
    visitor.complaints()
    visitor.open(f"{site.site}{PAGE}?seconds=0&policy=strict")
    rest(visitor)
    assert "after one call" in parts(visitor)[0]
    refused = [one for one in visitor.complaints() if "Content Security Policy" in one]
    assert refused  # Plone's own bundle puts styles into the page
    assert [one for one in refused if "/bundle-plone/" not in one] == []


def test_part_when_it_fails_says_so_and_can_be_tried_again(visitor, site):
    """By the keyboard: the button keeps the focus while it fails, the part has it then."""
    cut_off(visitor, True)
    visitor.open(f"{site.site}{PAGE}?seconds=0")
    rest(visitor)
    assert parts(visitor) == ["This part of the page could not be loaded. Try again"] * 3
    visitor.wait_for(lambda: said(visitor) == "A part of this page could not be loaded.")
    visitor.screenshot("deferred-failed")
    visitor.check_accessibility()

    button = visitor.find(".wsgifutures-part button")
    button.send_keys(Keys.ENTER)
    rest(visitor)
    assert focused(visitor) == button
    assert button.get_attribute("aria-disabled") is None

    cut_off(visitor, False)
    button.send_keys(Keys.ENTER)
    visitor.wait_for(lambda: "after one call" in parts(visitor)[0])
    assert focused(visitor) == visitor.all(".wsgifutures-part")[0]
    visitor.wait_for(lambda: said(visitor) == "1 of 3 further parts of this page have loaded.")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (403, "This page is out of date. Load the page again"),
        (404, "This page is out of date. Load the page again"),
        (410, "This page is out of date. Load the page again"),
        (500, "This part of the page could not be loaded. Try again"),
        (503, "This part of the page could not be loaded. Try again"),
        (504, "This part of the page could not be loaded. Try again"),
    ],
)
def test_part_that_was_not_given_says_what_can_be_done(visitor, site, answered, status, says):
    """Whoever may not have it, or has a page that was kept for too long, loads the page again."""
    answered(status)
    visitor.open(f"{site.site}{PAGE}?seconds=0")
    rest(visitor)
    assert parts(visitor) == [says] * 3
    visitor.wait_for(lambda: said(visitor) == "A part of this page could not be loaded.")
    asked = visitor.driver.execute_script("return window.asked")
    assert len(asked) == 3
    assert all(how == {"credentials": "same-origin", "redirect": "error"} for _, how in asked)


def test_part_whose_service_failed_comes_when_it_is_tried_again(visitor, site):
    """The demo's moody service fails every other time."""
    for _ in range(2):
        visitor.open(f"{site.site}{PAGE}?seconds=0")
        rest(visitor)
        if "Try again" in parts(visitor)[2]:
            break
    assert "Try again" in parts(visitor)[2]
    visitor.click(".wsgifutures-part button")
    visitor.wait_for(lambda: "this time the call succeeded" in parts(visitor)[2])


def test_part_of_a_user_who_is_not_logged_in_any_more_offers_the_page_again(visitor, site):
    """It does not try again what cannot be had."""
    visitor.log_in(site.site)
    visitor.open(f"{site.site}{PAGE}?seconds=0")
    rest(visitor)
    assert "after one call" in parts(visitor)[0]
    assert len(visitor.all("#protect-script")) == 1  # plone.protect puts one into each answer
    cut_off(visitor, True)
    visitor.open(f"{site.site}{PAGE}?seconds=0")
    rest(visitor)
    visitor.driver.delete_all_cookies()
    cut_off(visitor, False)
    visitor.click(".wsgifutures-part button")
    visitor.wait_for(lambda: "This page is out of date." in parts(visitor)[0])
    visitor.screenshot("deferred-out-of-date")
    visitor.check_accessibility()
    visitor.follow(".wsgifutures-part a")
    visitor.wait_for(lambda: "wsgifutures-wait=1" in visitor.driver.current_url)
    assert visitor.find(".futures-later h3").text == "A quick part"


def test_page_without_javascript_has_a_link_to_the_whole_page(visitor, site):
    """Which waits for its parts."""
    visitor.javascript(False)
    visitor.open(f"{site.site}{PAGE}?seconds=0")
    assert parts(visitor) == ["Show the whole page"] * 3
    visitor.screenshot("deferred-no-javascript")
    visitor.follow(".wsgifutures-part a")
    assert "after one call" in visitor.find(".futures-later").text
    assert visitor.all(".wsgifutures-part") == []


def test_parts_when_the_worker_is_busy_come_later(visitor, start_own):
    """503 with Retry-After: the browser waits for so long, and asks again."""
    site = start_own(env={"WSGIFUTURES_MAX_HELD_PER_CLIENT": "1"})
    visitor.open(f"{site.site}{PAGE}?seconds=1")
    began = time.monotonic()
    rest(visitor)
    assert time.monotonic() - began > 3
    assert "after one call" in parts(visitor)[0]
    assert "three times as long" in parts(visitor)[1]
