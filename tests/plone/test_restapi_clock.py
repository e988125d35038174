"""``@clock``: timed work for scripts, of whoever manages jobs."""

from collective.wsgifutures import jobs
from collective.wsgifutures import task
from holdsite import ADMIN
from jobsite import OWNER
from jobsite import prepare
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN

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


@pytest.fixture
def ask(site):
    """Send a request to the endpoint."""
    done.clear()
    prepare(site)
    site.zcml(ZCML)

    def send(path="@clock", user=SITE_ADMIN, method="GET"):
        answer = site.request(method, path, user=user, accept="application/json")
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
    ("method", "path"), [("GET", "@clock"), ("GET", "@clock/x"), ("POST", "@clock/nightly/run")]
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
        ("POST", "@clock"),
        ("POST", "@clock/nightly"),
        ("POST", "@clock/nightly/remove"),
        ("POST", "@clock/nosuch/run"),
    ],
)
def test_what_is_not_there_is_not_found(ask, method, path):
    """Neither an entry nor an act."""
    assert ask(path, method=method).status == 404
