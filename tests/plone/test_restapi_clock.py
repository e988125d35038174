"""``@clock``: timed work for scripts, of whoever manages jobs."""

from AccessControl import getSecurityManager
from collective.wsgifutures import jobs
from collective.wsgifutures import task
from holdsite import ADMIN
from jobsite import OWNER
from jobsite import prepare
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN

import json
import pytest

done = []

ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="nightly" cron="0 3 * * *" task="tests.nightly" timezone="Europe/Helsinki"
    arguments='{"word": "h1dden"}' />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="broken" cron="*/7 * * * * *" task="tests.nosuch" run_as="gone" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="elsewhere" cron="0 3 * * *" task="tests.nightly" site="/other" />
"""


@task(name="tests.nightly", title="Write the report")
def nightly(context, word):
    done.append(word)


@task(name="tests.tidy", title="Tidy up", timed=True)
def tidy(context):
    done.append(getSecurityManager().getUser().getId())


@pytest.fixture
def ask(site):
    """Send a request to the endpoint."""
    done.clear()
    prepare(site)
    site.zcml(ZCML)

    def send(path="@clock", user=SITE_ADMIN, method="GET", kind="application/json", **body):
        sent = {"body": json.dumps(body).encode(), "kind": kind} if body else {}
        answer = site.request(method, path, user=user, accept="application/json", **sent)
        site.sync()
        return answer

    return send


def test_it_tells_what_there_is(ask):
    """Of this site, in words; arguments never."""
    answer = ask()
    assert [entry["name"] for entry in answer.json["items"]] == ["broken", "nightly"]
    told = ask("@clock/nightly").json
    assert told["words"] == "every day at 03:00, Europe/Helsinki"
    assert (told["title"], told["@id"][-14:]) == ("Write the report", "@clock/nightly")
    assert told["next"][14:] == "00:00+00:00"
    assert (told["job"], told["last"], told["paused"], told["error"]) == (None,) * 4
    assert "h1dden" not in answer.body


@pytest.mark.parametrize("user", [None, MEMBER, OWNER])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "@clock"),
        ("GET", "@clock/x"),
        ("POST", "@clock"),
        ("POST", "@clock/nightly/run"),
        ("PATCH", "@clock/x"),
        ("DELETE", "@clock/x"),
    ],
)
def test_only_who_manages_jobs_sees_it(ask, user, method, path):
    """Nobody else learns which names there are."""
    assert ask(path, user, method).status == 401
    jobs.run()
    assert done == []


@pytest.mark.parametrize("user", [SITE_ADMIN, ADMIN])
def test_an_entry_runs_now(ask, user):
    """With a job that can be followed."""
    answer = ask("@clock/nightly/run", user, "POST")
    assert (answer.status, answer.json["job"]["state"]) == (202, "waiting")
    jobs.run()
    assert done == ["h1dden"]
    assert ask("@clock/nightly").json["job"]["state"] == "done"


def test_an_entry_is_paused_and_resumed(ask):
    """While it is paused, nothing is due."""
    told = ask("@clock/nightly/pause", method="POST").json
    assert told["paused"]
    assert told["next"] is None
    told = ask("@clock/nightly/resume", method="POST").json
    assert told["paused"] is None
    assert told["next"]


def test_what_cannot_be_done_is_told(ask):
    """With the reason."""
    answer = ask("@clock/broken/run", method="POST")
    assert answer.status == 409
    assert "There is no task 'tests.nosuch'" in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "@clock/nosuch"),
        ("GET", "@clock/elsewhere"),
        ("GET", "@clock/nightly/run"),
        ("POST", "@clock/nightly"),
        ("PATCH", "@clock"),
        ("PATCH", "@clock/nosuch"),
        ("DELETE", "@clock"),
        ("DELETE", "@clock/elsewhere"),
        ("DELETE", "@clock/nightly/run"),
        ("POST", "@clock/nightly/remove"),
        ("POST", "@clock/nosuch/run"),
    ],
)
def test_what_is_not_there_is_not_found(ask, method, path):
    """Neither an entry nor an act."""
    assert ask(path, method=method).status == 404


# Added


NEW = {"name": "tidy", "cron": "0 3 * * *", "timezone": "Europe/Helsinki", "task": "tests.tidy"}


def test_work_is_added_changed_and_removed(ask):
    """It runs as whoever added it."""
    assert {"name": "tests.tidy", "title": "Tidy up"} in ask().json["tasks"]
    answer = ask(method="POST", **NEW)
    assert (answer.status, answer.headers["location"][-11:]) == (201, "@clock/tidy")
    assert (answer.json["run_as"], answer.json["added_by"]) == ("sally", "sally")
    told = ask("@clock/tidy", method="PATCH", cron="0 4 * * *").json
    assert told["words"] == "every day at 04:00, Europe/Helsinki"
    assert ask("@clock/tidy/run", method="POST").status == 202
    jobs.run()
    assert done == ["sally"]
    assert ask("@clock/tidy", method="DELETE").status == 204
    assert ask("@clock/tidy").status == 404


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"cron": "at night"}, "cron", "every day at 03:00"),
        ({"timezone": "Mars"}, "timezone", "Europe/Helsinki"),
        ({"task": "tests.nightly"}, "task", "tests.tidy"),
        ({"task": "os"}, "task", "offered"),
        ({"name": "a/b"}, "name", "letters"),
        ({"name": "nightly"}, "name", "other timed work"),
        ({"name": ["a"]}, "name", "is not a text"),
        ({"run_as": "half a pair \udc80"}, "run_as", "no user of this site"),
        ({"context": "nosuch"}, "context", "below the site"),
        ({"run_as": "admin"}, "run_as", "only Managers"),
        ({"timeout": 0}, "timeout", "above 0"),
        ({"cron": 3}, "cron", "is not a text"),
        ({"roles": "Manager"}, "roles", "is not an option"),
        ({"arguments": {"a": 1}}, "arguments", "is not an option"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(ask, changes, field, said):
    """And nothing is added."""
    answer = ask(method="POST", **{**NEW, **changes})
    assert (answer.status, answer.json["type"]) == (400, "BadRequest")
    assert answer.json["field"] == field
    assert said in answer.json["message"]
    assert [entry["name"] for entry in ask().json["items"]] == ["broken", "nightly"]


def test_the_name_stays(ask):
    """It is a part of the address, and what has run is kept by it."""
    assert ask(method="POST", **NEW).status == 201
    answer = ask("@clock/tidy", method="PATCH", name="other")
    assert (answer.status, answer.json["field"]) == (400, "name")


def test_what_is_declared_stays(ask):
    """The message says where to change it."""
    for method, body in (("PATCH", {"cron": "0 4 * * *"}), ("DELETE", {})):
        answer = ask("@clock/nightly", method=method, **body)
        assert (answer.status, answer.json["type"]) == (409, "Conflict")
        assert "ZCML" in answer.json["message"]
    assert ask("@clock/nightly").json["cron"] == "0 3 * * *"


FORM = {"body": b"a=b", "kind": "application/x-www-form-urlencoded"}
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'


@pytest.mark.parametrize(
    "sent",
    [
        FORM,
        {**FORM, "kind": "text/plain"},
        {"body": MULTIPART, "kind": "multipart/form-data; boundary=x"},
        {"headers": {"HTTP_SEC_FETCH_SITE": "cross-site"}},
        {"headers": {"HTTP_SEC_FETCH_SITE": "same-site"}},
        {"headers": {"HTTP_ORIGIN": "http://evil.example.org"}},
        {"headers": {"HTTP_ORIGIN": "null"}},
    ],
)
@pytest.mark.parametrize("path", ["@clock/nightly/pause", "++api++/@clock/nightly/pause"])
def test_a_page_of_another_site_lets_no_browser_do_anything(site, ask, sent, path):
    """A form finds the service, too; and a script of such a page sends Accept."""
    answer = site.request("POST", path, user=SITE_ADMIN, accept="application/json", **sent)
    assert (answer.status, "application/json" in answer.json["message"]) == (403, True)
    assert ask("@clock/nightly").json["paused"] is None


@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"HTTP_SEC_FETCH_SITE": "same-origin"}},
        {"headers": {"HTTP_ORIGIN": "http://nohost"}},
        {"headers": {"HTTP_SEC_FETCH_SITE": "cross-site"}, **FORM, "kind": "application/json"},
        {},
    ],
)
def test_whoever_is_no_page_of_another_site_does_it(site, ask, sent):
    """A program, a page of this site, and one that this site lets ask by CORS."""
    path = "@clock/nightly/pause"
    answer = site.request("POST", path, user=SITE_ADMIN, accept="application/json", **sent)
    assert (answer.status, answer.json["paused"] is not None) == (200, True)


def test_a_form_of_another_site_adds_nothing(ask):
    """A browser sends no JSON for it."""
    assert ask(method="POST", kind="text/plain", **NEW).status == 400
    assert ask("@clock/tidy").status == 404
