"""Who gets a token: private_key_jwt (RFC 7523), as a worker elsewhere sends it."""

from .made import commit
from .made import has_written
from .made import look
from .made import Outside
from .made import SITE
from collective.wsgifutures.keys import once
from collective.wsgifutures.keys.places import find_part
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import verify
from collective.wsgifutures.workers import registry
from collective.wsgifutures.workers.grants import grant
from collective.wsgifutures.workers.grants import GrantRefused
from collective.wsgifutures.workers.grants import GRANTS
from collective.wsgifutures.workers.grants import LIFETIME
from collective.wsgifutures.workers.grants import Question
from ZODB.POSException import ConflictError

import jwt
import pytest
import time

UNKNOWN = "The site knows no such worker, or did not accept its assertion."


def ask(place, form):
    return grant(Question(place, SITE, form, time.time()), GRANTS)


def refuse(place, form):
    """Return the error that *form* gets."""
    with pytest.raises(GrantRefused) as raised:
        ask(place, form)
    return raised.value


@pytest.fixture
def outside(place):
    """A worker that is approved."""
    made = Outside()
    worker = registry.introduce(place, made.public, "ocr", ("ocr",))
    registry.approve(place, worker, ("ocr",), "admin")
    commit(place)
    return made


# Good ones


def test_an_approved_worker_gets_a_token(place, outside):
    """It says who the worker is, and that it claims jobs."""
    issued = ask(place, outside.form())
    assert {**issued.answer, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 600,
    }
    claims = verify(place, issued.answer["access_token"], ACCESS)
    assert (claims["sub"], claims["client_id"]) == (outside.id, outside.id)
    assert (claims["scope"], claims["exp"] - claims["iat"]) == ("claim", LIFETIME)
    assert (issued.subject, issued.jti) == (outside.id, claims["jti"])


@pytest.mark.parametrize("end", ["", "/", "/@token"])
def test_the_site_may_be_named_in_three_ways(place, outside, end):
    """As clients of OAuth do."""
    assert ask(place, outside.form(outside.sign(aud=SITE + end)))


@pytest.mark.parametrize("skew", [-55, 55])
def test_a_minute_of_skew_is_tolerated(place, outside, skew):
    """Of the worker's clock."""
    now = int(time.time()) + skew
    assert ask(place, outside.form(outside.sign(iat=now, nbf=now, exp=now + 10)))


def test_what_else_an_assertion_says_is_ignored(place, outside):
    """A key in its header, too."""
    other = Outside().jwk
    assertion = outside.sign(header={"jwk": other, "jku": "http://127.0.0.1:9/"}, more=[1])
    assert ask(place, outside.form(assertion))


def test_the_worker_is_seen(place, outside):
    """In the transaction that writes anyway."""
    ask(place, outside.form())
    assert time.time() - registry.find_worker(place, outside.id).seen < 5


# Requests


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "Client_Credentials"}, "unsupported_grant_type"),
        ({"grant_type": "__class__"}, "unsupported_grant_type"),
        ({"client_assertion_type": None}, "invalid_request"),
        ({"client_assertion_type": "urn:saml"}, "invalid_request"),
        ({"client_assertion": None}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "claim job"}, "invalid_scope"),
    ],
)
def test_what_is_asked_for_is_checked_first(place, outside, changes, error):
    """Before any signature; and nothing is used up."""
    refused = refuse(place, outside.form(**changes))
    assert (refused.error, refused.status) == (error, 400)
    assert not has_written(place)


def test_the_scope_may_be_named(place, outside):
    """There is one."""
    assert ask(place, outside.form(scope="claim"))


# Assertions


def test_whoever_has_proved_nothing_learns_nothing(place, outside):
    """Whether there is such a worker, or what was wrong."""
    stranger = Outside()
    forged = outside.sign(key=stranger.key)
    for assertion in (stranger.sign(), forged, "x", outside.sign(exp=1)):
        refused = refuse(place, outside.form(assertion))
        assert (refused.error, refused.status) == ("invalid_client", 401)
        assert refused.description == str(refused) == UNKNOWN


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None}, {"iss": "x"}, {"iss": ""}, {"sub": None}, {"sub": "x"}, {"sub": 7},
        {"aud": None}, {"aud": "https://other.example"}, {"aud": ""}, {"aud": [SITE]},
        {"aud": [SITE, "https://other.example"]}, {"aud": SITE + "/@token/"}, {"aud": SITE + "@"},
        {"aud": SITE.upper()}, {"aud": "https://www.example.com"}, {"aud": 7},
        {"jti": None}, {"jti": ""}, {"jti": 7}, {"jti": "x" * 129}, {"jti": ["x"]},
        {"iat": None}, {"exp": None},
    ],
)  # fmt: skip
def test_each_claim_is_there_and_is_what_it_should_be(place, outside, claims):
    """Who it is from, for whom, and its id."""
    assert refuse(place, outside.form(outside.sign(**claims))).status == 401
    assert not has_written(place)


@pytest.mark.parametrize(
    "times",
    [
        (-130, -70),  # has ended
        (70, 130),  # begins in the future
        (0, 301),  # is good for too long
        (-200, 102),
        (0, 10**9),
        ("now", 60),
        (True, 60),
    ],
)
def test_times_are_checked(place, outside, times):
    """It is good for five minutes at most."""
    now = int(time.time())
    start, end = times
    iat = now + start if type(start) is int else start
    assert refuse(place, outside.form(outside.sign(iat=iat, exp=now + end))).status == 401


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("change", [str, lambda time: [time], lambda time: float("nan")])
def test_times_are_numbers(place, outside, name, change):
    """A text of digits is none, though PyJWT takes it."""
    now = int(time.time())
    good = {"iat": now, "exp": now + 60}
    bad = {**good, name: change(good[name])}
    assert refuse(place, outside.form(outside.sign(**bad))).status == 401
    assert ask(place, outside.form(outside.sign(**good)))


def test_an_assertion_of_five_minutes_is_good(place, outside):
    """And not of one second more."""
    now = int(time.time())
    assert ask(place, outside.form(outside.sign(iat=now, exp=now + 300)))


@pytest.mark.parametrize(
    "header", [{"typ": "at+jwt"}, {"typ": ""}, {"typ": "jwt"}, {"kid": "x"}, {"crit": ["exp"]}]
)
def test_the_header_is_checked(place, outside, header):
    """As that of our own tokens."""
    assert refuse(place, outside.form(outside.sign(header=header))).status == 401


def test_no_token_of_ours_is_an_assertion(place, outside):
    """Nor the other way round."""
    token = ask(place, outside.form()).answer["access_token"]
    assert "type is not JWT" in refuse(place, outside.form(token)).reason


def test_a_worker_cannot_sign_for_another_one(place, outside):
    """With its own key under another's name, and the other way round."""
    other = Outside()
    worker = registry.introduce(place, other.public, "other", ("ocr",))
    registry.approve(place, worker, ("ocr",), "admin")
    both = {"iss": outside.id, "sub": outside.id}
    assert refuse(place, outside.form(other.sign(**both))).status == 401
    assert refuse(place, outside.form(other.sign(header={"kid": outside.id}, **both))).status == 401
    assert refuse(place, outside.form(other.sign(sub=outside.id))).status == 401


@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_the_algorithm_is_fixed(place, outside, alg):
    """The public key is no shared secret."""
    now = int(time.time())
    about = {"iss": outside.id, "sub": outside.id, "aud": SITE, "jti": "1"}
    claims = {**about, "iat": now, "exp": now + 60}
    secret = None if alg == "none" else outside.public
    assertion = jwt.encode(claims, secret, alg, {"typ": "JWT", "kid": outside.id})
    assert refuse(place, outside.form(assertion)).reason == "its algorithm is not EdDSA"


# Who is approved


@pytest.mark.parametrize("state", ["pending", "withdrawn"])
def test_who_is_not_approved_gets_nothing(place, state):
    """But is told, as it has proved who it is; and nothing is written."""
    made = Outside()
    worker = registry.introduce(place, made.public, "ocr", ("ocr",))
    if state == "withdrawn":
        registry.withdraw(place, worker, "admin")
    commit(place)
    refused = refuse(place, made.form())
    assert (refused.error, refused.status) == ("invalid_client", 401)
    assert refused.description.startswith(f"The worker is {state}:")
    assert not has_written(place)


def test_who_was_forgotten_is_unknown(place, outside):
    """As if it had never been there."""
    registry.forget(place, registry.find_worker(place, outside.id), "admin")
    assert refuse(place, outside.form()).description == UNKNOWN


# Once


def test_an_assertion_is_good_once(place, outside):
    """Whoever has seen it."""
    form = outside.form()
    assert ask(place, form)
    commit(place)
    refused = refuse(place, form)
    assert (refused.error, refused.status) == ("invalid_client", 401)
    assert "used before" in refused.description


def test_a_jti_is_good_once(place, outside):
    """In another assertion, too."""
    now = int(time.time())
    assert ask(place, outside.form(outside.sign(jti="1")))
    assert refuse(place, outside.form(outside.sign(jti="1", exp=now + 200))).status == 401


def test_two_workers_may_use_one_jti(place, outside):
    """Neither knows of the other's."""
    other = Outside()
    worker = registry.introduce(place, other.public, "other", ("ocr",))
    registry.approve(place, worker, ("ocr",), "admin")
    assert ask(place, outside.form(outside.sign(jti="1")))
    assert ask(place, other.form(other.sign(jti="1")))


def test_an_assertion_that_comes_twice_at_the_same_time(open_place, place, outside):
    """In two processes: one wins, and the other finds it used."""
    ask(place, outside.form())
    commit(place)
    form, other = outside.form(), open_place()
    for one in (place, other):
        ask(one, form)
    commit(place)
    with pytest.raises(ConflictError):
        commit(other)
    look(other)
    assert refuse(other, form).status == 401


def test_it_is_kept_for_as_long_as_it_could_come_again(place, outside, monkeypatch):
    """With the skew that is tolerated."""
    monkeypatch.setattr(once, "SLICE", 10)  # the shorter, the less is kept for longer
    now = time.time()
    assert ask(place, outside.form(outside.sign(iat=int(now), exp=int(now) + 300, jti="1")))
    ids = find_part(place, "once")
    for later in range(0, 360, 20):
        assert not ids.use(f"{outside.id} 1", now + later, now + later)


def test_a_refusal_uses_nothing_up(place, outside):
    """Somebody else's forged copy does not take a worker's turn."""
    assertion = outside.sign()
    head, body, signature = assertion.split(".")
    assert refuse(place, outside.form(f"{head}.{body}.{signature[::-1]}"))
    assert ask(place, outside.form(assertion))


def test_past_a_limit_all_wait(place, outside, monkeypatch):
    """The site says when to come again."""
    monkeypatch.setattr(once, "MOST", 0)
    refused = refuse(place, outside.form())
    assert (refused.error, refused.status) == ("temporarily_unavailable", 503)
