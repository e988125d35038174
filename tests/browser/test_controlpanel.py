"""The control panel, as the person sees it who sets up a site."""

from demo import waited

PANEL = "/@@wsgifutures-controlpanel"

#: One of the demo's pages: five calls, each of so many seconds.
MANY = "/@@hold-many?n=5&seconds=0.6"
ONE_BY_ONE = 3


def field(name):
    return f"#form-widgets-{name}"


def save(browser):
    """Save, and wait for the page that comes."""
    browser.driver.execute_script("document.documentElement.dataset.old = 1")
    browser.follow("#form-buttons-save")
    browser.wait_for(lambda: not browser.all("html[data-old]"))


def passes(browser, url):
    """Return how many passes the response took that the browser gets at *url*."""
    return browser.driver.execute_async_script(
        "const done = arguments[1];"
        "fetch(arguments[0]).then(answer => done(answer.headers.get('X-Hold-Passes')))",
        url,
    )


def times(browser):
    """Return the names in the Server-Timing of the page that the browser shows."""
    return browser.driver.execute_script(
        "return performance.getEntriesByType('navigation')[0].serverTiming.map(one => one.name)"
    )


def test_control_panel_when_opened_can_be_read_by_everybody(browser, site):
    browser.log_in(site.site)
    browser.open(site.site + PANEL)
    browser.screenshot("controlpanel")
    browser.check_accessibility()
    assert browser.complaints() == []


def test_hold_when_switched_off_makes_calls_in_their_pages_one_by_one(browser, start_own):
    """It acts at once, for everybody, and is switched on again in the same way."""
    site = start_own()
    browser.log_in(site.site)
    for on in (True, False, True):
        browser.open(site.site + PANEL)
        switch = browser.find(field("enabled-0"))
        if switch.is_selected() != on:
            switch.click()
            save(browser)
            assert browser.find(".portalMessage, [role=status]").text.endswith("Changes saved.")
            browser.screenshot(f"controlpanel-{'on' if on else 'off'}")
            assert browser.find(field("enabled-0")).is_selected() == on
        browser.open(site.site + MANY)
        assert (waited(browser) < ONE_BY_ONE) == on
        assert passes(browser, site.site + MANY) == ("2" if on else "1")


def test_times_when_switched_on_are_for_who_may_see_them(browser, start_own):
    """The browser's own tools get them for a Manager, a visitor gets none."""
    site = start_own()
    browser.log_in(site.site)
    browser.open(site.site + "/@@hold?seconds=0.1")
    assert times(browser) == []
    browser.open(site.site + PANEL)
    browser.click(field("server_timing-0"))
    save(browser)
    browser.open(site.site + "/@@hold?seconds=0.1")
    assert "slow" in " ".join(times(browser))
    browser.forget()
    browser.open(site.site + "/@@hold?seconds=0.1")
    assert times(browser) == []


def test_wrong_values_when_saved_are_refused_and_nothing_is_lost(browser, site):
    """Each with what is allowed, at its field; what was typed stays, and nothing is saved."""
    typed = {
        "timeout": "20",
        "deadline": "-5",
        "max_passes": "many",
        "upstream_limits": "town.total = never",
    }
    browser.log_in(site.site)
    browser.open(site.site + PANEL)
    for name, text in typed.items():
        browser.fill(field(name), text)
    save(browser)
    browser.screenshot("controlpanel-refused")
    browser.check_accessibility()
    said = {name: error(browser, name) for name in typed}
    assert said["timeout"] == ""
    assert said["deadline"] == "This setting takes a number of seconds above 0, or nothing."
    assert said["max_passes"] == "This setting takes a whole number, 1 or more, or nothing."
    assert said["upstream_limits"].startswith("“town.total = never”: total takes ")
    assert {name: browser.find(field(name)).get_attribute("value") for name in typed} == typed
    browser.open(site.site + PANEL)
    assert {browser.find(field(name)).get_attribute("value") for name in typed} == {""}


def error(browser, name):
    """Return what the form says of the value in a field."""
    found = browser.all(f"#formfield-form-widgets-{name} .invalid-feedback")
    return " ".join(one.text for one in found)
