"""Jobs, as the people see them who submit them: the page that follows one, and "My jobs"."""

from sites import change

import pytest

SHELVES = 15

#: Jobs of the administrator in each state that stays, made while no server runs.
JOBS = """
from AccessControl.SecurityManagement import newSecurityManager
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.store import find_store
from wsgifutures_demo.tasks import export
import time

newSecurityManager(None, app.acl_users.getUser("admin").__of__(app.acl_users))
dead, cancelled, later = [export.submit(app.Plone, 0.2) for _ in range(3)]
store, now = find_store(app._p_jar), time.time()
trace = "Traceback (most recent call last):\\n  File \\"tasks.py\\", line 21, in export\\n" * 5
desk.bury(store, dead, now, "HTTPError: 503 Service Unavailable for url: /slow?seconds=1", trace)
desk.cancel(cancelled, now)
later.claim("a runner that ended", now)
later.attempt = 2
later.again(now, now + 86400, "HTTPError: 503 Service Unavailable", trace)
store.line_up(later)
"""


@pytest.fixture(scope="module")
def jobs_instance(demo_instance, tmp_path_factory):
    """An instance with jobs of the administrator."""
    folder = tmp_path_factory.mktemp("jobs") / "template"
    return change(demo_instance, folder, *JOBS.strip().splitlines())


@pytest.fixture
def export(browser, site):
    """Submit the demo's export, as the administrator."""
    browser.log_in(site.site)
    browser.complaints()

    def submit(seconds):
        browser.open(f"{site.site}/@@job-export?seconds={seconds}")
        browser.follow("#content form button")
        browser.find("#wsgifutures-job")

    return submit


def state(browser):
    """Return in which state the page says that the job is."""
    return browser.find("[data-part=state] .h4").text


def fetched(browser):
    """Return how often the page has asked for what is new."""
    return browser.fetched("wsgifutures-job-data")


def shelves(browser):
    return len(browser.all(".futures-answers li"))


# Following


def test_an_editor_who_starts_a_long_export_sees_it_move_and_is_led_to_the_result(browser, site):
    """From the demo's start page on; the page asks once for each change."""
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@futures-demo")
    browser.follow("#content a[href*='@@job-export']")
    browser.check_accessibility()
    browser.complaints()
    browser.follow("#content form button")
    assert browser.find("h1").text == "Export the catalogue"
    browser.wait_for(lambda: state(browser) == "In progress")
    seen = set()

    def moves():
        bar = browser.find("progress").get_attribute("value")
        seen.add(bar)
        return len(seen - {None}) >= 2

    browser.wait_for(moves)
    assert "of 15 shelves" in browser.find("#wsgifutures-how-far").text
    browser.check_accessibility()
    browser.screenshot("job-running")
    assert fetched(browser) <= len(seen) + 3
    browser.driver.execute_script(  # time to look at the end
        "document.getElementById('wsgifutures-job').dataset.reading = 15"
    )
    browser.wait_for(lambda: state(browser) == "Done")
    assert browser.find(".wsgifutures-result").text == "15 shelves"
    browser.check_accessibility()
    browser.screenshot("job-done")
    browser.wait_for(lambda: browser.driver.current_url.endswith("/@@job-exported"))
    assert shelves(browser) == SHELVES
    assert browser.complaints() == []
    browser.driver.back()  # not to the page that would lead on again
    assert "@@job-export?" in browser.driver.current_url


def test_who_wants_to_stay_on_the_page_of_a_job_that_is_done_stays(browser, export):
    """Also if it was done before the page was there."""
    export(0)
    browser.click("[data-stay]")
    address = browser.driver.current_url
    browser.driver.execute_async_script("setTimeout(arguments[0], 6000)")
    assert browser.driver.current_url == address
    browser.follow("[data-part=end] .btn")
    assert shelves(browser) == SHELVES


def test_the_page_leads_to_the_result_without_javascript(browser, export):
    """It loads itself anew."""
    browser.javascript(False)
    export(0.3)
    assert browser.all("progress, [data-part=state]")
    browser.screenshot("job-without-javascript")
    browser.wait_for(lambda: browser.driver.current_url.endswith("/@@job-exported"))
    assert shelves(browser) == SHELVES


def test_a_job_is_cancelled_from_its_page(browser, export):
    """While it runs; the page stays, and says so."""
    export(5)
    browser.wait_for(lambda: state(browser) == "In progress")
    browser.click("[data-part=actions] button")
    browser.wait_for(lambda: state(browser) == "Cancelled")
    assert "job-exported" not in browser.driver.current_url
    browser.check_accessibility()
    browser.screenshot("job-cancelled")


def test_the_focus_stays_on_a_button_while_the_page_renews_itself(browser, export):
    """Somebody is about to press it."""
    export(2)
    browser.wait_for(lambda: state(browser) == "In progress")
    button = browser.find("[data-part=actions] button")
    browser.driver.execute_script("arguments[0].focus()", button)
    before = fetched(browser)
    browser.wait_for(lambda: fetched(browser) > before)
    assert browser.driver.switch_to.active_element == button
    button.click()


def test_the_page_says_if_the_server_is_gone_and_goes_on_when_it_is_back(browser, export):
    """Without a reload."""
    export(1)
    browser.wait_for(lambda: state(browser) == "In progress")
    browser.online(False)
    browser.wait_for(lambda: browser.find("[data-trouble=gone]"), 60)
    browser.check_accessibility()
    browser.online()
    browser.wait_for(lambda: browser.driver.current_url.endswith("/@@job-exported"), 60)


def test_the_page_says_if_the_user_is_logged_out(browser, export):
    """It does not go on to ask."""
    export(3)
    browser.wait_for(lambda: state(browser) == "In progress")
    browser.driver.delete_all_cookies()
    browser.wait_for(lambda: browser.find("[data-trouble=out]"), 60)
    before = fetched(browser)
    browser.driver.execute_async_script("setTimeout(arguments[0], 3000)")
    assert fetched(browser) == before


# What stays


def test_my_jobs_are_in_the_user_menu_and_lead_to_a_dead_one(browser, start_own, jobs_instance):
    """With the reason, the traceback for who manages jobs, and another try."""
    own = start_own(jobs_instance)
    browser.log_in(own.site)
    browser.complaints()
    browser.open(f"{own.site}/@@futures-demo")
    (link,) = browser.all("a[href$='@@wsgifutures-my-jobs']")
    browser.open(link.get_attribute("href"))
    states = [one.text for one in browser.all(".wsgifutures-badge")]
    assert sorted(states) == ["Cancelled", "Failed", "Waiting for another attempt"]
    browser.check_accessibility()
    browser.screenshot("my-jobs")
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")
    row = next(i for i, one in enumerate(states) if one == "Failed")
    browser.follow_to(browser.all("#wsgifutures-my-jobs tbody th a")[row])
    assert "503 Service Unavailable" in browser.find("[data-part=end] .alert").text
    browser.click("summary")
    browser.check_accessibility()
    browser.screenshot("job-dead")
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")
    browser.click("[data-part=actions] button")
    browser.wait_for(lambda: browser.driver.current_url.endswith("/@@job-exported"))
    assert browser.complaints() == []


@pytest.mark.parametrize("language", ["de", "fi"])
def test_the_pages_are_in_the_language_of_the_site(browser, site_in, language):
    """As a person of that language reads them."""
    site = site_in(language)
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@job-export?seconds=1")
    browser.follow("#content form button")
    running = {"de": "In Arbeit", "fi": "Käynnissä"}[language]
    browser.wait_for(lambda: state(browser) == running)
    browser.check_accessibility()
    browser.screenshot(f"job-{language}")
    assert not browser.overflows()
    browser.open(f"{site.site}/@@wsgifutures-my-jobs")
    assert browser.find("h1").text == {"de": "Meine Aufträge", "fi": "Omat työt"}[language]
    browser.screenshot(f"my-jobs-{language}")
