"""An application token is its user in its scope, for as long as it is good; else it is nobody."""

from bearers import PASSWORD
from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.opaque import APPLICATION
from collective.wsgifutures.keys.opaque import digest_of
from collective.wsgifutures.keys.opaque import make_secret
from collective.wsgifutures.keys.opaque import REFRESH
from collective.wsgifutures.keys.opaque import write_secret
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.pas.plugin import ID
from collective.wsgifutures.tokens import acts
from collective.wsgifutures.tokens.acts import TokenState
from collective.wsgifutures.tokens.events import AppTokenMade
from collective.wsgifutures.tokens.events import AppTokenRefused
from collective.wsgifutures.tokens.events import AppTokenUsed
from collective.wsgifutures.tokens.failures import failures
from collective.wsgifutures.tokens.failures import MOST
from collective.wsgifutures.tokens.offered import offer
from collective.wsgifutures.tokens.offered import withdraw_offer
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.records import make_tokens
from holdsite import ask
from plone import api
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from zope.event import subscribers
from ZPublisher.interfaces import IPubAfterTraversal

import io
import logging
import pytest
import time
import transaction

BOX = "folder/box"


@pytest.fixture
def secret(tokens):
    """One that is good for ``BOX``."""
    return tokens.secret("read:", part=tokens.box)


# Good


def test_it_reads_what_it_was_made_for_as_its_user(tokens, secret):
    """With the rights of the user, where nobody may."""
    for path in (BOX, f"{BOX}/page", f"++api++/{BOX}", f"/plone/{BOX}/page"):
        assert tokens.ask(path).status == 401
        assert tokens.ask(path, secret).status == 200
        assert tokens.seen == [TEST_USER_ID]


def test_an_earlier_state_tells_no_more_of_what_is_elsewhere_than_the_last_one(tokens):
    """Its address; and who has changed what stays in the list of changes."""
    site = tokens.site.portal
    site.portal_repository.save(tokens.page, comment="Saved")
    transaction.commit()
    secret = tokens.secret("read:", "read:@history", part=tokens.page)
    page = f"{BOX}/page"
    for path in (page, f"{page}/@history/0"):
        answer = tokens.ask(path, secret).json
        assert answer["title"] == "Inside"
        assert answer["parent"] == {"@id": f"{site.absolute_url()}/{BOX}"}
    newest, *_ = tokens.ask(f"{page}/@history", secret).json
    assert (newest["comments"], newest["actor"]["id"]) == ("Saved", "test-user")


def test_it_writes_if_it_was_made_to_write(tokens):
    """plone.protect asks for no token of its own: no other site can let a browser send a header."""
    secret = tokens.secret("read:", "write:", part=tokens.box)
    body = {"body": b'{"title": "By a script"}', "kind": "application/json"}
    assert tokens.ask(f"{BOX}/page", secret, "PATCH", **body).status == 204
    made = {
        "body": b'{"@type": "Document", "id": "made", "title": "Made"}',
        "kind": "application/json",
    }
    assert tokens.ask(BOX, secret, "POST", **made).status == 201
    assert (tokens.page.title, tokens.box["made"].Creator()) == ("By a script", TEST_USER_ID)
    assert tokens.ask(f"{BOX}/made", secret, "DELETE").status == 204


def test_it_reads_images_and_searches_if_it_was_made_for_that(tokens):
    """Views and services by their names."""
    secret = tokens.secret("read:@@images", "read:@search", "read:@querystring-search")
    image = tokens.ask(f"{BOX}/image/@@images/image", secret, accept="image/*")
    assert (image.status, "drawn" in image.body) == (200, True)
    found = tokens.ask("@search", secret, query={"SearchableText": "Inside"})
    assert [item["title"] for item in found.json["items"]] == ["Inside"]
    query = b'{"query": [{"i": "portal_type", "o": "plone.app.querystring.operation.selection.any",'
    query += b' "v": ["Document"]}]}'
    kind = {"body": query, "kind": "application/json"}
    assert "Far away" in tokens.ask("@querystring-search", secret, "POST", **kind).body
    assert tokens.is_nobodys(BOX, secret)


def test_the_scheme_is_written_in_any_case(tokens, secret):
    """As RFC 7235 has it."""
    for header in (f"bearer {secret}", f"BEARER  {secret} "):
        assert tokens.ask(BOX, headers={"HTTP_AUTHORIZATION": header}).status == 200


def test_a_user_of_zopes_root_has_tokens_of_the_site(tokens):
    """The plugin there lets that user in."""
    root = tokens.site.portal.aq_parent.acl_users
    root.userFolderAddUser("boss", PASSWORD, ["Manager"], [])
    transaction.commit()
    token, secret = tokens.make("read:", user="boss")
    assert token.folder == ""
    assert tokens.ask(BOX, secret).status == 200
    assert tokens.seen == ["boss"]
    root._delObject(ID)
    transaction.commit()
    assert tokens.is_nobodys(BOX, secret)


def test_it_may_no_more_than_its_user(tokens):
    """With a scope of whatever size."""
    api.user.create("m@example.com", "member", PASSWORD)
    transaction.commit()
    secret = tokens.secret("read:", "write:", user="member")
    assert tokens.ask(BOX, secret).status == 401
    more = {"body": b'{"title": "x"}', "kind": "application/json"}
    assert tokens.ask("", secret, "PATCH", **more).status == 401
    assert tokens.seen == []
    assert tokens.ask("", secret).status == 200
    assert tokens.seen == ["member"]


@pytest.fixture
def offered():
    """A view of an add-on, to read and to write."""
    offer("@@orders", read=("GET",), write=("POST",), title="Orders")
    yield
    withdraw_offer("@@orders")


def test_a_view_that_is_offered_may_write(tokens, offered, monkeypatch):
    """plone.protect asks for nothing: no other site can let a browser send a header."""
    monkeypatch.setattr("plone.protect.auto.CSRF_DISABLED", False)  # as outside of tests
    tokens.site.view("orders", lambda self: setattr(self.context, "counter", 1) or "<p />")
    form = {"body": b"x=1", "kind": "application/x-www-form-urlencoded", "accept": "text/html"}
    path = f"{BOX}/@@orders"
    answer = tokens.ask(path, tokens.secret("write:@@orders"), "POST", **form)
    assert (answer.status, getattr(tokens.box, "counter", 0)) == (200, 1)
    assert tokens.is_nobodys(path, tokens.secret("read:@@orders"), method="POST", **form)


def test_a_page_that_waits_has_one_use(tokens, offered):
    """What its first pass would write is dropped, so the use is noted by the pass that is sent."""
    tokens.site.view("orders", lambda self: ask("a"))
    secret = tokens.secret("read:@@orders")
    answer = tokens.ask(f"{BOX}/@@orders", secret, accept="text/html")
    assert (answer.passes, answer.status) == (["Suspended", "200"], 200)
    assert [type(event) for event in tokens.events] == [AppTokenMade, AppTokenUsed]


# Ended


def end(tokens, token, how):
    """End a token, in one of the ways that there are."""
    portal, user = tokens.site.portal, TEST_USER_ID
    if how == "past":
        token.ends = time.time() - 1
    elif how == "revoked":
        acts.revoke(portal, token, "boss")
    elif how == "logged out everywhere":
        end_all(portal, token.folder, user)
    elif how == "password":
        portal.portal_membership.setPassword("another password")
    elif how == "user gone":
        api.user.delete(username=user)
    elif how == "user gone and there is another one":
        api.user.delete(username=user)
        portal.acl_users.source_users.addUser(user, TEST_USER_NAME, TEST_USER_PASSWORD)
        portal.acl_users.portal_role_manager.assignRolesToPrincipal(["Manager"], user)
    elif how == "record gone":
        make_tokens(place_of(portal)).by_digest.clear()
    elif how == "part gone":
        api.content.delete(tokens.box)
        api.content.create(portal["folder"], "Folder", "box", title="New")
    elif how == "rights gone":
        setRoles(portal, user, ["Member"])
    transaction.commit()


ENDS = [
    "past",
    "revoked",
    "logged out everywhere",
    "password",
    "user gone",
    "user gone and there is another one",
    "record gone",
]


@pytest.mark.parametrize("how", [*ENDS, "part gone", "rights gone"])
def test_it_ends_at_once(tokens, how):
    """By its end, its user, an administrator, "log out everywhere", another password."""
    token, secret = tokens.make("read:", part=tokens.box)
    assert tokens.ask(BOX, secret).status == 200
    end(tokens, token, how)
    if how == "rights gone":
        assert tokens.ask(BOX, secret).status == 401
    else:
        assert tokens.is_nobodys(BOX, secret)


def test_a_new_one_after_another_password_is_good(tokens):
    """What was made before is not."""
    token, old = tokens.make("read:")
    end(tokens, token, "password")
    secret = tokens.secret("read:")
    assert tokens.ask(BOX, secret).status == 200
    assert tokens.is_nobodys(BOX, old)
    assert acts.state_of(tokens.site.portal, token) is TokenState.LOGGED_OUT


# What is not a token of the site


def test_what_is_not_exactly_the_secret_is_nobodys(tokens, secret):
    """Truncated, with a wrong check sum, forged, another kind, in another case."""
    bits = bytes(range(32))
    for made in (
        secret[:-1],
        secret[1:],
        f"{secret}x",
        f"{secret} {secret}",
        secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        secret.replace("wsgifutures_app_", ""),
        secret.replace("_app_", "_refresh_"),
        secret.upper(),
        secret.swapcase(),
        f"{secret}.{secret}.{secret}",
        make_secret(APPLICATION),
        make_secret(REFRESH),
        write_secret(APPLICATION, bits),
        digest_of(secret).hex(),
        "wsgifutures_app_",
        f"wsgifutures_app_{'é' * 49}",
        "x" * 100_000,
    ):
        assert tokens.is_nobodys(BOX, made), made


def test_it_is_read_from_the_header_and_nowhere_else(tokens, secret):
    """Not from a query, a form, a cookie, or basic auth."""
    form = "application/x-www-form-urlencoded"
    body = {"body": f"access_token={secret}&_auth=Bearer {secret}".encode(), "kind": form}
    for more in (
        {"query": {"access_token": secret, "Authorization": f"Bearer {secret}", "_auth": secret}},
        {"method": "POST", **body},
        {"headers": {"HTTP_COOKIE": f"__ac={secret}; Authorization={secret}"}},
        {"headers": {"HTTP_COOKIE": f'__ac="Bearer {secret}"; auth_token={secret}'}},
        {"user": ("Bearer", secret)},
        {"user": (TEST_USER_NAME, secret)},
        {"user": (TEST_USER_ID, secret)},
        {"headers": {"HTTP_X_AUTHORIZATION": f"Bearer {secret}"}},
        {"headers": {"HTTP_PROXY_AUTHORIZATION": f"Bearer {secret}"}},
        {"headers": {"HTTP_AUTHORIZATION": secret}},
        {"headers": {"HTTP_AUTHORIZATION": f"Token {secret}"}},
    ):
        answer = tokens.ask(BOX, **more)
        assert (answer.status, TEST_USER_ID in tokens.seen) == (401, False), more


@pytest.mark.parametrize("change", ["uid", "path"])
def test_a_token_of_another_site_is_nobodys(tokens, secret, change):
    """Also of one that has the UID of this one, or had its path: an import, a copy."""
    place = place_of(tokens.site.portal)
    mine = make_tokens(place)
    token = mine.by_digest.pop(digest_of(secret))
    other = place._replace(**{change: "another"})
    make_tokens(other).add(token)
    transaction.commit()
    assert tokens.is_nobodys(BOX, secret)
    mine.by_digest[token.digest] = token
    transaction.commit()
    assert tokens.ask(BOX, secret).status == 200


def test_an_export_of_the_site_has_no_token(tokens):
    """Neither the record nor the digest."""
    token, secret = tokens.make("read:")
    file = io.BytesIO()
    portal = tokens.site.portal
    portal._p_jar.exportFile(portal._p_oid, file)
    exported = file.getvalue()
    assert len(exported) > 100_000
    for part in (token.digest, token.id.encode(), secret.encode(), b"AppToken"):
        assert part not in exported


# What is kept and told


def test_the_secret_is_in_no_record_and_no_log(tokens, caplog):
    """After all that can happen to a token."""
    caplog.set_level(logging.DEBUG)
    everything = []
    subscribers.append(everything.append)
    token, secret = tokens.make("read:", "write:")
    for path in (BOX, "@users", "nowhere", f"{BOX}/@@edit"):
        tokens.ask(path, secret)
        tokens.ask(path, f"{secret}x")
    body = {"body": b'{"title": "x"}', "kind": "application/json"}
    tokens.ask(f"{BOX}/page", secret, "PATCH", **body)
    acts.revoke(tokens.site.portal, token, "boss")
    transaction.commit()
    tokens.ask(BOX, secret)
    subscribers.remove(everything.append)
    storage = tokens.site.portal._p_jar.db().storage
    records = [r.data for t in storage.changes.iterator() for r in t if r.data]
    assert any(token.digest in data for data in records)
    told = " ".join([caplog.text, repr(tokens.events), repr(tokens.site.error_log)])
    assert token.id in told
    for part in (secret, secret[16:40], secret[-20:]):
        assert part not in told
        assert not any(part.encode() in data for data in records)


def test_a_use_is_written_once_a_day_and_then_nothing(tokens, secret, monkeypatch):
    """So no request writes, but the first one of a day and address."""
    (token,) = acts.all_of(tokens.site.portal)
    before, records = tokens.site.commits, len(tokens.site.portal._p_jar.db().storage)
    for _ in range(20):
        for path in (BOX, f"{BOX}/page", "folder/other", "@users"):
            tokens.ask(path, secret)
    assert tokens.site.commits == before + 1
    assert len(tokens.site.portal._p_jar.db().storage) == records
    assert (token.used, token.used_from) == (time.time() // DAY * DAY, "127.0.0.1")
    tomorrow = time.time() + DAY
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    for _ in range(3):
        assert tokens.ask(BOX, secret).status == 200
    assert tokens.site.commits == before + 2


def test_a_request_that_is_refused_is_no_use(tokens):
    """Nothing is committed of it, so nothing is noted."""
    token, secret = tokens.make("read:@search")
    assert tokens.is_nobodys(BOX, secret)
    assert (token.used, tokens.site.commits) == (None, tokens.site.commits)


def test_a_database_that_cannot_be_written_reads_tokens(tokens, secret, monkeypatch):
    """A read-only client of a cluster: the use is not noted there."""
    (token,) = acts.all_of(tokens.site.portal)
    connection = type(tokens.site.portal._p_jar)
    monkeypatch.setattr(connection, "isReadOnly", lambda self: True)
    before = tokens.site.commits
    assert tokens.ask(BOX, secret).status == 200
    assert (token.used, tokens.site.commits) == (None, before)


def test_the_first_use_from_an_address_is_told(tokens, secret):
    """Once, and again from another one."""
    tokens.events.clear()
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1"):
        tokens.ask(BOX, secret, headers={"REMOTE_ADDR": address})
    assert [type(event) for event in tokens.events] == [AppTokenUsed] * 2
    assert [event.address for event in tokens.events] == ["10.0.0.1", "10.0.0.2"]


def test_a_token_that_is_not_good_is_told_once_a_minute(tokens):
    """With its id if it is known, and why."""
    token, secret = tokens.make("read:")
    acts.revoke(tokens.site.portal, token, "boss")
    transaction.commit()
    tokens.events.clear()
    unknown = make_secret(APPLICATION)
    for _ in range(3):
        for used in (secret, unknown):
            tokens.ask(BOX, used)
    path = "/plone"
    assert tokens.events == [
        AppTokenRefused(path, token.id, TEST_USER_ID, "it is past", "127.0.0.1"),
        AppTokenRefused(path, "", "", "it is not known", "127.0.0.1"),
    ]


def test_a_user_who_is_gone_is_told(tokens):
    """Of the token, once."""
    token, secret = tokens.make("read:")
    end(tokens, token, "logged out everywhere")
    tokens.events.clear()
    tokens.ask(BOX, secret)
    tokens.ask(BOX, secret)
    (event,) = tokens.events
    assert (event.token, "ended all tokens" in event.reason) == (token.id, True)


def test_of_an_address_with_many_failures_no_more_are_told_and_good_tokens_are_good(
    tokens, secret, monkeypatch
):
    """All clients of a proxy may have that address: nobody locks others out."""
    now = time.time() // 60 * 60 + 1
    monkeypatch.setattr(time, "time", lambda: now)
    assert tokens.ask(BOX, secret).status == 200
    before = tokens.site.commits
    tokens.events.clear()
    for _ in range(MOST + 5):
        tokens.ask(BOX, make_secret(APPLICATION))
    assert (len(tokens.events), tokens.site.commits) == (MOST, before)
    assert tokens.ask(BOX, secret).status == 200
    tokens.ask(BOX, make_secret(APPLICATION), headers={"REMOTE_ADDR": "10.0.0.9"})
    assert len(tokens.events) == MOST + 1
    monkeypatch.setattr(time, "time", lambda: now + 60)
    tokens.ask(BOX, make_secret(APPLICATION))
    assert len(tokens.events) == MOST + 2


def test_a_use_out_of_scope_is_in_the_log(tokens, secret, caplog):
    """For whoever writes the script: the answer is the one that anybody gets."""
    caplog.set_level(logging.INFO)
    caplog.clear()
    (token,) = acts.all_of(tokens.site.portal)
    tokens.ask("@search", secret)
    told = [r.getMessage() for r in caplog.records if "not good for" in r.getMessage()]
    assert told == [f"The token {token.id} is not good for 'GET' of '@search'."]


def test_a_token_sets_no_cookie_and_names_its_user_as_a_login_does(tokens, secret):
    """It is all that its bearer has."""
    names = []

    def note(event):
        names.append(event.request["AUTHENTICATED_USER"].getUserName())

    tokens.site.subscriber(IPubAfterTraversal, note)
    answer = tokens.ask(BOX, secret)
    assert (names, "set-cookie" in answer.headers) == ([TEST_USER_NAME], False)


def test_failures_are_counted_in_bounded_memory(monkeypatch):
    """However many addresses there are."""
    monkeypatch.setattr("collective.wsgifutures.tokens.failures.MOST_ADDRESSES", 3)
    failures.forget()
    for number in range(10):
        failures.note(f"10.0.0.{number}", b"x", 100.0)
    assert len(failures._seen) == 3
    failures.forget()
