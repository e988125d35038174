"""Service accounts: ``@service-accounts``, their tokens at ``@token``, and what these open."""

from collective.wsgifutures.keys.endings import end_all
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.public import make_jwk
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.keys.tokens import verify
from collective.wsgifutures.tokens import services
from collective.wsgifutures.tokens.records import DAY
from collective.wsgifutures.tokens.records import KEPT
from collective.wsgifutures.tokens.scope import make_scope
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from datetime import date
from datetime import timedelta
from holdsite import ADMIN
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from test_pas_scope import OUTSIDE
from test_pas_services import _is_offered
from workersite import Outside

import json
import logging
import pytest
import time
import transaction

BOX = "folder/box"
JSON = "application/json"
SOON = (date.today() + timedelta(days=30)).isoformat()
WISH = {"name": "Search index", "user": TEST_USER_ID, "scope": "read: read:@search", "ends": SOON}


@pytest.fixture
def program(site, logins):
    """A program with a key of its own, which nobody knows yet."""
    return Outside(site)


@pytest.fixture
def ask(site, logins):
    """Send a request to ``@service-accounts``."""

    def send(path="@service-accounts", user=ADMIN, method="GET", wish=None, kind=JSON, **more):
        body = b"" if wish is None else json.dumps(wish).encode()
        return site.request(method, path, user=user, body=body, kind=kind, accept=JSON, **more)

    return send


@pytest.fixture
def register(ask, program):
    """Register the key of the program; return what the answer tells."""

    def send(**changes):
        wish = {**WISH, "key": jwk_of(program), **changes}
        answer = ask(method="POST", wish=wish)
        assert answer.status == 201, answer.body
        return answer.json

    return send


@pytest.fixture
def account(site, program, register):
    """The account of the program, as it is now."""
    register()

    def look():
        site.sync()
        return services.find_account(site.portal, program.id)

    return look


def jwk_of(program):
    return make_jwk(program.public)


def pem_of(public):
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, kind).decode()


def check_refused(answer, words, error="invalid_client", status=401):
    assert (answer.status, answer.json["error"]) == (status, error)
    assert words in answer.json["error_description"]
    assert answer.headers["cache-control"] == "no-store"


UNKNOWN = "did not accept its assertion"

# Registering


def test_a_key_is_registered_and_listed(ask, register, program):
    """Its id is the thumbprint of the key, and no secret is told: there is none."""
    told = register()
    assert (told["id"], told["jwk"], told["state"]) == (program.id, jwk_of(program), "good")
    assert (told["user"], told["scope"], told["made_by"]) == (
        TEST_USER_ID,
        "read: read:@search",
        ADMIN[0],
    )
    assert (told["used"], told["revoked"], told["ends"][:10]) == (None, None, SOON)
    assert ask().json["items"] == [told]
    assert ask(f"@service-accounts/{program.id}").json == told
    assert ask("@service-accounts/unknown").status == 404


def test_a_key_may_come_as_pem(register, program):
    """As programs write it to a file."""
    assert register(key=pem_of(program.key.public_key()))["id"] == program.id


PRIVATE_PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n"
PEM_OF_ANOTHER_KIND = pem_of(generate_private_key(SECP256R1()).public_key())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": None}, "jwk is not a JSON object"),
        ({"key": {"kty": "RSA"}}, "not a key of Ed25519"),
        ({"key": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}, "anybody could sign"),
        ({"key": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "x"}}, "a private key"),
        ({"key": "x"}, "not a public key in PEM"),
        ({"key": PRIVATE_PEM}, "a private key. Make a new one"),
        ({"key": "é" * 2000}, "not a public key in PEM"),
        ({"key": PEM_OF_ANOTHER_KIND}, "not one of Ed25519"),
        ({"name": ""}, "what the token is for"),
        ({"scope": "read:@users"}, "read:@users is not offered"),
        ({"scope": 7}, "scope is not a text"),
        ({"ends": "2020-01-01"}, "at most a year"),
        ({"ends": "9999-12-31"}, "at most a year"),
        ({"user": "nobody-here"}, "no user 'nobody-here'"),
        ({"user": None}, "user is not a text"),
        ({"user": ""}, "no user ''"),
    ],
)
def test_what_cannot_be_registered_says_why(site, ask, program, changes, words):
    """And nothing is kept."""
    answer = ask(method="POST", wish={**WISH, "key": jwk_of(program), **changes})
    assert (answer.status, answer.json["type"]) == (400, "BadRequest")
    assert words in answer.json["message"]
    assert services.accounts_of(site.portal) == []


def test_a_manager_of_a_site_registers_none_for_a_user_of_zope(site, ask, program):
    """Who may have rights in other sites, too."""
    me = (TEST_USER_NAME, TEST_USER_PASSWORD)
    wish = {**WISH, "key": jwk_of(program), "user": "boss"}
    answer = ask(method="POST", user=me, wish=wish)
    assert (answer.status, answer.json["type"]) == (400, "BadRequest")
    assert "“boss” is a user of Zope, and not of this site" in answer.json["message"]
    assert services.accounts_of(site.portal) == []


@pytest.mark.parametrize("user", [None, MEMBER, SITE_ADMIN])
def test_nobody_but_an_administrator_of_tokens_comes_near(ask, account, program, user):
    """Neither to see, nor to register, nor to revoke."""
    path = f"@service-accounts/{program.id}"
    for method, where in (
        ("GET", "@service-accounts"), ("GET", path), ("DELETE", path), ("POST", "@service-accounts")
    ):  # fmt: skip
        assert ask(where, user=user, method=method, wish=WISH).status == 401
    assert account().revoked is None


def test_another_site_lets_no_browser_register_a_key(site, ask, program):
    """A form is refused."""
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        wish = {**WISH, "key": jwk_of(program)}
        assert ask(method="POST", wish=wish, kind=kind).status == 400
    assert services.accounts_of(site.portal) == []


def test_one_key_has_one_account(ask, register, account, program):
    """To change it, it is revoked; then the program has a new key."""
    wish = {**WISH, "key": jwk_of(program)}
    assert "has a service account already" in ask(method="POST", wish=wish).json["message"]
    ask(f"@service-accounts/{program.id}", method="DELETE")
    assert "The key was revoked" in ask(method="POST", wish=wish).json["message"]


def test_an_account_that_has_ended_is_registered_again(site, register, account, program):
    """With the same key, and what is said now."""
    account().ends = time.time() - 1
    transaction.commit()
    check_refused(program.ask(), "ended")
    assert register(scope="read:")["scope"] == "read:"
    assert program.ask().json["scope"] == "read:"


def test_what_was_revoked_is_in_the_list_for_a_month(site, logins, account):
    """Then whoever registers another one drops it."""
    services.revoke(site.portal, account(), "boss", time.time() - KEPT - 1)
    owner, scope = logins.owner("test-user"), make_scope(["read:"])
    other = Outside(site)
    ends = time.time() + DAY
    services.register(site.portal, other.public, "A", owner, scope, ends, "boss")
    assert [each.id for each in services.accounts_of(site.portal)] == [other.id]


# Tokens


@pytest.mark.parametrize("accept", [JSON, "*/*"])
def test_a_program_that_proves_its_key_gets_a_token(site, account, program, accept):
    """In the members of RFC 6749; there is no refresh token, since it has a key."""
    answer = program.ask(accept=accept)
    told = answer.json
    assert (answer.status, set(told)) == (
        200,
        {"access_token", "token_type", "expires_in", "scope"},
    )
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 600)
    assert told["scope"] == "read: read:@search"
    claims = verify(site.portal, told["access_token"], ACCESS)
    assert (claims["sub"], claims["client_id"]) == (TEST_USER_ID, program.id)
    assert (claims["scope"], claims["exp"] - claims["iat"]) == ("service", 600)


def test_the_token_is_the_user_within_the_scope(logins, account, program):
    """And nobody elsewhere."""
    token = program.token()
    assert logins.ask(BOX, token).status == 200
    assert logins.seen == [TEST_USER_ID]
    assert logins.ask("@search", token).status == 200
    assert logins.is_nobodys(BOX, token, method="PATCH", body=b"{}", kind=JSON)
    for method, path in OUTSIDE:
        if not _is_offered(method, path):
            assert logins.is_nobodys(path, token, method=method), (method, path)
    for path in ("@login-renew", "@login", "@token", "@tokens", "@service-accounts"):
        answer = logins.ask(path, token, "POST", body=b"{}", kind=JSON)
        assert TEST_USER_ID not in logins.seen
        assert answer.status in (400, 401)


def test_the_user_may_be_one_of_zopes_root(logins, register, program):
    """Found as administrators are."""
    register(user="boss")
    logins.ask(BOX, program.token())
    assert logins.seen == ["boss"]


def test_a_use_is_noted_by_the_day(site, account, program):
    """With the address, and no more than once."""
    program.ask()
    assert account().used == time.time() // DAY * DAY
    before = site.commits
    program.ask()
    written = site.commits - before
    assert written == 1  # that the assertion was used


def test_an_assertion_is_good_once(account, program):
    """A replay is refused."""
    assertion = program.sign()
    assert program.ask(assertion).status == 200
    check_refused(program.ask(assertion), "used before")


@pytest.mark.parametrize(
    "wrong",
    [
        {"iat": lambda now: now - 400, "exp": lambda now: now - 100},  # past
        {"iat": lambda now: now + 100, "exp": lambda now: now + 160},  # of the future
        {"exp": lambda now: now + 301},  # for too long
        {"aud": lambda now: "https://www.example.org"},
        {"iss": lambda now: "another"},
        {"sub": lambda now: "another"},
        {"jti": lambda now: None},
        {"exp": lambda now: None},
    ],
)
def test_an_assertion_that_is_not_good_is_refused(account, program, wrong):
    """And says no more than to anybody."""
    now = int(time.time())
    claims = {name: value(now) for name, value in wrong.items()}
    check_refused(program.ask(program.sign(**claims)), UNKNOWN)
    assert account().used is None


@pytest.mark.parametrize("skew", [-50, 50])
def test_a_clock_may_be_a_minute_wrong(account, program, skew):
    """Not every machine has a good one."""
    now = int(time.time()) + skew
    assert program.ask(program.sign(iat=now, exp=now + 60)).status == 200


def test_another_key_proves_nothing(site, account, program):
    """Though it says the name of the first."""
    other = Outside(site)
    check_refused(program.ask(program.sign(key=other.key)), UNKNOWN)
    check_refused(other.ask(), UNKNOWN)
    check_refused(program.ask(program.sign(header={"kid": other.id})), UNKNOWN)


def test_only_its_own_scope_can_be_asked_for(account, program):
    """In whatever order."""
    assert program.ask(scope="read:@search read:").status == 200
    for scope in ("read:", "read: write:", "claim", "x"):
        check_refused(program.ask(scope=scope), "The scope is", "invalid_scope", 400)


# Ends


@pytest.mark.parametrize("how", ["revoked", "ended", "logged out", "user gone", "password"])
def test_an_account_that_is_not_good_gets_nothing_and_its_tokens_are_nobodys(
    site, logins, ask, register, program, how
):
    """At once; only whoever has the key reads why."""
    told = register(user="jane")
    token = program.token()
    assert logins.ask(BOX, token).status == 200
    if how == "revoked":
        path = f"@service-accounts/{told['id']}"
        for _ in range(2):
            assert ask(path, method="DELETE").json["state"] == "revoked"
    elif how == "ended":
        services.find_account(site.portal, program.id).ends = time.time() - 1
    elif how == "logged out":
        end_all(site.portal, "/plone", "jane")
    elif how == "password":
        api.user.get("jane").setSecurityProfile(password="another horse battery")
    else:
        api.user.delete(username="jane")
    transaction.commit()
    assert logins.is_nobodys(BOX, token)
    check_refused(program.ask(), {"password": "logged out", "user gone": ""}.get(how, how))


@pytest.mark.parametrize(
    "change", [{"sub": "jane"}, {"client_id": "x"}, {"client_id": None}, {"scope": "session"}]
)
def test_a_token_that_says_something_else_is_nobodys(site, logins, account, program, change):
    """Also one that the site has signed: what is kept counts."""
    good = {"sub": TEST_USER_ID, "client_id": program.id, "scope": "service"}
    assert logins.is_nobodys(BOX, mint(site.portal, ACCESS, {**good, **change}, 60))
    assert logins.ask(BOX, mint(site.portal, ACCESS, good, 60)).status == 200


# Workers


def test_a_worker_s_key_is_no_service_account_s(site, ask, program):
    """One key is for one thing."""
    program.approved()
    answer = ask(method="POST", wish={**WISH, "key": jwk_of(program)})
    assert "The key is a worker's" in answer.json["message"]
    told = program.ask().json
    assert verify(site.portal, told["access_token"], ACCESS)["scope"] == "claim"


def test_a_service_account_is_no_worker(site, logins, account, program):
    """Though it introduces itself, and somebody approves it: it gets the tokens of its account."""
    program.approved(("ocr",))
    token = program.token()
    assert verify(site.portal, token, ACCESS)["scope"] == "service"
    answer = logins.ask("@jobs/claim", token, "POST", body=b'{"queues": ["ocr"]}', kind=JSON)
    assert answer.status == 401


def test_a_worker_gets_what_it_always_got(site, account):
    """Beside service accounts; its assertion opens nothing else."""
    worker = Outside(site).approved()
    assert set(worker.ask().json) == {"access_token", "token_type", "expires_in"}
    check_refused(worker.ask(scope="read:"), "The only scope is claim", "invalid_scope", 400)


# What is told


def test_administrators_are_told_and_no_log_has_a_token(site, logins, ask, register, program):
    """Who did it, to what."""
    site.log.set_level(logging.DEBUG)
    told = register()
    assertion = program.sign()
    token = program.ask(assertion).json["access_token"]
    ask(f"@service-accounts/{told['id']}", method="DELETE")
    made, revoked = logins.events
    about = ("/plone", program.id, TEST_USER_ID, ADMIN[0])
    assert (made.site, made.account, made.user, made.by) == about
    assert (made.name, made.scope) == ("Search index", "read: read:@search")
    assert (revoked.site, revoked.account, revoked.user, revoked.by) == about
    for line in (
        f"The service account {program.id} of {TEST_USER_ID} was made by {ADMIN[0]}.",
        f"The service account {program.id} of {TEST_USER_ID} was revoked by {ADMIN[0]}.",
        f"A token was issued to {program.id}.",
    ):
        assert line in site.log.text
    for hidden in (token, assertion):
        assert hidden not in site.log.text


def test_an_export_of_the_site_has_no_account(site, account, program, tmp_path):
    """It is kept beside the site."""
    account()
    path = tmp_path / "plone.zexp"
    site.portal._p_jar.exportFile(site.portal._p_oid, str(path))
    assert program.id.encode() not in path.read_bytes()
    assert services.find_account(place_of(site.portal)._replace(path="/copy"), program.id) is None
