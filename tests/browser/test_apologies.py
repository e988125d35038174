"""What a person reads where a service did not answer, or the site cannot."""

from http.client import HTTPConnection
from processes import wait_until

#: A page of the demo whose service is late.
LATE = "/@@hold-timeout?catch=no"
#: One that is held; and the same whose service takes its time.
HELD = "/@@hold?seconds=0"
SLOW = "/@@hold?seconds=30"


def dark(browser, on):
    """Prefer dark pages, or light ones."""
    features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def text_colour(browser):
    return browser.driver.execute_script("return getComputedStyle(document.body).color")


def policy_violations(browser):
    return [one for one in browser.complaints() if "Content Security Policy" in one]


def test_page_of_a_late_service_says_so_and_tries_again(browser, site):
    """In the theme of the site, for everybody, on a phone too."""
    browser.open(site.site + LATE)
    assert browser.find("#content h1").text == "This page takes too long"
    assert browser.driver.title.startswith("This page takes too long")
    browser.check_accessibility()
    browser.screenshot("apology")
    browser.follow("#content a.btn")
    assert browser.find("#content h1").text == "This page takes too long"
    assert browser.driver.current_url == site.site + LATE
    browser.resize("phone")
    assert not browser.overflows()


def test_page_of_a_late_service_tells_managers_what_was_late(browser, site):
    """The future's name, and the traceback where it is asked for."""
    browser.log_in(site.site)
    browser.open(site.site + LATE)
    assert "gave no result within" in browser.find("#futures-error").text
    browser.click("#futures-error summary")
    browser.find("#futures-error pre")
    browser.check_accessibility()
    browser.screenshot("apology-manager")
    browser.resize("phone")
    assert not browser.overflows()


def test_page_when_the_site_is_busy_needs_nothing_of_it(browser, start_own):
    """No theme, no script; it is readable in the dark, and its own policy allows its style."""
    site = start_own(env={"WSGIFUTURES_MAX_HELD": "1", "WSGIFUTURES_MAX_HELD_PER_CLIENT": "1"})
    holder = HTTPConnection(site.root.removeprefix("http://"))
    holder.request("GET", "/Plone" + SLOW)
    wait_until(lambda: site.service.calls("hello"))  # a call starts once its response is held
    browser.open(site.site + HELD)
    assert browser.find("h1").text == browser.driver.title == "The site is busy"
    colours = set()
    for on in (False, True):
        dark(browser, on)
        browser.check_accessibility("body")
        browser.screenshot(f"apology-busy-{'dark' if on else 'light'}")
        colours.add(text_colour(browser))
    dark(browser, False)
    assert len(colours) == 2
    assert policy_violations(browser) == []
    browser.resize("phone")
    assert not browser.overflows()
    holder.close()
    wait_until(lambda: site.get(HELD[1:]).status_code == 200)
    browser.follow("a")
    browser.wait_for(lambda: browser.driver.title != "The site is busy")
    assert browser.driver.current_url == site.site + HELD


def test_page_of_a_late_service_is_in_the_language_of_the_site(browser, site_in):
    """Words of another length have to fit, too."""
    site = site_in("fi")
    browser.open(site.site + LATE)
    assert browser.find("#content h1").text == "Sivun lataaminen kestää liian kauan"
    browser.screenshot("apology-fi")
    browser.check_accessibility()
