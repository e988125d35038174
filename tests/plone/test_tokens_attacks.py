"""A table of attacks, tried with each kind of token that there is, as strong as it can be made.

What is about one kind alone stands with that kind: ``test_pas_*.py``, ``test_restapi_*.py``.
"""

from bearers import change
from bearers import PASSWORD
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.tokens import LEEWAY
from collective.wsgifutures.tokens import sessions
from collective.wsgifutures.tokens.families import find_families
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.scope import make_scope
from collective.wsgifutures.tokens.scope import whole_scope
from collective.wsgifutures.tokens.services import register
from plone import api
from workersite import Outside

import itertools
import json
import pytest
import time
import transaction

BOX = "folder/box"
JANE = "jane@example.com"
JSON = "application/json"
WISH = {"name": "x", "scope": "read:", "ends": "2099-01-01", "user": "admin", "key": {}}


def application(logins):
    return logins.secret(*whole_scope().services, user=JANE)


def session(logins):
    return logins.start()["access_token"]


def service(logins):
    program, now = Outside(logins.site), time.time()
    wish = logins.owner(JANE), whole_scope(), now + 30 * DAY, "boss", now
    register(logins.site.portal, program.public, "Index", *wish)
    transaction.commit()
    return program.token()


def claim(logins):
    """Of a worker elsewhere, for a job of jane about the whole site."""
    return logins.claim(logins.site.portal, change, JANE).token()


def worker(logins):
    """Of a worker elsewhere, with which it claims jobs."""
    return Outside(logins.site).approved().token()


def refresh(logins):
    return logins.start()["refresh_token"]


#: The kinds of tokens that let somebody in; and those that are for one address alone.
LET_IN = (application, session, service, claim)
ALL = (*LET_IN, worker, refresh)

each_that_lets_in = pytest.mark.parametrize("kind", LET_IN, ids=lambda kind: kind.__name__)
each = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)

#: What gives tokens, sessions, users or rights, or is about the work of others.
GAIN = [
    *itertools.product(("GET", "POST"), ("@tokens", "@service-accounts", "@users", "@clock")),
    *itertools.product(("POST",), ("@login-renew", "@logout", f"@users/{JANE}/reset-password")),
    *itertools.product(("GET",), ("@jobs", "@workers", "@futures", "@tokens?all=1", "@groups")),
    *itertools.product(("DELETE",), ("@tokens/x", "@service-accounts/x", "@futures/x")),
    *itertools.product(("GET", "POST"), ("@@wsgifutures-tokens", "@@wsgifutures-tokens-act")),
    *itertools.product(("GET", "POST"), ("@@wsgifutures-tokens-of-all-act", "@@futures-jobs-act")),
    *itertools.product(("GET",), ("@@wsgifutures-workers", "@@wsgifutures-clock")),
    *itertools.product(
        ("GET",), ("@@futures-status-data", "@@futures-metrics", "@@change-password")
    ),
]

#: Ways to write an address below the site.
SPELLINGS = [
    "{}",
    "++api++/{}",
    "folder/box/{}",
    "folder/box/../../{}",
    "/plone//{}",
    "/plone/./{}",
    "/plone/++view++{}",
    "/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/{}",
    "/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/_vh_a/{}",
    "/VirtualHostBase/https/example.com:443/plone/++api++/VirtualHostRoot/{}",
    "/VirtualHostBase/https/example.com:443/plone/folder/VirtualHostRoot/box/{}",
]


@each_that_lets_in
def test_each_of_them_is_good_somewhere(logins, kind):
    """Else nothing below would say anything."""
    token = kind(logins)
    assert logins.ask(BOX).status == 401
    assert logins.ask(BOX, token).status == 200
    assert logins.seen == ["jane"]


@each
def test_no_token_opens_what_gives_more(logins, kind):
    """However its address is written: the answer is the one that anybody gets."""
    token = kind(logins)
    more = {"body": json.dumps(WISH).encode(), "kind": JSON}
    for method, path in GAIN:
        bare, _, query = path.partition("?")
        asked = {"method": method, **(more if method == "POST" else {})}
        asked["query"] = {"all": "1"} if query else {}
        assert logins.is_nobodys(bare, token, **asked), (method, path)
    for spelling, name in itertools.product(SPELLINGS, ("@tokens", "@users", "@login-renew")):
        path = spelling.format(name)
        for method in ("GET", "POST"):
            assert logins.is_nobodys(path, token, method=method), (method, path)


@each
def test_no_token_is_exchanged_for_another_one_at_the_address_for_that(logins, kind):
    """As a refresh token, an assertion, a password, a code; in a header, too."""
    token = kind(logins)
    is_refresh = kind is refresh
    assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    for form in (
        *([] if is_refresh else [{"grant_type": "refresh_token", "refresh_token": token}]),
        {
            "grant_type": "client_credentials",
            "client_assertion_type": assertion,
            "client_assertion": token,
        },
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": token},
        {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token},
        {"grant_type": "password", "username": "jane", "password": token},
        {"grant_type": "authorization_code", "code": token},
    ):
        answer = logins.token(**form)
        assert answer.status in (400, 401), form
        assert "access_token" not in answer.body
        header = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
        bare = {name: value for name, value in form.items() if value != token}
        body = json.dumps(bare).encode()
        answer = logins.ask("@token", None, "POST", headers=header, body=body, kind=JSON)
        assert answer.status in (400, 401), form
    for login in ("jane", JANE):
        assert "error" in logins.log_in(login, token).json


@each
def test_a_header_with_more_than_a_token_is_nobodys(logins, kind):
    """Whoever joins two headers, or lets something follow."""
    token = kind(logins)
    for header in (
        f"Bearer {token}, Bearer {token}",
        f"Bearer x, Bearer {token}",
        f"Bearer Bearer {token}",
        f"Bearer x {token}",
        f'Bearer "{token}"',
        f"Bearer {token}\t.",
        f"Bearer {token};",
        f"Bearer {token}=",
        f"Basic {token}",
        f"DPoP {token}",
        f"Bearer\t{token}",
    ):
        logins.ask(BOX, headers={"HTTP_AUTHORIZATION": header})
        assert "jane" not in logins.seen, header


@each_that_lets_in
def test_a_token_that_is_cut_or_changed_is_nobodys(logins, kind):
    """At each of its places a letter more, less, or another one."""
    token = kind(logins)
    places = [*range(0, len(token), max(1, len(token) // 12)), len(token) - 1]
    for place in places:
        other = "A" if token[place] != "A" else "B"
        for made in (
            token[:place],
            token[:place] + token[place + 1 :],
            token[:place] + other + token[place + 1 :],
            token[:place] + other + token[place:],
        ):
            logins.ask(BOX, made)
            assert "jane" not in logins.seen or _says_the_same(made, token), (place, made)


def _says_the_same(made, token):
    """Tell whether the last letter differs in bits that base64 does not read."""
    return "." in token and made[:-1] == token[:-1] and len(made) == len(token)


@each_that_lets_in
def test_a_user_who_was_deleted_and_made_anew_is_another_one(logins, kind):
    """With the id, the login name and the password of the first one."""
    token = kind(logins)
    assert logins.ask(BOX, token).status == 200
    api.user.delete(username="jane")
    transaction.commit()
    assert logins.is_nobodys(BOX, token)
    portal = logins.site.portal
    portal.acl_users.source_users.addUser("jane", JANE, PASSWORD)
    portal.acl_users.portal_role_manager.assignRoleToPrincipal("Manager", "jane")
    transaction.commit()
    assert logins.ask(BOX, user=(JANE, PASSWORD)).status == 200
    assert logins.is_nobodys(BOX, token)


@each_that_lets_in
def test_a_token_finds_no_more_than_its_user(logins, kind):
    """By criteria, page by page: of what is private, nothing; and no link has the token.

    Of what may not be viewed, but listed, Plone's searches tell the title to anybody.
    """
    portal = logins.site.portal
    portal.acl_users.portal_role_manager.removeRoleFromPrincipal("Manager", "jane")
    transaction.commit()
    token = kind(logins)
    words = [{"i": "path", "o": "plone.app.querystring.operation.string.absolutePath", "v": "/"}]
    body = json.dumps({"query": words, "b_size": 1}).encode()
    asked = [
        ("GET", "@search", {"query": {"b_size": "100"}}),
        ("GET", "@search", {"query": {"b_size": "1", "path": "/plone"}}),
        ("GET", "@search", {"query": {"b_size": "1", "b_start": "1", "sort_on": "modified"}}),
        ("POST", "@querystring-search", {"body": body, "kind": JSON}),
    ]
    for method, path, more in asked:
        answer = logins.ask(path, token, method, **more)
        assert answer.status == 200
        for hidden in ("Inside", "Beside", token):
            assert hidden not in answer.body, path


def test_the_same_searches_find_it_for_who_may_see_it(logins):
    """So that the test above says something."""
    words = [{"i": "path", "o": "plone.app.querystring.operation.string.absolutePath", "v": "/"}]
    body = json.dumps({"query": words, "b_size": 100}).encode()
    found = logins.ask("@querystring-search", application(logins), "POST", body=body, kind=JSON)
    assert "Inside" in found.body
    assert "Inside" in logins.ask("@search", application(logins), query={"b_size": "100"}).body


def test_a_renewal_gives_no_larger_scope(logins):
    """Whatever is asked for: the login has what it was started with."""
    told = logins.start(scope="read:")
    for wish in ("read: write: read:@search", whole_scope().text, "", "session", "claim"):
        told = logins.renew(told["refresh_token"], scope=wish).json
        assert told["scope"] == "read:"
        assert logins.ask(BOX, told["access_token"]).status == 200
        body = {"body": b'{"title": "x"}', "kind": JSON}
        for path, more in (("folder/box", {"method": "PATCH", **body}), ("@search", {})):
            assert logins.is_nobodys(path, told["access_token"], **more)


def test_a_service_account_gets_no_larger_scope(logins):
    """Its assertion says who it is, and nothing of what it may."""
    program, now = Outside(logins.site), time.time()
    wish = logins.owner(JANE), make_scope(["read:"]), now + 30 * DAY, "boss", now
    register(logins.site.portal, program.public, "Index", *wish)
    transaction.commit()
    assertion = program.sign(scope="read: write:", user="admin", may=["write:"])
    token = program.ask(assertion).json["access_token"]
    assert logins.ask(BOX, token).status == 200
    assert logins.is_nobodys("@search", token)
    assert logins.seen == [None]


@pytest.mark.parametrize(("ahead", "is_good"), [(LEEWAY - 2, True), (60, False), (3600, False)])
def test_a_host_whose_clock_is_ahead_makes_tokens_that_are_good_a_little_later(
    logins, ahead, is_good
):
    """Five seconds are nothing; a minute is a wrong clock, of which the doctor tells."""
    logins.start()
    place = place_of(logins.site.portal)
    (family,) = find_families(place).by_id.values()
    answer = sessions.describe(place, family, "", time.time() + ahead).answer
    transaction.commit()
    logins.ask(BOX, answer["access_token"])
    assert ("jane" in logins.seen) == is_good


def test_a_clock_that_goes_back_gives_a_token_no_longer_life(logins, monkeypatch):
    """It is good again as long as the clock is wrong, and no longer than it said."""
    token, now = application(logins), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31 * DAY)
    assert logins.is_nobodys(BOX, token)
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert logins.ask(BOX, token).status == 200
    monkeypatch.setattr(time, "time", lambda: now + 31 * DAY)
    assert logins.is_nobodys(BOX, token)


def test_a_refresh_token_that_is_replayed_anywhere_is_good_for_nothing(logins):
    """After its login was given back, after its reuse, at another address."""
    first = logins.start()["refresh_token"]
    logins.revoke(first)
    for _ in range(2):
        assert logins.renew(first).json["error"] == "invalid_grant"
    other = logins.start()["refresh_token"]
    successors = [logins.renew(other).json["refresh_token"] for _ in range(3)]
    assert len(set(successors)) == 1
    logins.renew(successors[0])
    for again in (other, successors[0]):
        assert logins.renew(again).json["error"] == "invalid_grant"
    assert find_families(place_of(logins.site.portal)).of_user("/plone", "jane") == []
