"""``@futures``: the live status for scripts, with the rules of the page."""

from holdsite import ADMIN
from sitesettings import install
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from snapshots import happened
from snapshots import hold
from snapshots import upstream
from snapshots import Workers

import pytest
import transaction

MANAGER = ("meg", "correct horse battery")  #: of this site alone


@pytest.fixture
def workers(site, tmp_path):
    """A board that nobody has written on, in a site with the add-on."""
    install(site.portal)
    # As plone.restapi's own profile does.
    site.portal.manage_permission("plone.restapi: Use REST API", ["Anonymous"], acquire=1)
    site.portal.acl_users.userFolderAddUser(*MANAGER, ["Member", "Manager"], [])
    transaction.commit()
    return Workers(tmp_path)


@pytest.fixture
def ask(site, workers):
    """Send a request to the endpoint."""

    def send(path="@futures", user=ADMIN, method="GET", **more):
        options = {**workers.settings, "accept": "application/json", "user": user, **more}
        return site.request(method, path, **options)

    return send


def test_it_tells_what_the_page_shows(site, workers, ask):
    """Of all workers together, with where each hold is found."""
    one = hold("/plone/a", user="jane")
    refused = happened("refused", "max_wait", "/plone/b")
    workers.write("000000a1", one, upstreams=[upstream()], last=[refused])
    workers.write("000000b2")
    answer = ask()
    told = answer.json
    url = f"{site.portal.absolute_url()}/@futures"
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert (told["@id"], told["state"]) == (url, "on")
    assert [worker["worker"] for worker in told["workers"]] == ["000000a1", "000000b2"]
    assert (told["counts"]["held"], told["counts"]["slots"]) == (1, 8)
    (held,) = told["holds"]
    assert held["@id"] == f"{url}/000000a1/{one['id']}"
    assert (held["path"], held["user"], held["waiting_on"]) == (
        "/plone/a",
        "jane",
        ["acme.weather.now"],
    )
    assert told["upstreams"][0]["calls"] == 40
    assert told["last"][0]["why"] == "max_wait"
    assert len(told["history"]) == 60


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "no data yet"),
        ({"status_folder": "off"}, "off"),
        ({"held": False}, "this process does not hold responses"),
    ],
)
def test_where_there_is_nothing_to_tell_it_says_why(site, workers, ask, more, state):
    """With empty lists, so that a script needs no case of its own."""
    if "held" in more:
        told = site.get("@futures", user=ADMIN, accept="application/json", **more).json
    else:
        told = ask(**more).json
    assert (told["state"], told["workers"], told["holds"]) == (state, [], [])


def test_one_hold_is_told_as_long_as_it_is_held(workers, ask):
    """404 then."""
    one = hold("/plone/a")
    workers.write("000000a1", one)
    assert ask(f"@futures/000000a1/{one['id']}").json["path"] == "/plone/a"
    workers.write("000000a1")
    assert ask(f"@futures/000000a1/{one['id']}").status == 404


@pytest.mark.parametrize("path", ["@futures/000000a1", "@futures/a/b", "@futures/a/b/c"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_no_hold_is_not_found(workers, ask, path, method):
    """Whatever is written behind the endpoint's name."""
    workers.write("000000a1", hold("/plone/a"))
    assert ask(path, method=method).status == 404


def test_delete_asks_the_worker_to_cancel(workers, ask):
    """202: it does so within a second."""
    one = hold("/plone/a")
    workers.write("000000a1", one)
    answer = ask(f"@futures/000000a1/{one['id']}", method="DELETE")
    assert (answer.status, answer.json["path"]) == (202, "/plone/a")
    assert "asked to cancel" in answer.json["message"]
    assert workers.asked_to_cancel() == [one["id"]]


def test_delete_of_all_is_not_found_and_cancels_nothing(workers, ask):
    """Who wants that says so one by one."""
    workers.write("000000a1", hold("/plone/a"))
    assert ask(method="DELETE").status == 404
    assert workers.asked_to_cancel() == []


@pytest.mark.parametrize("user", [SITE_ADMIN, MEMBER, None])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_who_may_not_gets_nothing_and_cancels_nothing(workers, ask, user, method):
    """The permissions of the page."""
    one = hold("/plone/hidden-page")
    workers.write("000000a1", one)
    for path in ("@futures", f"@futures/000000a1/{one['id']}"):
        answer = ask(path, user, method)
        assert (answer.status, "hidden-page" in answer.body) == (401, False)
    assert workers.asked_to_cancel() == []


def test_who_may_look_and_not_cancel_cancels_nothing(site, workers, ask):
    """401, also for what is listed."""
    one = hold("/plone/a")
    workers.write("000000a1", one)
    view = "collective.wsgifutures: View status"
    site.portal.manage_permission(view, ["Manager", "Site Administrator"])
    transaction.commit()
    path = f"@futures/000000a1/{one['id']}"
    assert ask(path, SITE_ADMIN).json["path"] == "/plone/a"
    assert ask(path, SITE_ADMIN, "DELETE").status == 401
    assert workers.asked_to_cancel() == []


def test_a_manager_of_one_site_gets_and_cancels_nothing_of_another(workers, ask):
    """As on the page."""
    here, there = hold("/plone/a"), hold("/elsewhere/b")
    workers.write("000000a1", here, there)
    told = ask(user=MANAGER).json
    assert [one["path"] for one in told["holds"]] == ["/plone/a"]
    assert told["more_holds"] == 1
    for method in ("GET", "DELETE"):
        assert ask(f"@futures/000000a1/{there['id']}", MANAGER, method).status == 404
    assert workers.asked_to_cancel() == []


def test_a_site_without_the_add_on_has_no_such_endpoint(site):
    """It hangs on the browser layer."""
    assert site.get("@futures", user=ADMIN, accept="application/json").status == 404
