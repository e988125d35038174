"""Site Setup > Timed work: what it shows, to whom, and what its buttons do."""

from AccessControl import getSecurityManager
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from collective.wsgifutures.clock import acts
from collective.wsgifutures.clock.offered import offered_tasks
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
EDIT = "@@wsgifutures-clock-edit"
REMOVE = "@@wsgifutures-clock-remove"

ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="nightly" cron="0 3 * * *" task="tests.panel.nightly" timezone="Europe/Helsinki"
    arguments='{"word": "h1dden"}' missed="once" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="a&lt;b" cron="*/7 * * * *" task="tests.panel.nosuch" run_as="gone" />
""".replace("a&lt;b", "broken")

done = []


@task(name="tests.panel.tidy", title="Tidy <i>up</i>", timed=True)
def tidy(context):
    done.append(getSecurityManager().getUser().getId())


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

    def send(what="", user=SITE_ADMIN, token=True, view=ACT, **fields):
        (found, *_) = fromstring(panel(user=user).body).cssselect("[name=_authenticator]")
        fields |= {"what": what, **({"_authenticator": found.get("value")} if token else {})}
        kind = "application/x-www-form-urlencoded"
        answer = site.request("POST", view, body=urlencode(fields).encode(), kind=kind, user=user)
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
@pytest.mark.parametrize("path", [PAGE, ACT, EDIT, REMOVE])
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


# Added by people


FORM = {
    "name": "tidy",
    "task": "tests.panel.tidy",
    "cron": "0 3 * * *",
    "timezone": "Europe/Helsinki",
    "missed": "skip",
    "overlap": "skip",
}


@pytest.fixture
def send(press):
    """Send the form."""
    return lambda **fields: press(view=EDIT, **{**FORM, **fields})


def names():
    return [entry.name for entry in acts.entries()]


def test_work_is_added_runs_as_whoever_added_it_and_is_changed_and_removed(
    site, panel, press, send
):
    """Each step says what was done."""
    said = message_after(site, send())
    assert "Saved: Tidy <i>up</i>, every day at 03:00, Europe/Helsinki." in said
    text = work(panel(), "tidy")
    assert "this page, by sally" in text
    assert "As sally" in text
    press("run:tidy")
    jobs.run()
    assert done == ["sally"]

    form = fromstring(panel(EDIT, user=SITE_ADMIN, entry="tidy").body)
    assert form.cssselect("#field-cron")[0].get("value") == "0 3 * * *"
    assert not form.cssselect("#field-name, #field-run_as")
    assert "every Monday" in message_after(
        site, send(entry="tidy", cron="0 4 * * 1", timeout="9,5")
    )
    assert acts.find_entry("tidy").timeout == 9.5

    assert "Remove this timed work?" in panel(REMOVE, entry="tidy").body
    assert names() == ["broken", "nightly", "tidy"]
    assert "is removed" in message_after(site, press(view=REMOVE, entry="tidy"))
    assert names() == ["broken", "nightly"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "a/b", "letters, digits"),
        ("name", "nightly", "no other timed work"),
        ("task", "tests.panel.nightly", "Choose one of the tasks"),
        ("cron", "<at night>", "0 3 * * * is every day at 03:00"),
        ("timezone", "Mars", "Europe/Helsinki"),
        ("context", "nosuch", "nothing that you may see"),
        ("missed", "all", "let the next one wait"),
        ("overlap", "maybe", "Choose one of the two"),
        ("timeout", "soon", "above 0"),
        ("timeout", "-1", "above 0"),
    ],
)
def test_a_wrong_value_is_refused_beside_its_field(send, field, value, said):
    """With an example; what was typed stays."""
    answer = send(**{field: value})
    page = fromstring(answer.body)
    (error,) = page.cssselect(".invalid-feedback")
    assert (answer.status, error.get("id")) == (200, f"error-{field}")
    assert said in error.text_content()
    (shown,) = page.cssselect(f"#field-{field}")
    assert shown.get("aria-invalid") == "true"
    assert error.get("id") in shown.get("aria-describedby").split()
    assert shown.tag == "select" or shown.get("value") == value
    assert page.cssselect("#field-cron")[0].get("value") == (
        value if field == "cron" else "0 3 * * *"
    )
    assert names() == ["broken", "nightly"]


def test_only_a_manager_chooses_as_whom_it_runs(panel, send):
    """Whatever is in the form of anybody else."""
    assert not fromstring(panel(EDIT, user=SITE_ADMIN).body).cssselect("#field-run_as")
    send(run_as="mark")
    assert acts.find_entry("tidy").run_as == "sally"
    assert fromstring(panel(EDIT).body).cssselect("#field-run_as")[0].get("value") == "admin"
    send(user=ADMIN, entry="tidy", run_as="mark")
    assert acts.find_entry("tidy").run_as == "mark"
    answer = send(user=ADMIN, entry="tidy", run_as="nosuch")
    assert "Type the id of a user" in " ".join(told(answer, "#error-run_as"))


def test_somebody_elses_work_says_that_it_will_run_as_you(panel, send):
    """Before it is saved."""
    send(user=ADMIN, run_as="mark")
    text = " ".join(told(panel(EDIT, user=SITE_ADMIN, entry="tidy"), ".alert-warning"))
    assert "This work runs as mark. If you save it, it runs as you." in text
    send(entry="tidy")
    assert acts.find_entry("tidy").run_as == "sally"


@pytest.mark.parametrize("view", [EDIT, REMOVE])
def test_no_form_without_the_token_changes_anything(press, send, view):
    """Another site may have sent it."""
    send()
    assert (
        press(view=view, token=False, **{**FORM, "entry": "tidy", "cron": "* * * * *"}).status
        == 403
    )
    assert acts.find_entry("tidy").cron == "0 3 * * *"


@pytest.mark.parametrize("entry", ["nosuch", "nightly"])
def test_what_is_gone_or_declared_is_neither_changed_nor_removed(site, panel, press, send, entry):
    """It has no such buttons, either."""
    assert "There is no such work any more" in message_after(
        site, send(entry=entry, cron="* * * * *")
    )
    assert "no such work" in message_after(site, press(view=REMOVE, entry=entry))
    assert panel(EDIT, entry=entry).status == 302
    assert "There is no such work any more" in panel(REMOVE, entry=entry).body
    page = fromstring(panel().body)
    assert not page.cssselect("#work-nightly a.btn")
    assert acts.find_entry("nightly").cron == "0 3 * * *"


def test_where_no_task_is_offered_the_form_says_how(panel, monkeypatch):
    """The page has no button then."""
    assert fromstring(panel().body).cssselect("#wsgifutures-clock-add")
    for one in offered_tasks():
        monkeypatch.setattr(one, "timed", False)
    assert "@task(timed=True)" in panel(EDIT).body
    assert not fromstring(panel().body).cssselect("#wsgifutures-clock-add")
