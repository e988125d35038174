"""What people see of their jobs: the page that follows one, the list, what ``accepted`` answers."""

from collective.wsgifutures import accepted
from collective.wsgifutures.browser.jobs import following
from collective.wsgifutures.browser.jobs.pages import Mine
from collective.wsgifutures.jobs import run
from collective.wsgifutures.jobs.desk import changing
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_job
from collective.wsgifutures.jobs.store import find_store
from DateTime import DateTime
from holdsite import ADMIN
from holdsite import wait_until
from jobsite import bring
from jobsite import export
from jobsite import fail
from jobsite import HIDDEN
from jobsite import OWNER
from jobsite import prepare
from jobsite import secretly
from jobsite import submit
from lxml.html import fromstring
from plone import api
from plone.protect.authenticator import createToken
from plone.protect.interfaces import IDisableCSRFProtection
from Products.CMFCore.indexing import processQueue
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from zope.interface import alsoProvides

import json
import pickle
import pytest
import threading
import time
import transaction

PAGE = "@@wsgifutures-job"
LIST = "@@wsgifutures-my-jobs"
WAYS = [PAGE, f"{PAGE}-data", f"{PAGE}-cancel", f"{PAGE}-retry"]


@pytest.fixture
def page(site):
    """A page of an editor, who is logged in in this thread, in a site with the add-on."""
    return prepare(site)


@pytest.fixture
def look(site):
    """Ask for a page as a user, and return its main part."""

    def get(path, user=OWNER, **query):
        answer = site.get(path, query=query, user=user)
        assert answer.status == 200, answer.body
        assert answer.headers["cache-control"] == "no-store"
        return fromstring(answer.body).cssselect("#content")[0]

    return get


@pytest.fixture
def press(site, look):
    """Press a button of a job's page."""

    def post(job, action, user=OWNER):
        (form,) = look(f"{PAGE}/{job.id}", user).cssselect(f"form[action*={action}]")
        path = form.get("action").removeprefix(f"{site.portal.absolute_url()}/")
        return site.post(path, dict(form.form_values()), user=user)

    return post


def words(element):
    return " ".join(element.text_content().split())


# Who sees it


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["theirs", "none", ""])
def test_a_job_of_somebody_else_is_not_found(site, page, way, which):
    """As one that does not exist, whatever is asked of it."""
    job = submit(site, export, page, HIDDEN)
    path = f"{way}/{ {'theirs': job.id, 'none': '0-999', '': ''}[which] }"
    for method in ("GET", "POST"):
        assert site.request(method, path, user=MEMBER).status == 404
    site.sync()
    assert job.state is JobState.WAITING


@pytest.mark.parametrize("way", [*WAYS, LIST])
def test_an_anonymous_visitor_is_sent_to_log_in_whether_there_is_a_job_or_not(site, page, way):
    """So nobody learns which jobs there are."""
    job = submit(site, export, page, HIDDEN)
    asked = [site.get(f"{way}/{id}") for id in (job.id, "0-999")] if way != LIST else []
    for answer in [*asked, site.get(way)]:
        assert answer.status == 302
        assert "/acl_users/credentials_cookie_auth/require_login" in answer.headers["location"]


@pytest.mark.parametrize("user", [OWNER, SITE_ADMIN, ADMIN])
def test_who_submitted_a_job_and_who_manages_jobs_see_it(site, page, look, user):
    """With its title, what it is about, and its state in words."""
    job = submit(site, export, page, HIDDEN)
    shown = look(f"{PAGE}/{job.id}", user)
    assert words(shown.cssselect("h1")[0]) == "Export the <library>"
    assert words(shown.cssselect("[data-part=state]")[0]).startswith("Waiting")
    (about,) = shown.cssselect("dd a")
    assert (words(about), about.get("href")) == ("A <b> & page", page.absolute_url())
    assert HIDDEN not in words(shown)


def test_what_a_job_is_about_is_not_named_to_who_may_not_see_it(site, page, look):
    """Nor where it is gone; the page is there all the same."""
    job = submit(site, export, page, HIDDEN)
    page.manage_permission("Access contents information", ["Manager"], acquire=0)
    page.reindexObject()
    processQueue()
    transaction.commit()
    assert look(f"{PAGE}/{job.id}").cssselect("dd a") == []
    api.content.delete(page)
    transaction.commit()
    assert look(f"{PAGE}/{job.id}", ADMIN).cssselect("dd a") == []


# How it is


@pytest.mark.parametrize(
    ("state", "said", "buttons"),
    [
        (JobState.WAITING, "Waiting", ["Cancel the job"]),
        (JobState.RUNNING, "In progress", ["Cancel the job"]),
        (JobState.DONE, "Done", []),
        (JobState.DEAD, "Failed", []),
        (JobState.CANCELLED, "Cancelled", []),
    ],
)
def test_each_state_is_said_in_words_with_what_can_be_done(site, page, look, state, said, buttons):
    """In the page and in the list; to who manages jobs also to try again."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, state)
    shown = look(f"{PAGE}/{job.id}")
    assert words(shown.cssselect("[data-part=state] .h4")[0]) == said
    assert [words(one) for one in shown.cssselect("[data-part=actions] button")] == buttons
    (row,) = look(LIST).cssselect("tbody tr")
    assert said in words(row)
    again = ["Try again"] if state in (JobState.DEAD, JobState.CANCELLED) else []
    managed = look(f"{PAGE}/{job.id}", SITE_ADMIN)
    assert [
        words(one) for one in managed.cssselect("[data-part=actions] button")
    ] == buttons + again


def test_progress_of_a_running_job_is_a_bar_and_words(site, page, look):
    """Where the task tells nothing the bar has no value."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.RUNNING)
    (bar,) = look(f"{PAGE}/{job.id}").cssselect("progress")
    assert bar.get("value") is None
    job.side.progress, job.side.words = 0.4, "40 of <100>"
    transaction.commit()
    shown = look(f"{PAGE}/{job.id}")
    (bar,) = shown.cssselect("progress")
    assert (bar.get("value"), bar.get("max")) == ("40", "100")
    assert words(shown.cssselect(f"#{bar.get('aria-labelledby')}")[0]) == "40 % 40 of <100>"
    assert "40 % 40 of <100>" in words(look(LIST))


def test_a_failed_attempt_is_shown_with_when_the_next_one_is(site, page, look):
    """While it waits; then nobody needs to do anything."""
    job = submit(site, fail, page, HIDDEN)
    run()
    shown = look(f"{PAGE}/{job.id}")
    text = words(shown)
    assert "Waiting for another attempt" in text
    assert "LookupError: no such book" in text
    assert "Attempt 2 of 2" in text
    assert "Next attempt" in text
    assert not shown.cssselect("pre")


def test_a_dead_job_says_why_and_shows_its_traceback_to_who_manages_jobs_alone(site, page, look):
    """It has files and lines in it."""
    job = submit(site, fail, page, HIDDEN)
    run()
    run(time.time() + 100)
    text = words(look(f"{PAGE}/{job.id}"))
    assert "Failed" in text
    assert "LookupError: no such book" in text
    assert "An administrator of the site can let it be tried again." in text
    assert "jobsite.py" not in text
    managed = words(look(f"{PAGE}/{job.id}", SITE_ADMIN))
    assert "jobsite.py" in managed
    assert "An administrator" not in managed


@pytest.mark.parametrize("argument", ["", "fail"])
def test_a_secret_task_shows_no_result_and_no_text_of_its_errors(site, page, look, argument):
    """To nobody."""
    job = submit(site, secretly, page, argument)
    run()
    site.sync()
    assert job.ended
    for user in (OWNER, ADMIN):
        answer = site.get(f"{PAGE}/{job.id}", user=user)
        assert answer.status == 200
        assert HIDDEN not in answer.body


def test_a_done_job_shows_a_short_result_and_where_it_leads(site, page, look):
    """A path below what it is about."""
    job = submit(site, export, page, HIDDEN)
    run()
    shown = look(f"{PAGE}/{job.id}")
    assert words(shown.cssselect(".wsgifutures-result")[0]) == "14 books"
    (button,) = shown.cssselect("[data-part=end] a")
    assert button.get("href") == f"{page.absolute_url()}/@@exported"


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.DONE, JobState.DEAD])
def test_what_a_task_says_is_text_and_no_markup(site, page, look, state):
    """Its words, its result, its error, its traceback: a visitor may have written what is in it."""
    markup = "<said>by a visitor</said>"
    job = submit(site, export, page, HIDDEN)
    bring(site, job, state)
    job.side.words = job.error = job.traceback = markup
    job._result = pickle.dumps(markup)
    transaction.commit()
    shown = look(f"{PAGE}/{job.id}", SITE_ADMIN)
    assert markup in words(shown)
    told, _ = data(site, job, SITE_ADMIN)
    for part in (shown, look(LIST), fromstring(told["html"])):
        assert part.cssselect("said") == []


def test_a_result_is_shown_if_it_is_a_short_text_or_a_number(site, page, look):
    """Anything else is for programs."""
    job = submit(site, export, page, HIDDEN)
    run()
    for result, shown in [
        (7, "7"),
        (0, "0"),
        (True, None),
        ("", None),
        ("x" * 501, None),
        ([1], None),
    ]:
        job._result = pickle.dumps(result)
        transaction.commit()
        found = [words(p) for p in look(f"{PAGE}/{job.id}").cssselect(".wsgifutures-result")]
        assert found == ([shown] if shown else [])


def test_a_job_whose_task_was_removed_can_still_be_looked_at(site, page, look, monkeypatch):
    """Another version of the code runs by now."""
    job = submit(site, export, page, HIDDEN)
    job._wanted.value = job.wanted._replace(task="gone.away")
    bring(site, job, JobState.DONE)
    (button,) = look(f"{PAGE}/{job.id}").cssselect("[data-part=end] a")
    assert button.get("href") == page.absolute_url()


# Without JavaScript


def test_the_page_without_javascript_loads_anew_until_the_job_has_ended(site, page, look):
    """And leads on if it was just submitted."""

    def refresh(**query):
        (meta,) = look(f"{PAGE}/{job.id}", **query).cssselect("noscript meta") or [None]
        return meta if meta is None else meta.get("content")

    job = submit(site, export, page, HIDDEN)
    assert refresh() == refresh(follow="1") == "5"
    bring(site, job, JobState.DONE)
    assert refresh() is None
    assert refresh(follow="1") == f"4; url={page.absolute_url()}/@@exported"


def test_the_page_does_not_lead_on_from_a_dead_job(site, page, look):
    """It stays, for people to read why."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DEAD)
    shown = look(f"{PAGE}/{job.id}", follow="1")
    assert shown.cssselect("noscript meta") == []
    assert shown.cssselect("#wsgifutures-job")[0].get("data-goes-to") == ""


# Buttons


def test_cancel_ends_a_waiting_job_at_once(site, page, press):
    """And goes back to its page."""
    job = submit(site, export, page, HIDDEN)
    answer = press(job, "cancel")
    assert (answer.status, answer.headers["location"].endswith(f"{PAGE}/{job.id}")) == (303, True)
    assert answer.headers["cache-control"] == "no-store"
    assert job.state is JobState.CANCELLED


def test_cancel_asks_a_running_job_to_end(site, page, look, press):
    """Which the page says; there is no button any more."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.RUNNING)
    press(job, "cancel")
    assert (job.state, job.side.cancel) == (JobState.RUNNING, True)
    shown = look(f"{PAGE}/{job.id}")
    assert "Being cancelled" in words(shown)
    assert shown.cssselect("[data-part=actions] button") == []


def test_cancel_when_the_job_has_ended_says_so(site, page, look):
    """Somebody looked at the page for a while."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DONE)
    answer = site.post(f"{PAGE}-cancel/{job.id}", token(site), user=OWNER)
    assert answer.status == 303
    assert job.state is JobState.DONE
    assert "statusmessages" in answer.headers["set-cookie"]


@pytest.mark.parametrize("state", [JobState.DEAD, JobState.CANCELLED])
def test_retry_lets_a_job_wait_again(site, page, press, state):
    """With all of its attempts."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, state)
    assert press(job, "retry", SITE_ADMIN).status == 303
    assert job.state is JobState.WAITING
    assert run() == [job]
    assert job.state is JobState.DONE


def test_retry_is_refused_to_who_does_not_manage_jobs(site, page):
    """Though it is their own job."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DEAD)
    assert site.post(f"{PAGE}-retry/{job.id}", token(site), user=OWNER).status == 302
    assert job.state is JobState.DEAD


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_a_button_works_by_post_with_a_token_alone(site, page, action):
    """No other site can press it."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DEAD if action == "retry" else JobState.WAITING)
    before = job.state
    assert site.post(f"{PAGE}-{action}/{job.id}", {}, user=ADMIN).status == 403
    assert site.get(f"{PAGE}-{action}/{job.id}", query=token(site), user=ADMIN).status == 405
    assert job.state is before


def token(site):
    return {"_authenticator": createToken()}


# Following


def data(site, job, user=OWNER, **query):
    answer = site.get(f"{PAGE}-data/{job.id}", query=query, user=user)
    return json.loads(answer.body), answer.passes


def test_data_tells_what_is_new_and_when_to_ask_again(site, page):
    """Where a held response would cost a thread it is answered at once."""
    job = submit(site, export, page, HIDDEN)
    told, _ = data(site, job)
    assert (told["ended"], told["goes_to"], told["again"]) == (False, None, following.SOON)
    assert "Waiting" in told["html"]
    told, passes = data(site, job, since=told["version"])
    assert passes == ["200"]
    bring(site, job, JobState.DONE)
    new, _ = data(site, job, since=told["version"])
    assert new["version"] != told["version"]
    assert (new["ended"], new["goes_to"]) == (True, f"{page.absolute_url()}/@@exported")


def test_a_page_that_cannot_wait_asks_less_often_the_longer_its_job_takes(site, page):
    """There are only so many threads."""
    job = submit(site, export, page, HIDDEN)
    since = job.since
    pauses = [following.seconds_to_pause(job, since + age) for age in (0, 100, 10_000)]
    assert pauses == [2, 5, 30]


@pytest.fixture
def held(monkeypatch):
    """A wait costs no thread, as under gevent."""
    monkeypatch.setattr(following, "is_held", lambda: True)
    monkeypatch.setattr(following, "LOOK_EVERY", 0.05)


@pytest.mark.parametrize("change", ["state", "progress"])
def test_data_is_held_until_the_job_changes(site, page, held, change):
    """Its state, or how far it is."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.RUNNING)
    told, _ = data(site, job)

    def alter():
        wait_until(lambda: len(following._watch or ()) == 1)
        time.sleep(0.2)
        with changing(site.portal._p_jar.db()) as connection:
            other = find_job(find_store(connection), job.id)
            if change == "state":
                other.again(time.time(), time.time())
            else:
                other.side.progress = 0.5

    begun = time.monotonic()
    threading.Thread(target=alter).start()
    new, passes = data(site, job, since=told["version"])
    assert passes == ["Suspended", "200"]
    assert 0.2 <= time.monotonic() - begun < 5
    assert new["version"] != told["version"]
    assert new["again"] == 0


def test_data_when_nothing_changes_is_answered_in_time(site, page, held, monkeypatch):
    """Before a proxy cuts the connection."""
    monkeypatch.setattr(following, "LONGEST", 0.2)
    monkeypatch.setattr(following.wait_for_change, "__defaults__", (0.2,))
    job = submit(site, export, page, HIDDEN)
    told, _ = data(site, job)
    new, passes = data(site, job, since=told["version"])
    assert passes == ["Suspended", "200"]
    assert new["version"] == told["version"]


def test_data_of_a_job_that_has_ended_is_not_held(site, page, held):
    """Nothing more happens."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DONE)
    told, _ = data(site, job)
    _, passes = data(site, job, since=told["version"])
    assert passes == ["200"]


def test_pages_that_follow_are_forgotten_when_they_are_answered(site, page, held, monkeypatch):
    """And the look-out ends with the last one."""
    job = submit(site, export, page, HIDDEN)
    watch = following.Watch(site.portal._p_jar.db())
    looks = []
    monkeypatch.setattr(watch, "_look", lambda: looks.append(len(watch)))
    version = following.version_of(job)
    seconds = 2.0
    followers = [
        threading.Thread(target=watch.wait, args=(job.id, version, seconds)) for _ in range(20)
    ]
    for one in followers:
        one.start()
    for one in followers:
        one.join()
    assert len(watch) == 0
    wait_until(lambda: not watch._looks)
    assert max(looks) == 20
    assert len(looks) <= 2 * seconds / following.LOOK_EVERY  # for all of them together


def test_a_look_that_fails_is_logged_and_made_again(site, page, held, monkeypatch):
    """The database may be away for a while."""
    job = submit(site, export, page, HIDDEN)
    watch = following.Watch(site.portal._p_jar.db())
    look, fails = watch._look, [OSError("away"), OSError("away")]

    def sometimes():
        if fails:
            raise fails.pop()
        look()

    monkeypatch.setattr(watch, "_look", sometimes)
    assert watch.wait(job.id, "an older one", 5)
    assert "could not look for changes" in " ".join(site.logged)


# The list, and the user menu


def test_the_list_has_the_users_own_jobs_the_newest_first(site, page, look):
    """And nobody else's, also for who manages jobs."""
    assert "You have started nothing" in words(look(LIST))
    ids = [submit(site, export, page, HIDDEN).id for _ in range(3)]
    links = [one.get("href") for one in look(LIST).cssselect("tbody th a")]
    assert [one.rpartition("/")[2] for one in links] == ids[::-1]
    assert look(LIST, SITE_ADMIN).cssselect("tbody tr") == []


def test_the_user_menu_has_the_list_once_there_was_a_job(site, page):
    """For who is logged in."""

    def offered(user):
        answer = site.get("", user=user)
        return f'{site.portal.absolute_url()}/{LIST}"' in answer.body

    assert not offered(OWNER)
    submit(site, export, page, HIDDEN)
    assert offered(OWNER)
    assert not offered(None)


def test_the_user_menu_stays_if_the_view_is_gone(site, page, monkeypatch):
    """A line that cannot be asked for is left out; the page is there."""
    submit(site, export, page, HIDDEN)

    def oops(self):
        raise AttributeError("gone")

    monkeypatch.setattr(Mine, "is_offered", property(oops))
    answer = site.get("", user=OWNER)
    assert answer.status == 200
    assert LIST not in answer.body


# accepted


@pytest.fixture
def submits(site, page):
    """The site has a view that submits."""

    def call(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return accepted(
            export.submit(self.context, HIDDEN), back_to=self.request.form.get("back_to", "")
        )

    site.view("submits", call)
    return "page/submits"


def test_accepted_leads_a_browser_to_the_page_that_follows_the_job(site, submits):
    """After a POST: a reload sends nothing again."""
    answer = site.post(submits, {}, user=OWNER)
    (job,) = run()
    url = f"{site.portal.absolute_url()}/{PAGE}/{job.id}?follow=1"
    assert (answer.status, answer.headers["location"]) == (303, url)
    assert answer.headers["cache-control"] == "no-store"


def test_accepted_answers_a_script_202_with_where_to_look(site, submits):
    """And when."""
    answer = site.post(submits, {}, user=OWNER, accept="*/*")
    (job,) = run()
    url = f"{site.portal.absolute_url()}/{PAGE}/{job.id}"
    assert (answer.status, answer.headers["location"]) == (202, url)
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["@id"] == url
    assert (answer.json["id"], answer.json["state"]) == (job.id, "waiting")
    assert answer.json["title"] == "Export the <library>"
    assert HIDDEN not in answer.body


def test_accepted_when_a_browser_goes_elsewhere_tells_it_there_with_a_link(site, page, submits):
    """To who may see the job."""
    back_to = f"{page.absolute_url()}?a=b"
    answer = site.post(submits, {"back_to": back_to}, user=OWNER)
    (job,) = run()
    assert answer.headers["location"] == f"{back_to}&wsgifutures-accepted={job.id}"
    query = {"wsgifutures-accepted": job.id}
    (message,) = fromstring(site.get("page", query=query, user=OWNER).body).cssselect(
        ".portalMessage[role=status]"
    )
    assert words(message) == "“Export the <library>” was accepted. See how far it is"
    assert message.cssselect("a")[0].get("href").endswith(f"{PAGE}/{job.id}")
    for user in (MEMBER, None):
        assert "was accepted" not in site.get("page", query=query, user=user).body


def test_accepted_of_an_anonymous_visitor_goes_back_and_says_so(site, page, submits):
    """Nobody could see the job of nobody: no address is told."""
    answer = site.post(submits, {})
    assert (answer.status, answer.headers["location"]) == (303, page.absolute_url())
    assert "statusmessages" in answer.headers["set-cookie"]
    answer = site.post(submits, {}, accept="*/*")
    assert answer.status == 202
    assert "location" not in answer.headers
    assert "@id" not in answer.json


# Words


@pytest.mark.parametrize("language", ["de", "fi"])
def test_the_pages_are_in_the_language_of_the_site(site, page, look, language):
    """States, buttons and facts."""
    job = submit(site, export, page, HIDDEN)
    english = words(look(f"{PAGE}/{job.id}"))
    api.portal.set_registry_record("plone.available_languages", [language])
    api.portal.set_registry_record("plone.default_language", language)
    transaction.commit()
    text = words(look(f"{PAGE}/{job.id}")), words(look(LIST))
    assert {"de": "Wartend", "fi": "Jonossa"}[language] in text[0]
    assert {"de": "Meine Aufträge", "fi": "Omat työt"}[language] in text[1]
    for word in ("Waiting", "Submitted", "Cancel the job", "Number of"):
        assert word in english
        assert word not in text[0]


def test_times_are_in_the_format_of_the_site(site, page, look):
    """As everywhere in Plone."""
    job = submit(site, export, page, HIDDEN)
    job._wanted.value = job.wanted._replace(submitted=1_800_000_000.0)
    transaction.commit()
    shown = api.portal.get_localized_time(DateTime(1_800_000_000.0), long_format=True)
    assert shown in words(look(f"{PAGE}/{job.id}"))
    assert shown in words(look(LIST))
