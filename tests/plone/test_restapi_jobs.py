"""``@jobs``: jobs for scripts, with the rules of the pages."""

from collective.wsgifutures import accepted
from collective.wsgifutures.browser.jobs import following
from collective.wsgifutures.jobs import run
from collective.wsgifutures.jobs.records import JobState
from holdsite import ADMIN
from jobsite import bring
from jobsite import export
from jobsite import fail
from jobsite import HIDDEN
from jobsite import OWNER
from jobsite import prepare
from jobsite import secretly
from jobsite import submit
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.services import Service
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from zope.interface import alsoProvides

import pytest
import time

FORM = {"body": b"a=b", "kind": "application/x-www-form-urlencoded"}
ANYBODY = [OWNER, SITE_ADMIN, ADMIN]


@pytest.fixture
def page(site):
    """A page of an editor, who is logged in in this thread, in a site with the add-on."""
    return prepare(site)


@pytest.fixture
def ask(site):
    """Send a request to the endpoint."""

    def send(path="@jobs", user=OWNER, method="GET", **query):
        answer = site.request(method, path, user=user, accept="application/json", query=query)
        site.sync()
        return answer

    return send


def ids(answer):
    return [job["id"] for job in answer.json["items"]]


# Who sees what


@pytest.mark.parametrize(
    ("method", "end"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("POST", "/discard")],
)
@pytest.mark.parametrize("state", [JobState.WAITING, JobState.DEAD])
def test_a_job_of_somebody_else_is_not_found(site, page, ask, method, end, state):
    """As one that does not exist; an anonymous client is told to log in, whatever the id is."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, state)
    for id in (job.id, "0-999", "x"):
        assert ask(f"@jobs/{id}{end}", MEMBER, method).status == 404
        assert ask(f"@jobs/{id}{end}", None, method).status == 401
    assert job.state is state


def test_a_list_is_for_who_is_logged_in(site, page, ask):
    """One's own jobs, the newest first."""
    made = [submit(site, export, page, HIDDEN).id for _ in range(3)]
    assert ask(user=None).status == 401
    assert ids(ask()) == made[::-1]
    assert ids(ask(user=MEMBER)) == ids(ask(user=SITE_ADMIN)) == []


def test_all_jobs_are_for_who_manages_jobs(site, page, ask):
    """Told apart by state, queue and task."""
    one, two = submit(site, export, page, HIDDEN), submit(site, fail, page, HIDDEN)
    bring(site, two, JobState.DEAD)
    assert ask(all=1).status == 401
    assert ids(ask(user=SITE_ADMIN, all=1)) == [two.id, one.id]
    for query, expected in [
        ({"state": "dead"}, [two.id]),
        ({"state": "running"}, []),
        ({"queue": "default"}, [two.id, one.id]),
        ({"queue": "other"}, []),
        ({"task": "jobsite.export"}, [one.id]),
    ]:
        assert ids(ask(user=SITE_ADMIN, all=1, **query)) == expected
    answer = ask(user=SITE_ADMIN, all=1, state="odd")
    assert answer.status == 400
    assert "waiting, running, done, dead, cancelled" in answer.json["message"]


def test_all_jobs_are_those_of_the_site(site, page, ask):
    """A database may have several."""
    from dataclasses import replace

    job = submit(site, export, page, HIDDEN)
    origin = replace(job.wanted.origin, site="/other")
    job._wanted.value = job.wanted._replace(origin=origin)
    bring(site, job, JobState.DEAD)
    assert ids(ask(user=ADMIN, all=1)) == ids(ask()) == []
    assert ask(f"@jobs/{job.id}", ADMIN).status == 404


def test_a_list_comes_in_batches(site, page, ask):
    """As plone.restapi's others."""
    made = [submit(site, export, page, HIDDEN).id for _ in range(5)]
    answer = ask(b_size=2, b_start=2)
    assert ids(answer) == made[::-1][2:4]
    assert answer.json["items_total"] == 5
    assert set(answer.json["batching"]) == {"@id", "first", "last", "next", "prev"}


# What is told


def test_a_job_is_told_with_its_address_and_how_it_is(site, page, ask):
    """But for its arguments."""
    job = submit(site, export, page, HIDDEN)
    answer = ask(f"@jobs/{job.id}")
    told = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert told["@id"] == f"{site.portal.absolute_url()}/@jobs/{job.id}"
    assert (told["state"], told["state_title"], told["attempts"]) == ("waiting", "Waiting", 5)
    assert (told["task"], told["title"]) == ("jobsite.export", "Export the <library>")
    assert told["context"] == {"@id": page.absolute_url(), "title": "A <b> & page"}
    assert told["goes_to"] == f"{page.absolute_url()}/@@exported"
    assert (told["can_cancel"], told["can_retry"]) == (True, False)
    assert HIDDEN not in answer.body
    run()
    told = ask(f"@jobs/{job.id}").json
    assert (told["state"], told["result"], told["due"]) == ("done", "14 books", None)


def test_a_traceback_and_a_user_are_for_who_manages_jobs(site, page, ask):
    """The error itself is for who submitted."""
    job = submit(site, fail, page, HIDDEN)
    run()
    run(time.time() + 100)
    told = ask(f"@jobs/{job.id}").json
    assert (told["state"], told["error"]) == ("dead", "LookupError: no such book")
    assert not {"traceback", "user"} & set(told)
    managed = ask(f"@jobs/{job.id}", SITE_ADMIN).json
    assert "jobsite.py" in managed["traceback"]
    assert managed["user"] == "test_user_1_"


@pytest.mark.parametrize("argument", ["", "fail"])
def test_a_secret_task_tells_no_result_and_no_text_of_its_errors(site, page, ask, argument):
    """To nobody."""
    job = submit(site, secretly, page, argument)
    run()
    site.sync()
    assert job.ended
    for answer in (ask(f"@jobs/{job.id}"), ask(f"@jobs/{job.id}", ADMIN), ask(user=ADMIN, all=1)):
        assert answer.status == 200
        assert job.id in answer.body
        assert HIDDEN not in answer.body


# Waiting


def test_a_client_that_waits_is_answered_when_the_job_has_another_version(
    site, page, ask, monkeypatch
):
    """At once, if it has one already; else its response is held, but not for ever."""
    monkeypatch.setattr(following, "is_held", lambda: True)
    monkeypatch.setattr(following, "LOOK_EVERY", 0.05)
    job = submit(site, export, page, HIDDEN)
    version = ask(f"@jobs/{job.id}").json["version"]
    assert ask(f"@jobs/{job.id}", wait=20, since="old").passes == ["200"]
    answer = ask(f"@jobs/{job.id}", wait="0.2", since=version)
    assert answer.passes == ["Suspended", "200"]
    assert answer.json["version"] == version
    bring(site, job, JobState.RUNNING)
    answer = ask(f"@jobs/{job.id}", wait=20, since=version)
    assert answer.passes == ["200"]
    assert (answer.json["state"], answer.json["again"]) == ("running", 0)


def test_a_client_waits_no_longer_than_a_proxy(site, page, ask, monkeypatch):
    """Whatever it asks for."""
    monkeypatch.setattr(following, "is_held", lambda: True)
    monkeypatch.setattr(following, "LONGEST", 0.2)
    job = submit(site, export, page, HIDDEN)
    version = ask(f"@jobs/{job.id}").json["version"]
    begun = time.monotonic()
    assert ask(f"@jobs/{job.id}", wait=1000, since=version).status == 200
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("wait", ["soon", "-1", "inf", "nan"])
def test_what_is_no_number_of_seconds_is_refused(site, page, ask, wait):
    """Aloud."""
    job = submit(site, export, page, HIDDEN)
    assert ask(f"@jobs/{job.id}", wait=wait).status == 400


# Changes


@pytest.mark.parametrize(("method", "end"), [("DELETE", ""), ("POST", "/cancel")])
def test_a_waiting_job_is_cancelled_and_a_running_one_is_asked_to_end(site, page, ask, method, end):
    """By who submitted it: 200 if that is done, 202 if it was asked."""
    job = submit(site, export, page, HIDDEN)
    answer = ask(f"@jobs/{job.id}{end}", method=method)
    assert (answer.status, answer.json["state"], job.state.value) == (200, *2 * ("cancelled",))
    runs = submit(site, export, page, HIDDEN)
    bring(site, runs, JobState.RUNNING)
    answer = ask(f"@jobs/{runs.id}{end}", method=method)
    assert (answer.status, answer.json["state"]) == (202, "running")
    assert runs.side.cancel


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("action", ["cancel", "retry", "discard"])
def test_each_change_in_each_state(site, page, ask, state, action):
    """409 where it is too late, and then nothing is changed."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, state)
    answer = ask(f"@jobs/{job.id}/{action}", SITE_ADMIN, "POST")
    became = {
        ("cancel", "waiting"): (200, "cancelled"),
        ("cancel", "running"): (202, "running"),
        ("retry", "dead"): (200, "waiting"),
        ("retry", "cancelled"): (200, "waiting"),
        ("discard", "dead"): (200, "cancelled"),
    }.get((action, state.value), (409, state.value))
    assert (answer.status, job.state.value) == became
    if answer.status == 409:
        assert answer.json["type"] == "Conflict"
        assert job.id in answer.json["message"]


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_retry_and_discard_are_refused_to_who_does_not_manage_jobs(site, page, ask, action):
    """Though it is their own job."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DEAD)
    assert ask(f"@jobs/{job.id}/{action}", method="POST").status == 401
    assert job.state is JobState.DEAD


def test_a_discarded_job_is_off_the_list_of_dead_ones(site, page, ask):
    """Nobody has to look after it any more."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DEAD)
    assert ids(ask(user=ADMIN, all=1, state="dead")) == [job.id]
    ask(f"@jobs/{job.id}/discard", ADMIN, "POST")
    assert ids(ask(user=ADMIN, all=1, state="dead")) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "@jobs/0-0/cancel"),
        ("DELETE", "@jobs"),
        ("DELETE", "@jobs/0-0/more"),
        ("POST", "@jobs"),
        ("POST", "@jobs/0-0"),
        ("POST", "@jobs/0-0/explode"),
        ("POST", "@jobs/0-0/cancel/more"),
    ],
)
def test_what_is_not_there_is_not_found(site, page, ask, method, path):
    """And changes nothing."""
    job = submit(site, export, page, HIDDEN)
    assert job.id == "0-0"
    assert ask(path, ADMIN, method).status == 404
    assert job.state is JobState.WAITING


@pytest.mark.parametrize("end", ["cancel", "retry", "discard"])
def test_a_form_of_another_site_changes_no_job(site, page, end):
    """It finds the service under ``++api++``, and a browser adds the cookie of a manager."""
    job = submit(site, export, page, HIDDEN)
    bring(site, job, JobState.DEAD)
    answer = site.request("POST", f"++api++/@jobs/{job.id}/{end}", user=ADMIN, **FORM)
    site.sync()
    assert (answer.status, job.state) == (403, JobState.DEAD)


# accepted


class Start(Service):
    """A service that submits."""

    def reply(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return accepted(export.submit(self.context, HIDDEN))


def test_accepted_in_a_service_answers_with_the_job_under_jobs(site, page, ask):
    """202, Location, Retry-After, and the address again in the body."""
    site.zcml(
        '<plone:service method="POST" name="@start" for="*" factory="test_restapi_jobs.Start"'
        ' permission="zope2.View" />'
    )
    answer = ask("page/@start", method="POST")
    (job,) = run()
    url = f"{site.portal.absolute_url()}/@jobs/{job.id}"
    assert (answer.status, answer.headers["location"]) == (202, url)
    assert answer.headers["retry-after"] == "2"
    assert (answer.json["@id"], answer.json["state"]) == (url, "waiting")
    assert HIDDEN not in answer.body


def test_accepted_in_a_view_that_a_client_of_the_api_asks_answers_in_json(site, page, ask):
    """Zope sends what a view returns as it is."""

    def call(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        return accepted(export.submit(self.context, HIDDEN))

    site.view("starts", call)
    answer = ask("page/@@starts", method="POST")
    assert answer.status == 202
    assert answer.headers["location"] == answer.json["@id"]
    assert "/@jobs/" in answer.json["@id"]
