"""The tab for jobs of the live status, as an operator sees it."""

from sites import speak
from status_site import start_status_site

import pytest


@pytest.fixture
def page(browser, running):
    """The tab, opened by a Manager; return its address."""
    address = f"{running.site}/@@futures-jobs"
    browser.log_in(running.site)
    browser.complaints()  # those of other pages
    browser.open(address)
    return address


def row(browser, section, text):
    """Return the row of a section that has *text*, once it is there."""

    def find():
        rows = browser.all(f"#futures-part-{section} tbody tr")
        return next((row for row in rows if text in row.text), None)

    return browser.wait_for(find)


def messages(browser):
    return " ".join(one.text for one in browser.all(".portalMessage, .alert"))


def press(browser, section, text, button):
    """Press a button in the row that has *text*."""
    browser.wait_for(lambda: _press(browser, section, text, button))


def _press(browser, section, text, button):
    for one in row(browser, section, text).find_elements("css selector", ".btn"):
        if one.text.startswith(button):
            browser.follow_to(one)
            return True
    return False


def test_tab_when_nothing_runs_is_quiet_and_live(browser, page):
    """Reached from the other tab."""
    browser.open(page.replace("jobs", "status"))
    browser.follow(".futures-tabs a[href$=futures-jobs]")
    browser.wait_for(lambda: "Live." in browser.find(".futures-live").text)
    assert "No job is out of attempts." in browser.find("#futures-part-dead").text
    browser.check_accessibility()
    browser.screenshot("status-jobs-quiet")
    assert not browser.overflows()
    assert browser.complaints() == []


def test_jobs_appear_while_the_tab_is_open_and_are_handled(browser, page, running):
    """What runs, waits and is dead; retried, discarded, cancelled, paused."""
    running.submit("import", number=4)
    long, *_ = running.submit("report", number=3, seconds=50)
    running.submit("newsletter", number=2, delay=3600)
    row(browser, "running", long)
    row(browser, "dead", "Import orders")
    row(browser, "queues", "mail")
    browser.wait_for(lambda: len(browser.all("#futures-part-dead tbody tr")) == 4)
    press(browser, "queues", "mail", "Pause")
    browser.wait_for(lambda: "The queue is paused." in messages(browser))
    assert "paused for" in row(browser, "queues", "mail").text
    browser.check_accessibility()
    browser.screenshot("status-jobs")
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")
    press(browser, "queues", "mail", "Resume")
    browser.wait_for(lambda: "The queue is no longer paused." in messages(browser))

    press(browser, "running", long, "Cancel")
    assert browser.find("h1").text == "Cancel this job?"
    browser.follow("form[action$=jobs-act] button")
    browser.wait_for(lambda: "asked to end" in messages(browser))
    browser.wait_for(lambda: long not in browser.find("#futures-part-running").text)

    browser.follow("#futures-part-dead tbody a")
    assert "LookupError: The order 4711 has no customer." in browser.find("dl").text
    browser.click("details summary")
    browser.check_accessibility()
    browser.screenshot("status-job")
    browser.follow("form[action$=jobs-act] .btn-danger")
    browser.wait_for(lambda: "The job is discarded." in messages(browser))

    browser.follow(".futures-kinds .btn-outline-danger")
    assert browser.find("h1").text == "Discard all of these dead jobs?"
    browser.check_accessibility()
    browser.screenshot("status-jobs-discard-all")
    browser.follow("form[action$=jobs-act] .btn-danger")
    browser.wait_for(lambda: "Jobs that are discarded: 3." in messages(browser))
    assert "No job is out of attempts." in browser.find("#futures-part-dead").text
    assert browser.complaints() == []


def test_tab_without_javascript_shows_all_and_retries(browser, page, running):
    """As of the moment in which it was asked for."""
    (job,) = running.submit("import")
    row(browser, "dead", job)
    browser.javascript(False)
    browser.open(page)
    assert "Not live." in browser.find(".futures-live").text
    browser.screenshot("status-jobs-plain")
    press(browser, "dead", job, "Retry")
    assert "The job waits again." in messages(browser)


@pytest.mark.parametrize("language", ["de", "fi"])
def test_tab_is_translated(browser, demo_instance, tmp_path, language):
    """And fits on a phone."""
    instance = speak(demo_instance, tmp_path / "template", language)
    site = start_status_site(instance, tmp_path / "instance")
    try:
        site.submit("import", number=2)
        site.submit("newsletter", delay=3600)
        browser.log_in(site.site)
        browser.open(f"{site.site}/@@futures-jobs")
        tab = {"de": "Aufträge", "fi": "Työt"}[language]
        assert browser.find(".futures-tabs [aria-current=page]").text == tab
        row(browser, "dead", "Import orders")
        row(browser, "queues", "mail")
        browser.screenshot(f"status-jobs-{language}")
        browser.resize("phone")
        assert not browser.overflows()
    finally:
        site.stop()
