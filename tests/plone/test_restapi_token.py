"""``@token`` and ``@jwks``: tokens for programs, the keys to check them, and who comes with one."""

from collective.wsgifutures.keys.once import use_once
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.ring import DAY
from collective.wsgifutures.keys.ring import find_ring
from collective.wsgifutures.keys.ring import ROTATE_AFTER
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import CAPABILITY
from collective.wsgifutures.keys.tokens import CLAIM
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.keys.tokens import TokenRefused
from collective.wsgifutures.keys.tokens import verify
from collective.wsgifutures.restapi.bearer import refuse
from collective.wsgifutures.workers import registry
from collective.wsgifutures.workers.events import TokenDenied
from collective.wsgifutures.workers.events import TokenIssued
from collective.wsgifutures.workers.grants import worker_of
from holdsite import ADMIN
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from plone import api
from plone.restapi.pas.plugin import JWTAuthenticationPlugin
from Products.PluggableAuthService.interfaces import plugins
from sitesettings import MEMBER
from transaction import TransactionManager
from urllib.parse import urlencode
from workersite import FORM
from workersite import JSON
from workersite import Outside
from workersite import prepare
from workersite import send
from zope.event import subscribers

import base64
import json
import jwt
import logging
import pytest
import time
import transaction

ANY_SITE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def portal(site):
    """A site with the add-on, in which anonymous visitors may not use the REST API."""
    prepare(site)
    return site.portal


@pytest.fixture
def outside(site, portal):
    """A worker that is approved."""
    return Outside(site).approved()


@pytest.fixture
def events():
    """What subscribers are told of tokens, the first one first."""
    noted = []
    subscribers.append(noted.append)
    yield noted
    subscribers.remove(noted.append)


def error_of(answer):
    """Return the code of an error of RFC 6749."""
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) == {"error", "error_description"}
    assert answer.json["error_description"].isascii()
    assert not set('"\\') & set(answer.json["error_description"])
    return answer.json["error"]


# Tokens


def test_a_worker_gets_a_token(portal, outside):
    """That no cache may keep, from a site whose REST API is closed."""
    answer = outside.ask()
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"access_token", "token_type", "expires_in"}
    assert verify(portal, answer.json["access_token"], ACCESS)["sub"] == outside.id


@pytest.mark.parametrize(
    "accept", [JSON, "*/*", "", "text/html", f"{JSON}, */*;q=0.1", "image/png"]
)
def test_any_client_gets_it(outside, accept):
    """plone.rest itself answers only those that accept JSON and say nothing else."""
    assert outside.ask(accept=accept).status == 200
    refused = outside.ask("x", accept=accept)
    assert (refused.status, error_of(refused)) == (401, "invalid_client")


def test_a_body_is_a_form_or_json(site, outside):
    """As OAuth has it, and as plone.restapi has it."""
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    for kind in (JSON, f"{JSON}; charset=utf-8", FORM, f"{FORM};charset=UTF-8"):
        asked = {**form, "client_assertion": outside.sign()}
        written = json.dumps(asked) if JSON in kind else urlencode(asked)
        assert send(site, "@token", written.encode(), kind).status == 200


def test_a_token_is_committed_with_its_assertion(site, outside):
    """One commit, and none for a refusal."""
    before, assertion = site.commits, outside.sign()
    assert outside.ask(assertion).status == 200
    assert site.commits == before + 1
    assert outside.ask(assertion).status == 401
    assert outside.ask("x").status == 401
    assert outside.ask(grant_type="password").status == 400
    assert site.commits == before + 1


def test_an_assertion_that_another_process_uses_meanwhile_is_refused(site, outside, events):
    """The request conflicts, is published again, and finds it used: one token, not two."""
    outside.token()  # what a site keeps of assertions is there

    def compete(event):
        if isinstance(event, TokenIssued) and compete in subscribers:
            subscribers.remove(compete)
            manager = TransactionManager()
            connection = site.portal._p_jar.db().open(manager)
            use_once(place_of(site.portal)._replace(connection=connection), used, end, now)
            manager.commit()
            connection.close()

    now = time.time()
    used, end = f"{outside.id} 1", int(now) + 120  # with the skew that is tolerated
    subscribers.append(compete)
    answer = outside.ask(outside.sign(jti="1", iat=int(now), exp=int(now) + 60))
    assert compete not in subscribers
    assert answer.passes == ["Suspended", "401"]  # a hold waits after a conflict
    assert "used before" in answer.json["error_description"]
    assert [type(event) for event in events if isinstance(event, TokenIssued | TokenDenied)] == [
        TokenIssued,  # the first one
        TokenIssued,  # its transaction conflicts
        TokenDenied,
    ]


def test_a_token_is_committed_though_somebody_is_logged_in(site, outside):
    """plone.protect does not drop that the assertion was used."""
    before, assertion = site.commits, outside.sign()
    assert outside.ask(assertion, user=ADMIN).status == 200
    assert site.commits == before + 1
    assert outside.ask(assertion, user=ADMIN).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_a_token_is_asked_for_by_post(site, outside, method):
    """An address would be in logs."""
    assert site.request(method, "@token", accept=JSON).status == 405


def test_a_query_string_is_no_request(site, outside):
    """For the same reason."""
    query = {"grant_type": "client_credentials", "client_assertion": outside.sign()}
    answer = send(site, "@token", b"scope=claim", FORM, query=query)
    assert (answer.status, error_of(answer)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM), (b"", JSON), (b"", ""), (b"x", ""), (b"x", "text/plain"),
        (b"{}", "text/plain"),
        (b"{", JSON), (b"[]", JSON), (b"null", JSON), (b"7", JSON), (b'"x"', JSON), (b"\xff", JSON),
        (b"[" * 9000, JSON), (b'{"grant_type": 7}', JSON), (b'{"grant_type": null}', JSON),
        (b'{"grant_type": ["client_credentials"]}', JSON), (b'{"grant_type": {}}', JSON),
        (b"grant_type=a&grant_type=b", FORM),
        (b"grant_type=", FORM), (b"&".join(b"a%d=1" % n for n in range(30)), FORM),
        (b"x=" + b"y" * 20_000, FORM), (b'{"x": "' + b"y" * 20_000 + b'"}', JSON),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(site, outside, body, kind):
    """With the code of RFC 6749, and no error in the log."""
    answer = send(site, "@token", body, kind)
    assert (answer.status, error_of(answer)) == (400, "invalid_request")
    assert site.logged == site.errors == []


def test_a_body_that_says_it_is_long_is_not_read(site, outside):
    """Its length is believed; a wrong one is no better."""
    for length in ("16385", "-1", "1e3", "9" * 400):
        answer = send(site, "@token", b"{}", held=False, headers={"CONTENT_LENGTH": length})
        assert answer.status == 400
        assert "larger" in answer.json["error_description"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"grant_type=%ff", FORM),
        (b"\xff\xfe", FORM),
        (b"--x\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--y", "multipart/form-data; boundary=x"),
    ],
)
def test_a_form_that_zope_does_not_read_is_a_bad_request(site, outside, body, kind):
    """Zope reads each form before anybody is asked."""
    assert send(site, "@token", body, kind).status == 400


@ANY_SITE
@given(st.binary(max_size=200), st.sampled_from([FORM, JSON, ""]))
def test_whatever_bytes_come_are_refused(site, outside, body, kind):
    """Never a 5xx."""
    assert send(site, "@token", body, kind).status in (400, 401)
    assert set(site.errors) <= {"BadRequest"}  # Zope's, of a form that is not UTF-8


@ANY_SITE
@given(
    st.dictionaries(
        st.sampled_from(
            ["grant_type", "client_assertion_type", "client_assertion", "scope", "client_id"]
        ),
        st.text(max_size=30) | st.sampled_from(["client_credentials", "a.b.c", "e30.e30.e30"]),
    ),
    st.booleans(),
)
def test_whatever_form_comes_is_refused(site, outside, form, as_json):
    """Beginning with a good one."""
    body = json.dumps(form).encode() if as_json else urlencode(form, errors="replace").encode()
    answer = send(site, "@token", body, JSON if as_json else FORM)
    assert answer.status in (400, 401)
    assert error_of(answer)
    assert site.logged == []


def test_a_site_without_the_add_on_gives_none(site):
    """Nor does it take workers, or tell keys."""
    for path in ("@token", "@workers", "@jwks"):
        assert send(site, path, b"{}").status == 404
        assert site.get(path).status == 404


def test_tokens_are_told_to_subscribers_and_the_log(site, outside, events):
    """Without a token, an assertion or a key."""
    site.log.set_level(logging.DEBUG)
    assertion = outside.sign()
    token = outside.ask(assertion).json["access_token"]
    outside.ask(assertion)
    outside.ask("x.y.z")
    outside.ask(grant_type="evil\ntype")
    jti = verify(site.portal, token, ACCESS)["jti"]
    told = [event for event in events if isinstance(event, TokenIssued | TokenDenied)]
    assert told[0] == TokenIssued("/plone", "client_credentials", outside.id, jti)
    assert [(event.subject, event.grant) for event in told[1:]] == [
        (outside.id, "client_credentials"),
        ("", "client_credentials"),
        ("", r"evil\ntype"),
    ]
    own = [r.getMessage() for r in site.log.records if r.name.startswith("collective.wsgifutures")]
    assert f"A token was issued to {outside.id}." in own
    assert len([line for line in own if line.startswith("No token for")]) == 3
    signature = base64.urlsafe_b64encode(outside.public).decode().rstrip("=")
    for hidden in (token, assertion, assertion.split(".")[2], signature):
        assert hidden not in site.log.text


# Keys


@pytest.mark.parametrize("accept", [JSON, "*/*", "text/html"])
def test_the_public_keys_are_for_everybody(site, outside, accept):
    """They may be kept for an hour, and a token can be checked with them, as any library does."""
    answer = site.request("GET", "@jwks", accept=accept)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["content-type"] == "application/json"
    (key,) = jwt.PyJWKSet.from_dict(answer.json).keys
    uid = f"urn:uuid:{place_of(site.portal).uid}"
    claims = jwt.decode(outside.token(), key, ["EdDSA"], audience=uid, issuer=uid)
    assert claims["sub"] == outside.id
    assert answer.json["issuer"] == uid


def test_the_public_keys_are_no_private_ones(site, portal):
    """In any form."""
    ring = find_ring(place_of(portal))
    body = site.get("@jwks").body
    assert '"d"' not in body
    assert base64.urlsafe_b64encode(ring.current.private).decode()[:40] not in body


def test_the_public_keys_are_told_without_writing(site, portal):
    """Also where there are none."""
    before = site.commits
    assert len(site.get("@jwks").json["keys"]) == 1
    del place_of(portal).connection.root()["collective.wsgifutures.keys"]
    transaction.commit()
    uid = place_of(portal).uid
    assert site.get("@jwks").json == {"keys": [], "issuer": f"urn:uuid:{uid}"}
    assert site.commits == before + 1


def test_keys_are_made_when_the_add_on_is_installed(site):
    """So that no later request has to; in the root of the database, and once."""
    assert "collective.wsgifutures.keys" not in site.portal._p_jar.root()
    prepare(site)
    ring = find_ring(place_of(site.portal))
    assert ring is not None
    install = "profile-collective.wsgifutures:default"
    site.portal.portal_setup.runAllImportStepsFromProfile(install)
    assert find_ring(place_of(site.portal)) is ring


def test_an_export_of_the_site_has_no_keys(site, outside, tmp_path):
    """Neither private ones, nor workers."""
    ring = find_ring(place_of(site.portal))
    path = tmp_path / "plone.zexp"
    site.portal._p_jar.exportFile(site.portal._p_oid, str(path))
    exported = path.read_bytes()
    assert site.portal.title.encode() in exported
    for hidden in (ring.current.private, ring.current.id.encode(), outside.id.encode()):
        assert hidden not in exported


@pytest.mark.parametrize("is_old", [False, True])
def test_a_token_can_be_made_where_nothing_may_be_written(site, outside, is_old):
    """plone.protect lets a logged-in user's GET make keys; the token is good."""
    site.view("make", lambda view: mint(view.context, ACCESS, {"sub": "ann"}, 60))
    place = place_of(site.portal)
    if is_old:
        ring = find_ring(place)
        ring._keys = (
            type(ring.current)(**{**vars(ring.current), "made": time.time() - ROTATE_AFTER}),
        )
    else:
        del place.connection.root()["collective.wsgifutures.keys"]
    transaction.commit()
    answer = site.get("make", user=ADMIN)
    assert answer.status == 200
    assert verify(site.portal, answer.body, ACCESS)["sub"] == "ann"
    assert len(find_ring(place).known(time.time() + DAY)) == 1 + is_old


# Who comes with a token


@pytest.fixture
def ask(site, outside):
    """Ask a view for the worker that asks."""

    def call(view):
        try:
            return worker_of(view.request)[0].id
        except TokenRefused as refused:
            return json.dumps(refuse(view.request, refused))

    site.view("who", call)

    def send_with(authorization=None, **more):
        headers = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
        return site.request("GET", "who", headers=headers, **more)

    return send_with


def check_refused(answer, challenge='Bearer error="invalid_token"'):
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == challenge
    assert json.loads(answer.body)["message"] == "The token is not valid here."


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_worker_is_known_by_its_token(outside, ask, scheme):
    """In the header."""
    answer = ask(f"{scheme} {outside.token()}")
    assert (answer.status, answer.body) == (200, outside.id)


def test_no_token_in_the_address_or_the_form_counts(site, outside, ask):
    """It would be in logs; and a form needs no header."""
    token = outside.token()
    check_refused(ask(query={"access_token": token}), "Bearer")
    check_refused(site.post("who", {"access_token": token}), "Bearer")
    check_refused(ask(), "Bearer")


def test_a_password_is_no_token(ask):
    """Though it is the administrator's."""
    check_refused(ask(user=ADMIN), "Bearer")


def test_a_session_is_no_token(site, outside, ask):
    """Neither its cookie nor what is in it."""
    plugin = site.portal.acl_users.session
    plugin._setupSession(api.user.get_current().getId(), site.portal.REQUEST.response)
    cookie = site.portal.REQUEST.response.cookies["__ac"]["value"]
    transaction.commit()
    header = {"HTTP_COOKIE": f'__ac="{cookie}"'}
    check_refused(site.request("GET", "who", headers=header), "Bearer")
    check_refused(ask(f"Bearer {cookie}"))


def test_a_token_of_plone_restapi_is_no_workers(site, outside, ask):
    """It is signed with a secret of the site; whoever has it is a user."""
    users = site.portal.acl_users
    users._setObject("jwt_auth", JWTAuthenticationPlugin("jwt_auth"))
    token = users.jwt_auth.create_token("admin")
    transaction.commit()
    check_refused(ask(f"Bearer {token}"))


@pytest.mark.parametrize(
    ("typ", "claims"),
    [
        (CAPABILITY, {}),
        (CLAIM, {"gen": 1}),
        (ACCESS, {"scope": "job", "job": "0-1"}),
        (ACCESS, {}),
        (ACCESS, {"scope": ["claim"]}),
        (ACCESS, {"scope": "claim job"}),
        (ACCESS, {"scope": "claim", "client_id": "another"}),
        (ACCESS, {"scope": "claim", "client_id": None}),
        (ACCESS, {"scope": "claim", "sub": "another", "client_id": "another"}),
    ],
)
def test_another_token_of_the_site_is_no_workers(site, outside, ask, typ, claims):
    """A capability, a claim's, an access token of a claim; of a worker that nobody knows."""
    scope = {"scope": "claim"} if typ != ACCESS else {}
    said = {"sub": outside.id, "client_id": outside.id, **scope, **claims}
    check_refused(ask(f"Bearer {mint(site.portal, typ, said, 60)}"))
    good = {"sub": outside.id, "client_id": outside.id, "scope": "claim"}
    assert ask(f"Bearer {mint(site.portal, ACCESS, good, 60)}").body == outside.id


def test_an_assertion_is_no_token(outside, ask):
    """A worker's own signature opens nothing but @token."""
    check_refused(ask(f"Bearer {outside.sign()}"))


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x", "Basic", "", "Negotiate x", "\xff"]
)
def test_a_header_without_a_token_is_refused(outside, ask, header):
    """Whatever it is."""
    has_scheme = header.startswith("Bearer ")
    check_refused(ask(header), 'Bearer error="invalid_token"' if has_scheme else "Bearer")


@pytest.mark.parametrize("act", ["withdraw", "forget"])
def test_a_worker_is_looked_up_afresh(site, outside, ask, act):
    """Its token ends when it may do nothing any more."""
    token = outside.token()
    assert ask(f"Bearer {token}").status == 200
    worker = registry.find_worker(site.portal, outside.id)
    getattr(registry, act)(site.portal, worker, "admin")
    transaction.commit()
    check_refused(ask(f"Bearer {token}"))


def test_a_workers_token_is_nobody_in_plone(site, outside):
    """Of plone.restapi's services none takes it for a user, and none makes more of it."""
    users = site.portal.acl_users
    users._setObject("jwt_auth", JWTAuthenticationPlugin("jwt_auth"))
    for kind in ("IExtractionPlugin", "IAuthenticationPlugin"):
        users.plugins.activatePlugin(getattr(plugins, kind), "jwt_auth")
    site.portal.manage_permission("plone.restapi: Use REST API", ["Anonymous"])
    transaction.commit()
    header = {"HTTP_AUTHORIZATION": f"Bearer {outside.token()}"}
    for method, path in (("POST", "@login-renew"), ("GET", "@users"), ("GET", "@workers")):
        answer = site.request(method, path, accept=JSON, headers=header)
        assert answer.status == 401


def test_looking_at_a_token_writes_nothing(site, outside, ask):
    """Whoever comes with it."""
    token, before = outside.token(), site.commits
    ask(f"Bearer {token}")
    ask("Bearer x")
    assert site.commits == before


def test_another_user_is_no_worker(ask):
    """By a password, too."""
    check_refused(ask(user=MEMBER), "Bearer")
