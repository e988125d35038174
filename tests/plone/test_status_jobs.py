"""``@@futures-jobs``: what the tab for jobs shows, to whom, and what its buttons do."""

from collective.wsgifutures.browser.status.handling import Handling
from collective.wsgifutures.browser.status.handling import POSSIBLE
from collective.wsgifutures.browser.status.handling import Verb
from collective.wsgifutures.browser.status.jobs import ASKED
from collective.wsgifutures.browser.status.jobs import DONE
from collective.wsgifutures.browser.status.jobs import MOST_DEAD
from collective.wsgifutures.browser.status.words import JOB_ENDS
from collective.wsgifutures.browser.status.words import JOB_STATES
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs.figures import TOTALS
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.tasks import task
from holdsite import ADMIN
from lxml.html import fromstring
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from snapshots import jobs as of_jobs
from snapshots import running
from statustabs import asker
from statustabs import make_workers
from statustabs import MANAGER
from statustabs import rows
from statustabs import told
from urllib.parse import unquote

import dataclasses
import json
import pytest
import re
import time
import transaction

PAGE = "@@futures-jobs"
DATA = "@@futures-jobs-data"
ACT = "@@futures-jobs-act"
STATUS = "@@futures-status"


@task(title="Make a report", queue="texts")
def report(context):
    pass


@task
def tidy(context):
    pass


@task
def write_to(context, address):
    pass


@pytest.fixture
def workers(site, tmp_path):
    """A board that one worker has written on, in a site with the add-on."""
    workers = make_workers(site, tmp_path)
    workers.write(jobs=of_jobs())
    return workers


@pytest.fixture
def get(site, workers):
    """Ask for a view of the tab as a user."""
    return asker(site, workers, PAGE)


@pytest.fixture
def press(site, workers, get):
    """Press a button, with the token of the page."""

    def send(what, user=ADMIN, token=True):
        form = {"what": what}
        if token:
            found = fromstring(get(user=user).body).cssselect("#futures-act [name=_authenticator]")
            form["_authenticator"] = found[0].get("value") if found else ""
        return site.post(ACT, form, user=user, **workers.settings)

    return send


@pytest.fixture
def die(site):
    """Submit a job that is dead."""

    def make(a_task=report, *arguments, error="LookupError: no such book", ago=60.0):
        job = a_task.submit(site.portal, *arguments)
        store = store_of(site)
        desk.bury(store, job, time.time() - ago, error, "Traceback: raise LookupError")
        transaction.commit()
        return job

    return make


def store_of(site):
    return find_store(site.portal._p_jar)


def said(get, answer):
    """Return what the page says to who was led to it by *answer*."""
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return " ".join(told(get(headers={"HTTP_COOKIE": cookie}), ".portalMessage"))


# What it shows


def test_both_tabs_lead_to_each_other(get):
    """And say which one is open."""
    for path, is_open in ((STATUS, "Responses"), (PAGE, "Jobs")):
        page = get(path)
        assert page.status == 200
        assert told(page, ".futures-tabs a") == ["Responses", "Jobs"]
        assert told(page, ".futures-tabs [aria-current=page]") == [is_open]


def test_numbers_are_those_of_all_runners(get, workers):
    """What runs is a sum; what waits is the same for all of them."""
    workers.write("000000b2", jobs=of_jobs(running=3, waiting={"texts": 7}, dead=2))
    page = get()
    assert told(page, ".futures-number") == ["4 of 20", "8", "2", "6"]
    notes = told(page, ".futures-note")
    assert re.fullmatch(r"the oldest for 1 min \d+ s", notes.pop(1))
    assert notes == [
        "processes that run jobs: 2",
        "they wait for a person",
        "in ten minutes; failed: 4",
    ]
    much = fromstring(page.body).cssselect(".futures-tile.futures-much")
    assert [one.get("id") for one in much] == ["futures-tile-dead"]


def test_running_jobs_are_listed_the_oldest_first(get, workers):
    """Each with its user, its attempt, how far it is, and how long it takes."""
    now = time.time()
    young = running("aa-2", since=now - 5, user="jane", progress=0.4, attempt=2)
    workers.write(jobs=of_jobs(running=2, jobs=[young, running("aa-1", since=now - 100)]))
    first, second = rows(get(), "running")
    assert first[0] == "Make a report aa-1"
    assert re.fullmatch(r"1 min 4\d s", first[5])
    assert second[:5] == ["Make a report aa-2", "jane", "texts", "2 / 5", "40 %"]
    assert first[4] == "-"


def test_dead_jobs_are_listed_with_their_errors_the_last_one_first(get, die):
    """In the words of the task."""
    older, newer = die(ago=7200), die(tidy, error="ValueError: <b>")
    first, second = rows(get(), "dead")
    assert first[0] == f"{__name__}.tidy {newer.id}"
    assert first[1:4] == ["test_user_1_", "ValueError: <b>", "0 / 5"]
    assert second[0] == f"Make a report {older.id}"
    assert second[2] == "LookupError: no such book"
    assert second[4] == "2 h 0 min"


def test_dead_jobs_beyond_the_list_are_counted(get, die):
    """All of a task can be handled at once."""
    for _ in range(MOST_DEAD + 2):
        die()
    page = get()
    assert len(rows(page, "dead")) == MOST_DEAD
    assert "and 2 more that are not listed." in " ".join(told(page, "#futures-part-dead"))
    assert told(page, ".futures-kind b") == [str(MOST_DEAD + 2)]


def test_queues_are_shown_with_what_waits_and_since_when(get, workers, site):
    """Those that somebody paused, too."""
    report.submit(site.portal)
    desk.pause_queue(store_of(site), "mail", time.time() - 65)
    transaction.commit()
    mail, slow, texts = rows(get(), "queues")
    assert (mail[0], mail[1:3]) == ("mail paused for 1 min 5 s", ["0", "-"])
    assert (slow[0], slow[1:3]) == ("slow", ["1", "-"])
    assert (texts[0], texts[1]) == ("texts", "4")
    assert re.fullmatch(r"1 min 3\d s", texts[2])


def test_a_queue_that_nobody_serves_is_said_in_words(get, workers):
    """If its jobs wait for a while; another runner may be on another host."""
    workers.write(jobs=of_jobs(queues=["slow"]))
    page = get()
    assert told(page, "#futures-unserved code") == ["texts"]
    assert "nobody runs its jobs here" in rows(page, "queues")[1][0]
    workers.write(jobs=of_jobs(queues=["slow"], oldest={"texts": time.time() - 20}))
    assert told(get(), "#futures-unserved") == []


def test_a_process_that_only_submits_serves_nothing(get, workers):
    """It counts as no process that runs jobs."""
    workers.write(jobs=of_jobs(claims=False))
    page = get()
    assert told(page, "#futures-tile-running .futures-note") == ["processes that run jobs: 0"]
    assert told(page, "#futures-unserved code") == ["texts"]


def test_a_site_without_jobs_has_a_quiet_page(get, workers):
    """Before the first job of the database, and of a worker of before."""
    workers.write()
    page = get()
    assert page.status == 200
    assert [
        told(page, f"#futures-part-{name} .futures-nothing") for name in ("dead", "queues")
    ] == [
        ["No job is out of attempts."],
        ["No job waits."],
    ]


def test_a_status_that_is_off_says_so(get):
    """As the other tab does."""
    page = get(status_folder="off")
    assert told(page, "#futures-empty h2") == ["The live status is switched off"]


def test_the_refresh_has_the_parts_of_the_page(get, die):
    """In JSON, kept by no cache."""
    job = die()
    answer = get(DATA)
    assert answer.headers["cache-control"] == "no-store"
    assert f"futures-job-{job.id}" in json.loads(answer.body)["html"]


def test_there_are_words_for_each_state_and_each_end():
    """And for each thing that can be done."""
    assert set(JOB_STATES) == set(POSSIBLE) == set(JobState)
    assert set(JOB_ENDS) == set(TOTALS)
    assert set(DONE) == set(Verb)
    assert set(ASKED) == set(Verb) - {Verb.PAUSE, Verb.RESUME}


# To whom


@pytest.mark.parametrize("path", [PAGE, DATA, ACT])
@pytest.mark.parametrize("user", [None, MEMBER])
def test_the_tab_is_for_those_who_may_see_the_status(get, path, user):
    """Nobody else."""
    assert get(path, user=user).status in (302, 401)


def test_who_may_handle_jobs_but_not_see_the_status_sees_nothing(get):
    """The one permission does not include the other."""
    assert get(ACT, query={"what": "look:aa-1"}, user=SITE_ADMIN).status in (302, 401)


def test_who_may_see_the_status_but_not_handle_jobs_sees_no_errors_and_no_buttons(
    get, site, die, press
):
    """An error may have what somebody wrote."""
    job = die()
    permission = "collective.wsgifutures: Manage jobs"
    site.portal.manage_permission(permission, ["Site Administrator"], acquire=0)
    transaction.commit()
    page = get(user=MANAGER)
    assert rows(page, "dead")[0][0] == "Make a report"
    assert "no such book" not in page.body
    assert not fromstring(page.body).cssselect(
        "#futures-act, [name=what], [href*=futures-jobs-act]"
    )
    for what in (f"retry:{job.id}", "pause:texts"):
        assert press(what, user=MANAGER).status in (302, 401)
    site.sync()
    assert job.state is JobState.DEAD
    assert list(store_of(site).paused) == []


def test_manager_of_one_site_sees_and_handles_jobs_of_this_site_alone(get, site, die, press):
    """Users of Zope's root see and handle all."""
    job = die()
    elsewhere = dataclasses.replace(job.wanted.origin, site="/other")
    job._wanted.value = job.wanted._replace(origin=elsewhere)
    transaction.commit()
    assert rows(get(user=MANAGER), "dead") == []
    assert len(rows(get(user=ADMIN), "dead")) == 1
    press(f"retry:{job.id}", user=MANAGER)
    site.sync()
    assert job.state is JobState.DEAD
    press(f"retry:{job.id}", user=ADMIN)
    site.sync()
    assert job.state is JobState.WAITING


def test_manager_of_one_site_who_sees_the_status_of_all_reads_no_error_of_another(
    get, site, workers, die
):
    """What somebody may not handle has neither an error nor a button."""
    root = site.portal.getPhysicalRoot()
    root.manage_permission("collective.wsgifutures: View status", ["Authenticated"], acquire=0)
    for _ in range(2):
        job = die(error="LookupError: a name from elsewhere")
        elsewhere = dataclasses.replace(job.wanted.origin, site="/other")
        job._wanted.value = job.wanted._replace(origin=elsewhere)
    transaction.commit()
    own = die()
    listed = [running("aa-1", site="/other"), running("aa-2", site="/plone")]
    workers.write(jobs=of_jobs(running=2, jobs=listed))
    page = get(user=MANAGER)
    assert len(rows(page, "dead")) == 3
    assert len(rows(page, "running")) == 2
    assert "elsewhere" not in page.body
    tables = "#futures-part-dead, #futures-part-running"
    found = [part.cssselect("[name=what], a") for part in fromstring(page.body).cssselect(tables)]
    aims = [unquote(one.get("value") or one.get("href")) for part in found for one in part]
    assert [aim.rpartition(":")[2] for aim in aims] == [own.id] * 3 + ["aa-2"] * 2
    assert "elsewhere" in get(user=ADMIN).body


def test_manager_of_one_of_several_sites_pauses_no_queue(get, site, press):
    """All sites share the queues."""
    assert Handling(site.portal, "/plone").may_pause
    site.portal.getPhysicalRoot()._objects += ({"id": "other", "meta_type": "Plone Site"},)
    transaction.commit()
    page = get(user=MANAGER)
    assert not fromstring(page.body).cssselect("#futures-part-queues [name=what]")
    assert press("pause:texts", user=MANAGER).status in (302, 401)
    site.sync()
    assert store_of(site) is None
    assert press("pause:texts", user=ADMIN).status == 302
    site.sync()
    assert "texts" in store_of(site).paused


# What the buttons do


@pytest.mark.parametrize(
    ("what", "state", "text"),
    [
        ("retry", JobState.WAITING, "The job waits again."),
        ("discard", JobState.CANCELLED, "The job is discarded."),
    ],
)
def test_a_dead_job_is_handled_and_leaves_the_list(get, site, die, press, what, state, text):
    """The page says what was done."""
    job = die()
    answer = press(f"{what}:{job.id}")
    assert (answer.status, answer.headers["location"]) == (302, f"http://nohost/plone/{PAGE}")
    site.sync()
    assert job.state is state
    assert list(store_of(site).dead) == []
    assert rows(get(), "dead") == []
    assert text in said(get, answer)


def test_all_dead_jobs_of_a_task_are_handled_at_once(get, site, die, press):
    """And those of other tasks stay."""
    jobs, other = [die() for _ in range(3)], die(tidy)
    press(f"retry-all:{__name__}.report")
    site.sync()
    assert {job.state for job in jobs} == {JobState.WAITING}
    assert other.state is JobState.DEAD
    more = [die() for _ in range(2)]
    press(f"discard-all:{__name__}.report")
    site.sync()
    assert {job.state for job in more} == {JobState.CANCELLED}
    assert list(store_of(site).dead) == [other.id]


def test_a_waiting_job_is_cancelled_and_a_running_one_is_asked_to_end(site, press):
    """As its owner could."""
    waits, runs = report.submit(site.portal), report.submit(site.portal)
    transaction.commit()
    runs.claim("runner", time.time())
    transaction.commit()
    press(f"cancel:{waits.id}")
    press(f"cancel:{runs.id}")
    site.sync()
    assert waits.state is JobState.CANCELLED
    assert (runs.state, runs.side.cancel) == (JobState.RUNNING, True)


def test_a_queue_is_paused_and_resumed(site, press):
    """Twice is as once."""
    for what, paused in (("pause", True), ("pause", True), ("resume", False), ("resume", False)):
        press(f"{what}:texts")
        site.sync()
        assert ("texts" in store_of(site).paused) is paused


@pytest.mark.parametrize("what", ["retry", "discard", "cancel", "pause", "resume"])
def test_nothing_is_done_without_the_token(site, die, press, what):
    """Another site may have sent the form."""
    job = die()
    assert press(f"{what}:{job.id}", token=False).status == 403
    site.sync()
    assert job.state is JobState.DEAD
    assert list(store_of(site).paused) == []


@pytest.mark.parametrize("verb", sorted(verb.value for verb in Verb))
def test_nothing_is_done_by_get(site, die, get, verb):
    """It asks."""
    job = die()
    name = f"{__name__}.report" if verb.endswith("all") else job.id
    page = get(ACT, query={"what": f"{verb}:{name}"})
    assert page.status == 200
    site.sync()
    assert (job.state, list(store_of(site).paused)) == (JobState.DEAD, [])


def test_what_comes_too_late_changes_nothing_and_says_so(site, die, get, press):
    """Somebody else has retried it."""
    job = die()
    press(f"retry:{job.id}")
    answer = press(f"discard:{job.id}")
    assert answer.status == 302
    assert "not in that state any more, so nothing was changed." in said(get, answer)
    site.sync()
    assert job.state is JobState.WAITING


@pytest.mark.parametrize(
    "what", ["", "retry", "retry:", "nonsense:x", "retry:no-such", ":", "look:x"]
)
def test_nonsense_is_done_by_nobody(get, press, what):
    """It breaks nothing."""
    assert press(what).status == 302
    page = get(ACT, query={"what": what})
    assert (page.status, told(page, "h1")) == (200, ["There is no such job any more"])


def test_a_job_is_shown_with_its_error_and_what_can_be_done(get, die):
    """For those who have to decide."""
    job = die()
    page = get(ACT, query={"what": f"look:{job.id}"})
    assert told(page, "h1") == [f"Job {job.id}"]
    assert told(page, "form[action$=jobs-act] button") == ["Retry the job", "Discard the job"]
    texts = " ".join(told(page, "dl"))
    assert "Make a report" in texts
    assert "LookupError: no such book" in texts
    assert told(page, "pre") == ["Traceback: raise LookupError"]


def test_no_argument_of_a_job_is_shown(get, die):
    """Neither in the tab nor on the page of the job."""
    job = die(write_to, "h1dden")
    for path, query in ((PAGE, None), (DATA, None), (ACT, {"what": f"look:{job.id}"})):
        page = get(path, query=query)
        assert job.id in page.body
        assert "h1dden" not in page.body


def test_what_was_done_is_logged_with_who_did_it(site, die, press):
    """For those who ask later."""
    site.log.set_level("INFO")
    job = die()
    press(f"discard:{job.id}")
    assert f"admin: discard {job.id} (1)" in [r.getMessage() for r in site.log.records]
