"""``@login`` with a refresh token, ``@token`` that renews it, ``@token-revoke`` that ends it."""

from bearers import PASSWORD
from collective.wsgifutures.interfaces import IWSGIFuturesLayer
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.opaque import is_secret
from collective.wsgifutures.keys.opaque import REFRESH
from collective.wsgifutures.keys.opaque import write_secret
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.keys.tokens import verify
from collective.wsgifutures.tokens import sessions
from collective.wsgifutures.tokens.families import DAY
from collective.wsgifutures.tokens.families import find_families
from collective.wsgifutures.tokens.families import GRACE
from collective.wsgifutures.tokens.families import IDLE
from collective.wsgifutures.tokens.families import LONGEST_LIFE
from collective.wsgifutures.tokens.families import read_shown
from collective.wsgifutures.tokens.scope import whole_scope
from collective.wsgifutures.workers.events import TokenDenied
from collective.wsgifutures.workers.events import TokenIssued
from logins import JSON
from plone import api
from plone.restapi.services.auth.login import Login
from test_pas_scope import OUTSIDE
from test_pas_services import _is_offered
from zope.event import subscribers

import json
import jwt
import logging
import pytest
import time
import transaction

BOX = "folder/box"
MEMBERS = {
    "access_token",
    "token_type",
    "expires_in",
    "refresh_token",
    "refresh_expires_in",
    "scope",
}


@pytest.fixture
def families(site, logins):
    """The families of the site, as they are now."""

    def look():
        site.sync()
        return find_families(place_of(site.portal))

    return look


@pytest.fixture
def move_back(site, families):
    """Let everything that is kept be so many seconds older."""

    def move(seconds):
        for family in families().by_id.values():
            family.started -= seconds
            family.used -= seconds
        transaction.commit()

    return move


@pytest.fixture
def denied():
    """What is told of tokens that were given or not."""
    noted = []

    def note(event):
        if isinstance(event, TokenIssued | TokenDenied):
            noted.append(event)

    subscribers.append(note)
    yield noted
    subscribers.remove(note)


def check_refused(answer, error="invalid_grant", status=400):
    """Check an error of RFC 6749."""
    assert (answer.status, answer.json["error"]) == (status, error)
    assert set(answer.json) == {"error", "error_description"}
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")


# Logging in


def test_a_login_gives_a_pair_of_tokens(logins, site):
    """In the members of RFC 6749, for no cache to keep."""
    answer = logins.log_in()
    told = answer.json
    assert (answer.status, set(told)) == (200, MEMBERS)
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert is_secret(told["refresh_token"], REFRESH)
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 600)
    assert told["refresh_expires_in"] == pytest.approx(IDLE, abs=3)
    assert told["scope"] == whole_scope().text
    claims = verify(site.portal, told["access_token"], ACCESS)
    assert jwt.get_unverified_header(told["access_token"])["typ"] == "at+jwt"
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == (
        "jane",
        "session",
        600,
    )
    assert claims["family"] == read_shown(told["refresh_token"]).family
    assert claims["auth_time"] == pytest.approx(time.time(), abs=3)


@pytest.mark.parametrize(("login", "id"), [("jane@example.com", "jane"), ("boss", "boss")])
def test_the_access_token_is_the_user(logins, login, id):
    """Whose login name may differ from the id; of the site, or of Zope's root."""
    told = logins.start(login=login)
    answer = logins.ask(BOX, told["access_token"])
    assert (answer.status, answer.json["title"], logins.seen) == (200, "Box", [id])


def test_a_login_gives_no_session_of_plone_restapi(logins):
    """Neither its token nor a cookie: they are good for everything."""
    plain, renewed = logins.log_in(refresh=None), logins.log_in()
    assert "set-cookie" in plain.headers
    assert set(plain.json) == {"token"}
    assert "set-cookie" not in renewed.headers
    assert "token" not in renewed.json


def test_a_token_that_plone_restapi_keeps_is_dropped(logins, site):
    """It would be good for twelve hours, for whoever reads the database."""
    plugin = site.portal.acl_users.jwt_auth
    plugin.store_tokens = True
    transaction.commit()
    logins.start()
    site.sync()
    assert [*plugin._tokens["jane"]] == []
    logins.log_in(refresh=None)
    site.sync()
    assert len(plugin._tokens["jane"]) == 1


@pytest.mark.parametrize("refresh", [None, False, "true", 1])
def test_without_refresh_all_is_as_plone_restapi_does_it(logins, families, refresh):
    """The answer, and what is kept."""
    answer = logins.log_in(refresh=refresh)
    assert (answer.status, set(answer.json)) == (200, {"token"})
    assert families() is None
    assert logins.ask("@users", answer.json["token"]).status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "no"},
        {"login": "nobody"},
        {"login": "jane"},  # the id
        {"password": None},
        {"login": None},
        {"login": ""},
    ],
)
def test_who_is_not_logged_in_gets_the_answer_of_plone_restapi(logins, families, wrong):
    """Without a word of ours, in the body or the headers."""
    plain, answer = logins.log_in(**wrong, refresh=None), logins.log_in(**wrong)
    assert answer.status in (400, 401)
    assert (answer.status, answer.body) == (plain.status, plain.body)
    assert answer.headers.get("set-cookie") == plain.headers.get("set-cookie")
    assert families() is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Login and password must be provided"),
        (b"{}", "Login and password must be provided"),
        (b"[]", "Malformed body"),
        (b"7", "Malformed body"),
        (b"{", "No JSON object could be decoded"),
    ],
)
def test_what_is_no_login_gets_the_answer_of_plone_restapi(logins, body, words):
    """Whatever it is."""
    assert words in logins.ask("@login", None, "POST", body=body, kind=JSON).body


def test_a_scope_and_a_name_can_be_asked_for(logins, families):
    """And nothing else is given."""
    told = logins.start(scope="read:@search read:", name="A phone")
    assert told["scope"] == "read: read:@search"
    (family,) = families().of_user("/plone", "jane")
    assert (family.name, family.scope.text) == ("A phone", told["scope"])
    token = told["access_token"]
    assert logins.ask(BOX, token).status == 200
    assert logins.ask("@search", token).status == 200
    assert logins.is_nobodys(f"{BOX}/@history", token)
    assert logins.is_nobodys(BOX, token, method="PATCH", body=b"{}", kind=JSON)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"scope": ""}, "Choose what the token may do"),
        ({"scope": "read:@users"}, "read:@users is not offered"),
        ({"scope": 7}, "7 is not offered"),
        ({"scope": "read:@search part:abc"}, "whole site"),
        ({"name": "x" * 101}, "what the token is for"),
        ({"name": ["x"]}, "what the token is for"),
        ({"name": "a\nb"}, "what the token is for"),
    ],
)
def test_what_cannot_be_had_says_why(logins, families, wish, words):
    """And nothing is given, nor a cookie."""
    answer = logins.log_in(**wish)
    assert (answer.status, answer.json["error"]["type"]) == (400, "BadRequest")
    assert words in answer.json["error"]["message"]
    assert "set-cookie" not in answer.headers
    assert families() is None


# An add-on that asks for a second factor


class SecondFactor(Login):
    def reply(self):
        body = json.loads(self.request["BODY"])
        if body.get("code") != "123456":
            self.request.response.setStatus(401)
            return {"error": {"type": "SecondFactor", "message": "Send the code."}}
        return super().reply()


class Postponed(Login):
    def reply(self):
        answer = super().reply()
        answer.pop("token", None)
        return {"next": "Send the code."}


SERVICE = """
    <plone:service xmlns:plone="http://namespaces.plone.org/plone" method="POST" name="@login"
        factory="{}" for="plone.base.interfaces.IPloneSiteRoot" permission="zope.Public" {} />
"""
OURS = SERVICE.format(
    "collective.wsgifutures.restapi.login.Login",
    'layer="collective.wsgifutures.interfaces.IWSGIFuturesLayer"',
)


def add_login(site, name):
    """Register a service in place of plone.restapi's; ours is in the same registry, as always."""
    theirs = SERVICE.format(f"test_restapi_login.{name}", "")
    site.zcml(f'<include package="plone.rest" file="meta.zcml" />{theirs}{OURS}')


def test_an_add_on_that_asks_for_more_is_asked_first(logins, site, families):
    """What it says is what happens."""
    add_login(site, "SecondFactor")
    answer = logins.log_in()
    assert (answer.status, answer.json["error"]["type"]) == (401, "SecondFactor")
    assert logins.log_in(code="123456", password="no").status == 401
    assert families() is None
    assert set(logins.start(code="123456")) == MEMBERS


def test_an_answer_without_a_token_is_no_login(logins, site, families):
    """Though its status is 200."""
    add_login(site, "Postponed")
    answer = logins.log_in()
    assert (answer.status, answer.json) == (200, {"next": "Send the code."})
    assert "set-cookie" not in answer.headers
    assert families() is None


# Renewing


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", JSON])
@pytest.mark.parametrize("accept", [JSON, "*/*"])
def test_a_refresh_token_gives_the_next_pair(logins, kind, accept):
    """In the same members; as a form, as OAuth has it, or as JSON."""
    first = logins.start(scope="read:")
    answer = logins.renew(first["refresh_token"], kind=kind, accept=accept)
    assert (answer.status, set(answer.json)) == (200, MEMBERS)
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert answer.headers["content-type"] == JSON
    second = answer.json
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == "read:"
    assert logins.ask(BOX, second["access_token"]).status == 200
    assert logins.ask(BOX, first["access_token"]).status == 200  # until its end
    assert logins.renew(second["refresh_token"]).status == 200


def test_a_lost_answer_can_be_asked_for_again(logins, site):
    """The very same refresh token, and nothing of it is written."""
    first = logins.start()["refresh_token"]
    second = logins.renew(first).json["refresh_token"]
    before = site.commits
    assert {logins.renew(first).json["refresh_token"] for _ in range(5)} == {second}
    assert site.commits == before
    assert logins.renew(second).status == 200


def test_a_refresh_writes_one_transaction_though_somebody_is_logged_in(logins, site):
    """plone.protect does not drop it."""
    secret, before = logins.start()["refresh_token"], site.commits
    logins.renew(secret)
    assert site.commits == before + 1


def test_renewals_make_no_new_records(logins, site):
    """Each is a new state of the one that is there: a pack leaves the last."""
    secret = logins.start()["refresh_token"]
    secret = logins.renew(secret).json["refresh_token"]
    storage, commits = site.portal._p_jar.db().storage, site.commits
    before = len(storage)
    for _ in range(30):
        secret = logins.renew(secret).json["refresh_token"]
    assert (len(storage), site.commits) == (before, commits + 30)
    assert logins.renew(secret).status == 200


def test_a_token_that_is_used_again_ends_the_family(logins, move_back, families, site):
    """Two parties have had it: nobody can tell who is the thief. It is told, and logged."""
    site.log.set_level(logging.INFO)
    first = logins.start()
    second = logins.renew(first["refresh_token"]).json
    move_back(GRACE)
    logins.told()
    check_refused(logins.renew(first["refresh_token"]))
    assert not families().by_id
    (event,) = logins.events
    assert (type(event).__name__, event.site, event.user) == ("SessionReused", "/plone", "jane")
    assert event.address == "127.0.0.1"
    assert f"the family {event.family} of jane was used again" in site.log.text
    check_refused(logins.renew(second["refresh_token"]))
    for told in (first, second):
        assert logins.is_nobodys(BOX, told["access_token"])


def test_an_earlier_token_ends_the_family_at_once(logins, families):
    """Its successor was used."""
    secrets = [logins.start()["refresh_token"]]
    for _ in range(2):
        secrets.append(logins.renew(secrets[-1]).json["refresh_token"])
    check_refused(logins.renew(secrets[0]))
    assert not families().by_id


def test_what_somebody_makes_up_ends_nothing(logins):
    """Though it begins with the id of a family, which is in logs."""
    secret = logins.start()["refresh_token"]
    id = bytes.fromhex(read_shown(secret).family)
    check_refused(logins.renew(write_secret(REFRESH, id + bytes(26))))
    check_refused(logins.renew(secret[:-1] + ("0" if secret[-1] != "0" else "1")))
    assert logins.renew(secret).status == 200


@pytest.mark.parametrize("secret", ["x", "é", "wsgifutures_refresh_", "a b", "x" * 9000])
def test_what_is_no_refresh_token_is_refused(logins, secret):
    """With the code of RFC 6749."""
    check_refused(logins.renew(secret))


def test_a_request_without_one_is_invalid(logins):
    """With another code."""
    check_refused(logins.token(grant_type="refresh_token"), "invalid_request")
    check_refused(logins.token(grant_type="refresh_token", refresh_token=""), "invalid_request")
    unknown = logins.token(grant_type="password", refresh_token="x")
    check_refused(unknown, "unsupported_grant_type")
    for grant in ("refresh_token", "client_credentials"):
        assert grant in unknown.json["error_description"]


def test_other_tokens_of_ours_are_no_refresh_tokens(logins):
    """Neither an access token nor an application token gives another one."""
    told = logins.start()
    for other in (told["access_token"], logins.secret("read:")):
        check_refused(logins.renew(other))
    assert logins.is_nobodys(BOX, told["refresh_token"])


def test_a_token_in_the_address_is_not_read(logins):
    """It would be in logs."""
    query = {"grant_type": "refresh_token", "refresh_token": logins.start()["refresh_token"]}
    more = {"query": query, "body": b"x=y", "kind": "application/x-www-form-urlencoded"}
    check_refused(logins.ask("@token", None, "POST", **more), "invalid_request")


def test_tokens_are_told_and_no_log_has_one(logins, site, denied):
    """Nor an event; a failure is told once a minute, however often it comes."""
    site.log.set_level(logging.DEBUG)
    told = logins.start(name="A phone")
    renewed = logins.renew(told["refresh_token"]).json
    for _ in range(3):
        logins.renew("wrong")
    assert logins.told() == ["SessionStarted"]
    (begun, given, refused) = denied
    assert (begun.grant, begun.subject) == ("login", "jane")
    assert (given.grant, given.subject) == ("refresh_token", "jane")
    assert (refused.grant, refused.reason) == ("refresh_token", "it is not well-formed")
    own = [r.getMessage() for r in site.log.records if r.name.startswith("collective.wsgifutures")]
    assert len([line for line in own if line.startswith("No token for")]) == 1
    for each in (told, renewed):
        for name in ("access_token", "refresh_token"):
            assert each[name] not in site.log.text
            assert each[name] not in repr(denied)


# Ends


def test_a_login_that_nobody_renews_ends(logins, move_back):
    """Thirty days after its last use; its access tokens, too."""
    told = logins.start()
    move_back(IDLE - 60)
    told = logins.renew(told["refresh_token"]).json
    move_back(IDLE)
    check_refused(logins.renew(told["refresh_token"]))
    assert logins.is_nobodys(BOX, told["access_token"])


def test_a_login_ends_after_half_a_year(logins, move_back):
    """However often it was renewed, and the client knows when."""
    told = logins.start()
    for _ in range(8):
        move_back(20 * DAY)
        told = logins.renew(told["refresh_token"]).json
    assert told["refresh_expires_in"] == pytest.approx(LONGEST_LIFE - 160 * DAY, abs=10)
    move_back(20 * DAY)
    check_refused(logins.renew(told["refresh_token"]))
    assert logins.is_nobodys(BOX, told["access_token"])


def by_another_password(logins):
    api.user.get("jane").setSecurityProfile(password="another horse battery")


def by_logging_out_everywhere(logins):
    end_all(logins.site.portal, "/plone", "jane")


def by_being_deleted(logins):
    api.user.delete(username="jane")


def by_being_deleted_and_made_anew(logins):
    api.user.delete(username="jane")
    transaction.commit()
    logins.site.portal.acl_users.source_users.addUser("jane", "jane@example.com", PASSWORD)


def by_being_renamed(logins):
    """The id is gone."""
    logins.site.portal.acl_users.source_users.removeUser("jane")
    logins.site.portal.acl_users.source_users.addUser("jane2", "jane@example.com", PASSWORD)


@pytest.mark.parametrize(
    "change",
    [
        by_another_password,
        by_logging_out_everywhere,
        by_being_deleted,
        by_being_deleted_and_made_anew,
        by_being_renamed,
    ],
)
def test_what_ends_the_user_s_tokens_ends_a_login_at_once(logins, families, change):
    """The access token, and the refresh token; nobody else's."""
    told, other = logins.start(), logins.start(login="boss")
    assert logins.ask(BOX, told["access_token"]).status == 200
    change(logins)
    transaction.commit()
    logins.told()
    assert logins.is_nobodys(BOX, told["access_token"])
    check_refused(logins.renew(told["refresh_token"]))
    assert logins.told() == ["SessionEnded"]
    assert [family.user for family in families().by_id.values()] == ["boss"]
    assert logins.ask(BOX, other["access_token"]).status == 200
    assert logins.renew(other["refresh_token"]).status == 200


def test_a_user_of_zopes_root_ends_all_in_the_root(logins, site):
    """Where such a user is at home."""
    told = logins.start(login="boss")
    end_all(site.portal.aq_parent, "", "boss")
    transaction.commit()
    assert logins.is_nobodys(BOX, told["access_token"])
    check_refused(logins.renew(told["refresh_token"]))


@pytest.mark.parametrize("which", ["current", "earlier", "access"])
def test_a_client_gives_its_tokens_back(logins, families, which):
    """With whichever it has (RFC 7009): all of the login are nobody's at once."""
    first = logins.start()
    told = logins.renew(first["refresh_token"]).json
    logins.told()
    token = {
        "current": told["refresh_token"],
        "earlier": first["refresh_token"],
        "access": told["access_token"],
    }[which]
    answer = logins.revoke(token, token_type_hint="access_token")
    assert (answer.status, answer.body) == (200, "")
    assert answer.headers["cache-control"] == "no-store"
    assert logins.told() == ["SessionEnded"]
    assert not families().by_id
    assert logins.is_nobodys(BOX, told["access_token"])
    check_refused(logins.renew(told["refresh_token"]))
    assert logins.revoke(token).status == 200


def test_an_application_token_is_given_back(logins):
    """By whoever has found it in a repository."""
    secret = logins.secret("read:")
    assert logins.ask(BOX, secret).status == 200
    assert logins.revoke(secret).status == 200
    assert logins.is_nobodys(BOX, secret)
    assert logins.told()[:2] == ["AppTokenMade", "AppTokenUsed"]


def test_what_is_unknown_is_given_back_and_nothing_happens(logins, site):
    """The answer is the same, so it tells nothing."""
    told, before = logins.start(), site.commits
    id = bytes.fromhex(read_shown(told["refresh_token"]).family)
    job = mint(site.portal, ACCESS, {"sub": "jane", "scope": "job", "family": id.hex()}, 60)
    made_up = write_secret(REFRESH, id + bytes(26))
    transaction.abort()
    for token in ("x", "é", made_up, "wsgifutures_app_x", told["access_token"][:-4] + "AAAA", job):
        answer = logins.revoke(token)
        assert (answer.status, answer.body) == (200, "")
    assert site.commits == before
    assert logins.renew(told["refresh_token"]).status == 200


def test_what_is_no_request_to_revoke_is_refused(logins):
    """With the code of RFC 6749; an address is not read."""
    check_refused(logins.revoke(""), "invalid_request")
    check_refused(logins.revoke("x", kind="text/plain"), "invalid_request")
    answer = logins.ask("@token-revoke", query={"token": logins.start()["refresh_token"]})
    assert answer.status == 405


# What an access token is good for


def test_an_access_token_is_nobody_where_nothing_is_offered(logins):
    """Sessions, users, settings, the Classic UI and its forms, WebDAV, the Management Interface."""
    token = logins.start()["access_token"]
    closed = [(m, p) for m, p in OUTSIDE if not _is_offered(m, p)]
    assert len(closed) > 70
    for method, path in closed:
        assert logins.is_nobodys(path, token, method=method), (method, path)


def test_an_access_token_cannot_be_exchanged_for_more(logins):
    """Neither for a session of plone.restapi, nor for a token of ours."""
    token = logins.start()["access_token"]
    for path in ("@login-renew", "@login", "@token", "@tokens", "@service-accounts"):
        answer = logins.ask(path, token, "POST", body=b"{}", kind=JSON)
        assert "jane" not in logins.seen
        assert answer.status in (400, 401)
    for path in ("@users", "@controlpanels", "@tokens", "@service-accounts"):
        assert logins.is_nobodys(path, token)


@pytest.mark.parametrize("token", ["access_token", "refresh_token"])
def test_a_token_in_a_query_string_or_a_cookie_is_nobodys(logins, token):
    """The header alone counts."""
    value = logins.start()[token]
    for more in (
        {"query": {"access_token": value}},
        {"headers": {"HTTP_COOKIE": f"__ac={value}; access_token={value}"}},
    ):
        logins.ask(BOX, **more)
        assert "jane" not in logins.seen


def test_a_part_of_the_site_is_all_there_is(logins):
    """A login can be for a folder."""
    uid = api.content.get_uuid(logins.box)
    token = logins.start(scope=f"read: part:{uid}")["access_token"]
    assert logins.ask(BOX, token).status == 200
    assert logins.is_nobodys("folder/other", token)
    assert logins.is_nobodys("", token)


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "boss"},
        {"family": "00"},
        {"family": None},
        {"family": 7},
        {"family": ["x"]},
        {"scope": "sessions"},
        {"scope": "service"},
        {"scope": "claim"},
    ],
)
def test_a_token_that_says_something_else_is_nobodys(logins, site, change):
    """Also one that the site has signed: what is kept counts."""
    claims = verify(site.portal, logins.start()["access_token"], ACCESS)
    good = {name: claims[name] for name in ("sub", "client_id", "scope", "family", "auth_time")}
    token = mint(site.portal, ACCESS, {**good, **change}, 60)
    assert logins.is_nobodys(BOX, token)
    assert logins.ask(BOX, mint(site.portal, ACCESS, good, 60)).status == 200
    for typ in ("JWT", "wsgifutures-claim+jwt"):
        assert logins.is_nobodys(BOX, mint(site.portal, typ, good, 60))


def test_an_access_token_ends_after_ten_minutes(logins, site, families):
    """By itself."""
    logins.start()
    (family,) = families().by_id.values()
    family.started -= 900
    now = time.time() - 590
    good = sessions.describe(place_of(site.portal), family, "", now).answer["access_token"]
    past = sessions.describe(place_of(site.portal), family, "", now - 20).answer["access_token"]
    transaction.commit()
    assert logins.ask(BOX, good).status == 200
    assert logins.is_nobodys(BOX, past)


def test_a_request_with_an_access_token_writes_nothing(logins, site):
    """However often it is used."""
    token, before = logins.start()["access_token"], site.commits
    for _ in range(3):
        assert logins.ask(BOX, token).status == 200
    assert site.commits == before


def test_a_login_of_a_copy_of_the_site_is_nobodys_here(logins, site):
    """Its families are beside the other one."""
    told = logins.start()
    families = find_families(place_of(site.portal))
    families.by_id.clear()
    transaction.commit()
    assert logins.is_nobodys(BOX, told["access_token"])
    check_refused(logins.renew(told["refresh_token"]))


def test_a_site_without_the_add_on_logs_in_as_plone_restapi_does(site):
    """``refresh`` is nothing to it, and there is nothing to revoke."""
    assert not IWSGIFuturesLayer.providedBy(site.portal.REQUEST)
    body = json.dumps({"login": "x", "password": "y", "refresh": True}).encode()
    more = {"body": body, "kind": JSON, "accept": JSON}
    assert "error" in site.request("POST", "@login", **more).json
    assert site.request("POST", "@token-revoke", **more).status == 404


def test_an_export_of_the_site_has_no_login(logins, site, tmp_path):
    """What is kept of one is beside the site."""
    told = logins.start(name="A certain phone")
    path = tmp_path / "plone.zexp"
    site.portal._p_jar.exportFile(site.portal._p_oid, str(path))
    exported = path.read_bytes()
    assert site.portal.title.encode() in exported
    family = read_shown(told["refresh_token"]).family
    for hidden in (b"A certain phone", told["refresh_token"].encode(), family.encode()):
        assert hidden not in exported


def test_what_makes_a_login_is_closed_to_whoever_has_no_password(logins, families):
    """A session or a password of the request is not looked at."""
    logins.ask(
        "@login", None, "POST", body=b'{"refresh": true}', kind=JSON, user=("boss", PASSWORD)
    )
    assert families() is None
