"""Site Setup > Timed work, in a browser."""

from sites import speak
from status_site import start_status_site

import pytest

PANEL = "/@@wsgifutures-clock"
LINK = f"#content a[href$='{PANEL}']:not(.dropdown-item)"
WORK = "#work-newsletter"


def check(browser, name):
    """Look at the page: for everybody, on a phone."""
    browser.check_accessibility()
    browser.screenshot(name)
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")


def reads(browser, text):
    """Open the page again; tell whether the work says *text*."""
    browser.driver.refresh()
    return text in browser.find(WORK).text


@pytest.mark.parametrize("javascript", [True, False])
def test_work_is_run_paused_and_resumed(browser, running, javascript):
    """Reached from Site Setup; also without JavaScript."""
    browser.log_in(running.site)
    browser.complaints()  # those of other pages
    browser.javascript(javascript)
    browser.open(f"{running.site}/@@overview-controlpanel")
    browser.follow(LINK)
    assert browser.find("h1").text == "Timed work"
    assert "every Monday at 08:00, Europe/Helsinki" in browser.find(WORK).text
    assert "It cannot be done." in browser.find("#work-old-orders").text
    browser.follow(f"{WORK} [value^=run]")
    browser.wait_for(lambda: reads(browser, "Done"))
    browser.follow(f"{WORK} [value^=pause]")
    assert "paused since" in browser.find(WORK).text
    if javascript:  # which the checks need
        check(browser, "clock")
    browser.follow(f"{WORK} [value^=resume]")
    assert "paused since" not in browser.find(WORK).text
    assert browser.complaints() == []


@pytest.mark.parametrize("language", ["de", "fi"])
def test_the_page_is_translated(browser, demo_instance, tmp_path, language):
    """And fits on a phone."""
    instance = speak(demo_instance, tmp_path / "template", language)
    site = start_status_site(instance, tmp_path / "instance")
    try:
        browser.log_in(site.site)
        browser.open(site.site + PANEL)
        title = {"de": "Zeitgesteuerte Arbeit", "fi": "Ajastetut työt"}[language]
        assert browser.find("h1").text == title
        check(browser, f"clock-{language}")
        browser.follow("#wsgifutures-clock-add")
        save(browser, name="x", cron="x")
        check(browser, f"clock-form-{language}")
    finally:
        site.stop()


def save(browser, **fields):
    """Fill in the form and send it."""
    for name, value in fields.items():
        browser.fill(f"#field-{name}", value)
    browser.follow("#content form [type=submit]")


@pytest.mark.parametrize("javascript", [True, False])
def test_work_is_added_changed_and_removed(browser, running, javascript):
    """A wrong expression is refused with an example, and what was typed stays."""
    browser.log_in(running.site)
    browser.complaints()
    browser.javascript(javascript)
    browser.open(running.site + PANEL)
    browser.follow("#wsgifutures-clock-add")
    save(browser, name="letters", cron="at night", timezone="Europe/Helsinki")
    assert "0 3 * * * is every day at 03:00" in browser.find("#error-cron").text
    assert browser.find("#field-name").get_attribute("value") == "letters"
    if javascript:
        check(browser, "clock-form")
    save(browser, cron="30 6 * * *")
    assert "every day at 06:30, Europe/Helsinki" in browser.find("#work-letters").text
    browser.follow("#work-letters a[href*=edit]")
    save(browser, timeout="90")
    assert "Saved" in browser.find(".portalMessage").text
    browser.follow("#work-letters a[href*=remove]")
    assert browser.find("h1").text == "Remove this timed work?"
    if javascript:
        check(browser, "clock-remove")
    browser.follow("#content form [type=submit]")
    assert not browser.all("#work-letters")
    assert browser.complaints() == []
