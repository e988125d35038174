"""``@tokens``: people make, see and revoke application tokens."""

from collective.wsgifutures.keys.opaque import APPLICATION
from collective.wsgifutures.keys.opaque import is_secret
from collective.wsgifutures.tokens import acts
from datetime import date
from datetime import timedelta
from holdsite import ADMIN
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN

import json
import pytest
import transaction

ME = (TEST_USER_NAME, TEST_USER_PASSWORD)
SOON = (date.today() + timedelta(days=30)).isoformat()
MULTIPART = "multipart/form-data; boundary=x"
WISH = {"name": "Export", "scope": "read: read:@search", "ends": SOON}


@pytest.fixture
def ask(site, tokens):
    """Send a request to ``@tokens``."""

    def send(path="@tokens", user=MEMBER, method="GET", wish=None, kind="application/json", **more):
        body = b"" if wish is None else json.dumps(wish).encode()
        accept = "application/json"
        return site.request(method, path, user=user, body=body, kind=kind, accept=accept, **more)

    return send


@pytest.fixture
def make(ask):
    """Make a token; return what the answer tells."""

    def send(user=MEMBER, **changes):
        answer = ask(user=user, method="POST", wish={**WISH, **changes})
        assert answer.status == 201, answer.body
        return answer.json

    return send


def test_a_token_is_made_shown_once_and_good(ask, make, tokens):
    """Nobody keeps the answer."""
    answer = ask(user=ME, method="POST", wish=WISH)
    told = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    assert is_secret(told["token"], APPLICATION)
    assert (told["name"], told["scope"], told["state"]) == ("Export", "read: read:@search", "good")
    assert told["ends"][:10] == SOON
    assert tokens.ask("folder/box", told["token"]).status == 200
    for path in ("@tokens", f"@tokens/{told['id']}"):
        seen = ask(path, user=ME)
        assert told["token"] not in seen.body
        assert told["id"] in seen.body


def test_one_sees_ones_own_tokens_and_no_others(ask, make):
    """Those of others are not there."""
    mine, other = make(), make(user=SITE_ADMIN)
    assert [each["id"] for each in ask().json["items"]] == [mine["id"]]
    assert ask(f"@tokens/{other['id']}").status == 404
    assert ask(f"@tokens/{other['id']}", method="DELETE").status == 404
    assert ask("@tokens", query={"all": "1"}).status == 401


def test_a_token_is_revoked_and_good_for_nothing(ask, make, tokens):
    """Again: it stays as it is."""
    told = make(user=ME)
    for _ in range(2):
        answer = ask(f"@tokens/{told['id']}", user=ME, method="DELETE")
        assert (answer.status, answer.json["state"]) == (200, "revoked")
    assert tokens.is_nobodys("folder/box", told["token"])


def test_an_administrator_sees_and_ends_all(ask, make):
    """And finds them by user and state."""
    mine, other = make(), make(user=SITE_ADMIN)
    ids = {each["id"] for each in ask(user=ADMIN, query={"all": "1"}).json["items"]}
    assert ids == {mine["id"], other["id"]}
    assert ask(f"@tokens/{mine['id']}", user=ADMIN, method="DELETE").json["state"] == "revoked"
    found = ask(user=ADMIN, query={"all": "1", "state": "revoked"}).json["items"]
    assert [each["id"] for each in found] == [mine["id"]]
    found = ask(user=ADMIN, query={"all": "1", "user": other["user"]}).json["items"]
    assert [each["id"] for each in found] == [other["id"]]


def test_an_administrator_makes_one_for_a_service_user_and_nobody_else_does(ask, make, tokens):
    """The token is that user's, and says who made it."""
    answer = ask(user=ADMIN, method="POST", wish={**WISH, "user": TEST_USER_ID})
    told = answer.json
    assert (answer.status, told["user"], told["made_by"]) == (201, TEST_USER_ID, "admin")
    tokens.ask("folder/box", told["token"])
    assert tokens.seen == [TEST_USER_ID]
    answer = ask(method="POST", wish={**WISH, "user": TEST_USER_ID})
    assert (answer.status, answer.json["type"]) == (401, "Unauthorized")


def test_a_manager_of_a_site_makes_none_for_a_user_of_zope(site, ask, tokens):
    """Who may have rights in other sites, too, and content can be copied from there."""
    answer = ask(user=ME, method="POST", wish={**WISH, "user": "admin"})
    assert (answer.status, answer.json["type"]) == (400, "BadRequest")
    assert "“admin” is a user of Zope, and not of this site" in answer.json["message"]
    assert acts.all_of(site.portal) == []
    site.portal.aq_parent.acl_users.userFolderAddUser("robot", "s3cret-s3cret", ["Member"], [])
    transaction.commit()
    assert ask(user=ME, method="POST", wish={**WISH, "user": "robot"}).status == 400
    for user in ("robot", "admin"):
        assert ask(user=ADMIN, method="POST", wish={**WISH, "user": user}).status == 201


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "what the token is for"),
        ({"name": 7}, "what the token is for"),
        ({"scope": ""}, "Choose what the token may do"),
        ({"scope": "read:@users"}, "read:@users is not offered"),
        ({"scope": "read:@search part:abc"}, "needs the whole site"),
        ({"scope": None}, "scope is not a text"),
        ({"ends": "soon"}, "no date, as 2027-03-01"),
        ({"ends": None}, "ends is not a text"),
        ({"ends": "2020-01-01"}, "at most a year"),
        ({"ends": "9999-12-31"}, "at most a year"),
        ({"user": "nobody-here"}, "no user 'nobody-here'"),
        ({"user": "half a pair \udc80"}, "no user 'half a pair"),
    ],
)
def test_what_cannot_be_made_says_why(site, ask, changes, words):
    """And nothing is made."""
    answer = ask(user=ADMIN, method="POST", wish={**WISH, **changes})
    assert (answer.status, answer.json["type"]) == (400, "BadRequest")
    assert words in answer.json["message"]
    assert acts.all_of(site.portal) == []


def test_another_site_lets_no_browser_make_one(site, ask):
    """A form is refused."""
    for kind in ("application/x-www-form-urlencoded", "text/plain", MULTIPART):
        assert ask(user=ADMIN, method="POST", wish=WISH, kind=kind).status == 400
    assert acts.all_of(site.portal) == []


def test_anonymous_has_none(ask):
    """Whatever is asked."""
    for method in ("GET", "POST", "DELETE"):
        assert ask(user=None, method=method, wish=WISH).status == 401


def test_no_token_makes_or_ends_another_one(ask, tokens):
    """Whatever its scope."""
    secret = tokens.secret("read:", "write:")
    body = json.dumps(WISH).encode()
    for method in ("GET", "POST"):
        assert tokens.is_nobodys(
            "@tokens", secret, method=method, body=body, kind="application/json"
        )


def test_what_can_be_asked_for_is_told(ask):
    """In words, with the words of a scope."""
    items = {each["name"]: each for each in ask("@tokens/offers").json["items"]}
    assert items[""]["read"] == "read:"
    assert items["@search"] == {
        "name": "@search",
        "title": "Search",
        "read": "read:@search",
        "write": None,
        "whole_site": True,
    }
    assert "@users" not in items
