"""Site Setup > Workers elsewhere, and what the live status shows of them, in a browser."""

from outside import Outside
from sites import speak
from status_site import start_status_site

import pytest

PANEL = "/@@wsgifutures-workers"
LINK = f"#content a[href$='{PANEL}']:not(.dropdown-item)"
INLINE = "#content [style], #content style, #content script, #content [onclick]"


@pytest.fixture
def panel(browser, running):
    """The panel, opened by a Manager; return its address."""
    browser.log_in(running.site)
    browser.complaints()  # those of other pages
    browser.open(running.site + PANEL)
    return running.site + PANEL


def card(browser, worker):
    """Return the card of a worker, once it is there."""
    return browser.find(f"[id='worker-{worker.id}']")


def inside(worker, css):
    """Return the selector of what is in the card of a worker."""
    return f"[id='worker-{worker.id}'] {css}"


def messages(browser):
    return " ".join(one.text for one in browser.all(".portalMessage, .alert"))


def wait_for_message(browser, text):
    browser.wait_for(lambda: text in messages(browser))


def approve(browser, worker):
    browser.follow(inside(worker, "button[value^=approve]"))
    wait_for_message(browser, "The worker is approved.")


def has_told(browser, worker, claim):
    """Tell how far a worker is, which is kept every few seconds; tell whether the page shows it."""
    assert worker.tell(claim, 0.4) == 200
    return "40 %" in browser.find("#futures-part-elsewhere").text


def check(browser, name):
    """Look at the page: for everybody, on a phone, without what a strict policy forbids."""
    browser.check_accessibility()
    browser.screenshot(name)
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")
    assert browser.all(INLINE) == []


def test_panel_without_workers_says_how_to_add_one(browser, panel, running):
    """Reached from Site Setup."""
    browser.open(f"{running.site}/@@overview-controlpanel")
    browser.follow(LINK)
    assert browser.find("h1").text == "Workers elsewhere"
    assert "No worker has introduced itself yet." in messages(browser)
    command = f"wsgifutures-worker init --url {running.site} --queues film,scans"
    assert command in browser.find("#wsgifutures-workers-add pre").text
    check(browser, "workers-none")
    assert browser.complaints() == []


def test_a_worker_is_approved_does_jobs_and_is_withdrawn(browser, panel, running):
    """Its fingerprint is what an administrator compares."""
    worker = Outside(running.site, "scanner on host7").introduce("scans", "own")
    Outside(running.site, "film on gpu2.example.com with a rather long name").introduce("film")
    browser.open(panel)
    assert worker.fingerprint in card(browser, worker).text
    check(browser, "workers-pending")

    approve(browser, worker)
    job, *_ = running.submit("scan", number=3)
    claim = worker.claim()
    assert (claim.job, claim.queue) == (job, "scans")
    browser.open(panel)
    assert job in card(browser, worker).text
    browser.click(inside(worker, "summary"))
    assert not browser.find(f"[id='worker-{worker.id}'] input[value=film]").is_selected()
    check(browser, "workers")

    browser.open(f"{running.site}/@@futures-jobs")
    browser.wait_for(lambda: job in browser.find("#futures-part-elsewhere").text)
    browser.wait_for(lambda: has_told(browser, worker, claim))
    assert "scanner on host7" in browser.find("#futures-part-elsewhere").text
    check(browser, "status-elsewhere")

    browser.open(panel)
    browser.follow(inside(worker, "a.btn-outline-danger"))
    assert browser.find("h1").text == "Withdraw this worker?"
    assert "Jobs that run there now: 1." in messages(browser)
    check(browser, "workers-withdraw")
    browser.follow("form[action$=workers-act] button")
    wait_for_message(browser, "The worker is withdrawn.")
    assert worker.tell(claim, 0.5) == 401
    assert browser.all(f"#wsgifutures-workers-withdrawn [id='worker-{worker.id}']")
    assert browser.complaints() == []


def test_the_key_is_changed_after_a_question(browser, panel, running):
    """The page shows both then."""
    before = len(browser.all("#wsgifutures-workers-keys dl > div"))
    browser.follow("#wsgifutures-workers-keys .btn-outline-primary")
    assert browser.find("h1").text == "Change the key now?"
    check(browser, "workers-rotate")
    browser.follow("form[action$=workers-act] button")
    wait_for_message(browser, "A new key signs from now on.")
    assert len(browser.all("#wsgifutures-workers-keys dl > div")) == before + 1
    assert browser.complaints() == []


def test_panel_without_javascript_does_the_same(browser, panel, running):
    """Approved, other queues, forgotten."""
    worker = Outside(running.site, "plain").introduce("scans")
    browser.javascript(False)
    browser.open(panel)
    approve(browser, worker)
    browser.click(inside(worker, "summary"))
    browser.fill(f"[id='others-{worker.id}']", "night, weekend")
    browser.follow(inside(worker, "button[value^=approve]"))
    browser.wait_for(lambda: "night weekend" in card(browser, worker).text)
    browser.follow(inside(worker, "a.btn-outline-danger"))
    browser.follow("form[action$=workers-act] button")
    wait_for_message(browser, "The worker is withdrawn.")
    browser.follow(inside(worker, "a.btn-outline-danger"))
    browser.follow("form[action$=workers-act] button")
    wait_for_message(browser, "The worker is forgotten.")
    assert not browser.all(f"[id='worker-{worker.id}']")


@pytest.mark.parametrize("language", ["de", "fi"])
def test_panel_and_status_are_translated(browser, demo_instance, tmp_path, language):
    """And fit on a phone."""
    instance = speak(demo_instance, tmp_path / "template", language)
    site = start_status_site(instance, tmp_path / "instance")
    try:
        browser.log_in(site.site)
        one = Outside(site.site, "scanner on host7").introduce("scans")
        Outside(site.site, "film on gpu2").introduce("film")
        browser.open(site.site + PANEL)
        browser.follow(inside(one, "button[value^=approve]"))
        title = {"de": "Externe Worker", "fi": "Ulkoiset suorittajat"}[language]
        assert browser.find("h1").text == title
        site.submit("scan", number=2)
        assert one.claim()
        browser.open(site.site + PANEL)
        check(browser, f"workers-{language}")
        browser.open(f"{site.site}/@@futures-jobs")
        browser.wait_for(lambda: "scanner" in browser.find("#futures-part-elsewhere").text)
        check(browser, f"status-elsewhere-{language}")
    finally:
        site.stop()
