"""Site Setup > Timed work: what it shows, to whom, and what its buttons do."""

from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.clock import acts
from holdsite import ADMIN
from jobsite import OWNER
from jobsite import prepare
from lxml.html import fromstring
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from statustabs import told
from urllib.parse import urlencode
from zope.component.hooks import setSite

import pytest
import transaction

PAGE = "@@wsgifutures-clock"
ACT = "@@wsgifutures-clock-act"

ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="nightly" cron="0 3 * * *" task="tests.panel.nightly" timezone="Europe/Helsinki"
    arguments='{"word": "h1dden"}' missed="once" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="a&lt;b" cron="*/7 * * * *" task="tests.panel.nosuch" run_as="gone" />
""".replace("a&lt;b", "broken")

done = []


@task(name="tests.panel.nightly", title="<b>Report</b>")
def nightly(context, word):
    done.append(word)


@pytest.fixture
def panel(site):
    """The site with timed work; ask for a view of the control panel."""
    done.clear()
    prepare(site)
    site.zcml(ZCML)
    return lambda path=PAGE, user=ADMIN, **query: site.get(path, query=query, user=user)


@pytest.fixture
def press(site, panel):
    """Press a button, with the token of the page."""

    def send(what, user=SITE_ADMIN, token=True):
        (found, *_) = fromstring(panel(user=user).body).cssselect("[name=_authenticator]")
        fields = {"what": what, **({"_authenticator": found.get("value")} if token else {})}
        kind = "application/x-www-form-urlencoded"
        answer = site.request("POST", ACT, body=urlencode(fields).encode(), kind=kind, user=user)
        site.sync()
        setSite(site.portal)
        return answer

    return send


def message_after(site, answer):
    """Return the message of the page that *answer* leads to."""
    assert (answer.status, answer.headers["location"]) == (302, f"http://nohost/plone/{PAGE}")
    cookie = answer.headers["set-cookie"].partition(";")[0]
    page = site.get(PAGE, user=SITE_ADMIN, headers={"HTTP_COOKIE": cookie})
    return " ".join(told(page, ".portalMessage"))


def work(page, name="nightly"):
    (text,) = told(page, f"[id='work-{name}']")
    return text


def state():
    return acts.kept_of(acts.find_entry("nightly"))


def test_it_shows_in_words_what_is_done_and_when(panel):
    """Next time, last job, as whom; no argument, and no markup of others."""
    page = panel(user=SITE_ADMIN)
    text = work(page)
    assert page.status == 200
    for words in (
        "<b>Report</b>",
        "every day at 03:00, Europe/Helsinki",
        "none yet",
        "Zope itself",
        "made up for by one job",
    ):
        assert words in text
    assert "h1dden" not in page.body
    assert "<b>Report" not in page.body


def test_what_cannot_be_done_says_why(panel):
    """As the doctor does."""
    text = work(panel(), "broken")
    assert "It cannot be done." in text
    assert "tests.panel.nosuch" in text


def test_a_site_without_timed_work_says_how_it_gets_some(site):
    """With the name of the directive."""
    prepare(site)
    assert "<wsgifutures:clock />" in " ".join(told(site.get(PAGE, user=ADMIN), "#content-core"))


@pytest.mark.parametrize("user", [None, MEMBER, OWNER])
@pytest.mark.parametrize("path", [PAGE, ACT])
def test_it_is_for_whoever_manages_jobs(panel, user, path):
    """Nobody else learns which work there is."""
    answer = panel(path, user=user)
    assert answer.status in (302, 401)
    assert "nightly" not in answer.body


def test_work_runs_now_and_the_page_leads_to_its_job(site, panel, press):
    """Then it says how that ended."""
    assert "A job was submitted" in message_after(site, press("run:nightly"))
    assert "Waiting" in work(panel())
    jobs.run()
    site.sync()
    (link,) = fromstring(panel().body).cssselect("#work-nightly dl a")
    assert (link.text, done) == ("Done", ["h1dden"])
    assert link.get("href") == f"http://nohost/plone/@@wsgifutures-job/{state().job}"


def test_what_cannot_be_submitted_says_why(site, press):
    """And nothing is."""
    message = message_after(site, press("run:broken"))
    assert "No job was submitted." in message
    assert "tests.panel.nosuch" in message


def test_work_is_paused_and_resumed(site, panel, press):
    """The button is the other one then."""
    assert "paused until" in message_after(site, press("pause:nightly"))
    assert state().paused
    assert "paused since" in work(panel())
    assert "Pause" not in work(panel()).split()
    assert "goes on" in message_after(site, press("resume:nightly"))
    assert not state().paused
    assert "paused since" not in work(panel())


@pytest.mark.parametrize("verb", ["run", "pause", "resume"])
def test_nothing_is_done_without_the_token_or_by_get(site, panel, press, verb):
    """Another site may have sent the form; a link changes nothing."""
    assert press(f"{verb}:nightly", token=False).status == 403
    assert panel(ACT, what=f"{verb}:nightly").status == 302
    site.sync()
    setSite(site.portal)
    assert state() is None
    jobs.run()
    assert done == []


@pytest.mark.parametrize("what", ["", "run:", "run:nosuch", "pause:nosuch", "delete:nightly", ":"])
def test_what_is_not_there_changes_nothing_and_says_so(site, press, what):
    """Somebody has taken it out of the ZCML, or wrote the form by hand."""
    assert "There is no such work any more" in message_after(site, press(what))
    assert state() is None


def test_opening_the_page_writes_nothing(site, panel):
    """It looks."""
    panel()  # Plone writes once for itself
    before = site.commits
    panel()
    assert site.commits == before
    transaction.abort()
