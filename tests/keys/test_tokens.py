"""Signed tokens: what is made, and everything that is not read (RFC 8725)."""

from .made import claims_for
from .made import forge
from .made import new_key
from .made import sign
from .made import UID
from collective.wsgifutures.keys.places import make_part
from collective.wsgifutures.keys.public import encode
from collective.wsgifutures.keys.public import make_jwk
from collective.wsgifutures.keys.ring import find_ring
from collective.wsgifutures.keys.ring import LONGEST
from collective.wsgifutures.keys.ring import ring_of
from collective.wsgifutures.keys.ring import ROTATE_AFTER
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import CAPABILITY
from collective.wsgifutures.keys.tokens import CLAIM
from collective.wsgifutures.keys.tokens import LARGEST
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.keys.tokens import mint_with_id
from collective.wsgifutures.keys.tokens import TokenRefused
from collective.wsgifutures.keys.tokens import verify
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

import base64
import hashlib
import hmac
import json
import jwt
import pytest
import time

TYPES = (ACCESS, CLAIM, CAPABILITY)
ANY_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OURS = {"iss", "aud", "iat", "nbf", "exp", "jti", "sub"}


@pytest.fixture
def key(place):
    """The private key of the site, which signs."""
    return ring_of(place, time.time()).current


@pytest.fixture
def head(key):
    """A good header."""
    return {"alg": "EdDSA", "typ": ACCESS, "kid": key.id}


def refuse(place, token, typ=ACCESS):
    """Return why a token is refused."""
    with pytest.raises(TokenRefused) as raised:
        verify(place, token, typ)
    assert str(raised.value) == "The token is not valid here."
    return raised.value.reason


# Good ones


@pytest.mark.parametrize("typ", TYPES)
def test_what_was_made_is_read(place, typ):
    """With the site as its issuer and audience, times, and an id of its own."""
    before = int(time.time())
    token = mint(place, typ, {"sub": "ann", "gen": 3}, 60)
    read = verify(place, token, typ)
    assert {**read, "jti": "", "iat": before, "nbf": before, "exp": before} == {
        "sub": "ann", "gen": 3, "jti": "", "iat": before, "nbf": before, "exp": before,
        "iss": f"urn:uuid:{UID}", "aud": f"urn:uuid:{UID}",
    }  # fmt: skip
    assert before <= read["iat"] == read["nbf"] <= time.time()
    assert 59 <= read["exp"] - read["iat"] <= 61
    assert jwt.get_unverified_header(token) == {
        "alg": "EdDSA",
        "typ": typ,
        "kid": find_ring(place).current.id,
    }


def test_the_id_of_a_token_is_told_for_logs(place):
    """It is no secret, and nobody else's."""
    made = [mint_with_id(place, ACCESS, {"sub": "ann"}, 60) for _ in range(20)]
    assert [verify(place, token, ACCESS)["jti"] for _, token in made] == [id for id, _ in made]
    assert len({id for id, _ in made}) == 20


@ANY_DATABASE
@given(st.dictionaries(st.text().filter(lambda name: name not in OURS), JSON_VALUES, max_size=4))
def test_any_claims_come_back_as_they_were(place, claims):
    """Unless there are so many that the token is too long."""
    token = mint(place, CLAIM, {**claims, "sub": "ann"}, 60)
    if len(token) <= LARGEST:
        read = verify(place, token, CLAIM)
        assert {name: read[name] for name in claims} == claims


def test_a_token_of_an_earlier_key_is_read(host, place):
    """As long as it has not ended; and after a leak not at all."""
    token, now = mint(place, ACCESS, {"sub": "ann"}, 60), time.time()
    find_ring(place).rotate(now)
    assert verify(place, token, ACCESS)["sub"] == "ann"
    find_ring(place).rotate(now, forget=True)
    assert refuse(place, token) == "no key of the site has this id"


def test_the_token_that_rotates_is_read_though_its_transaction_is_aborted(host, place):
    """It is signed with the key that is committed."""
    now = time.time()
    ring_of(place, now - ROTATE_AFTER)
    host.commit()
    token = mint(place, ACCESS, {"sub": "ann"}, 60)
    assert host.has_written
    host.abort()
    assert verify(place, token, ACCESS)["sub"] == "ann"


def test_reading_writes_nothing(host, place):
    """Nor does making one, while the key is not old."""
    token = mint(place, ACCESS, {"sub": "ann"}, 60)
    host.commit()
    verify(place, token, ACCESS)
    mint(place, ACCESS, {"sub": "ann"}, 60)
    assert not host.has_written


def test_a_token_ends_before_its_key_is_forgotten(place):
    """However long somebody wants it."""
    read = verify(place, mint(place, CLAIM, {"sub": "1"}, 10 * LONGEST), CLAIM)
    assert read["exp"] - read["iat"] <= LONGEST + 1


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "nbf", "exp", "jti"])
def test_what_is_set_here_is_not_given(place, name):
    """Whoever tries has made an error."""
    with pytest.raises(ValueError, match=name):
        mint(place, ACCESS, {"sub": "ann", name: "x"}, 60)


def test_a_token_is_about_somebody(place):
    """Or something."""
    with pytest.raises(ValueError, match="sub"):
        mint(place, ACCESS, {}, 60)


# Another kind, another site


@pytest.mark.parametrize("made", TYPES)
@pytest.mark.parametrize("door", TYPES)
def test_a_token_is_good_at_one_door(place, made, door):
    """That of its kind."""
    token = mint(place, made, {"sub": "ann"}, 60)
    if made == door:
        assert verify(place, token, door)
    else:
        assert refuse(place, token, door) == f"its type is not {door}"


@pytest.mark.parametrize(
    "typ", [None, "", "JWT", "AT+JWT", "at+jwt ", "application/at+jwt", [ACCESS]]
)
def test_the_kind_is_compared_exactly(place, key, head, typ):
    """A header without one, or with something like it, is refused."""
    token = forge(claims_for(place), key.signer, {**head, "typ": typ})
    assert refuse(place, token) == f"its type is not {ACCESS}"


def test_a_site_without_keys_reads_nothing(host, place):
    """And gets none by being asked."""
    token = mint(place, ACCESS, {"sub": "ann"}, 60)
    assert refuse(host.place(uid="another"), token) == "no key of the site has this id"
    assert find_ring(host.place(uid="another")) is None


@pytest.mark.parametrize("other", [("another", "/plone"), (UID, "/imported")])
def test_a_token_of_a_sister_site_is_refused(host, place, other):
    """It has a ring of its own, though it may have the same UID or path."""
    sister = host.place(*other)
    ring_of(sister, time.time())
    assert refuse(place, mint(sister, ACCESS, {"sub": "ann"}, 60))
    assert refuse(sister, mint(place, ACCESS, {"sub": "ann"}, 60))


def test_a_ring_that_was_copied_to_another_site_does_not_help(host, place):
    """The token says which site it is for."""
    ring = ring_of(place, time.time())
    sister = host.place(uid="another")
    make_part(sister, "ring", lambda: ring)
    assert "InvalidIssuerError" in refuse(sister, mint(place, ACCESS, {"sub": "ann"}, 60))


# Another key, another algorithm


def test_a_signature_by_another_key_is_refused(place, head):
    """Whatever id it names."""
    assert "InvalidSignature" in refuse(place, forge(claims_for(place), new_key(), head))


def test_an_unknown_key_id_is_refused(place, key, head):
    """Though the key is the right one."""
    for kid in ("unknown", "", "../" + key.id, key.id + " "):
        token = forge(claims_for(place), key.signer, {**head, "kid": kid})
        assert refuse(place, token) == "no key of the site has this id"


@pytest.mark.parametrize("kid", [None, 7, ["x"], {}])
def test_a_key_id_is_a_text(place, key, head, kid):
    """Or there is none."""
    assert refuse(place, forge(claims_for(place), key.signer, {**head, "kid": kid}))
    without = {name: value for name, value in head.items() if name != "kid"}
    assert refuse(place, forge(claims_for(place), key.signer, without)) == "it names no key"


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "", None, "HS256", "RS256", "ES256", "Ed25519", "eddsa", ["EdDSA"]],
)
def test_the_algorithm_is_fixed(place, key, head, alg):
    """The token does not choose it."""
    token = forge(claims_for(place), key.signer, {**head, "alg": alg})
    assert refuse(place, token) == "its algorithm is not EdDSA"


def test_a_token_without_a_signature_is_refused(place, key, head):
    """With the algorithm of none, and with ours."""
    for alg in ("none", "EdDSA"):
        whole = forge(claims_for(place), key.signer, {**head, "alg": alg})
        assert refuse(place, whole.rpartition(".")[0] + ".")


def test_the_public_key_is_no_shared_secret(place, key, head):
    """HS256 with any form of the public key, which everybody knows."""
    public = key.signer.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secrets = [
        key.public,
        pem,
        encode(key.public).encode(),
        json.dumps(make_jwk(key.public)).encode(),
    ]
    for secret in secrets:
        for alg in ("HS256", "EdDSA"):
            header = {**head, "alg": alg}
            body = ".".join(
                encode(json.dumps(part).encode()) for part in (header, claims_for(place))
            )
            digest = hmac.new(secret, body.encode(), hashlib.sha256).digest()
            assert refuse(place, f"{body}.{encode(digest)}")


def test_a_key_in_the_header_is_ignored(place, key, head):
    """Nothing is fetched, and nobody signs with a key of their own."""
    mine = new_key()
    public = make_jwk(mine.public_key().public_bytes_raw())
    own = [{"jwk": public}, {"jku": "http://127.0.0.1:9/"}, {"x5u": "http://127.0.0.1:9/"}]
    for more in (*own, {"x5c": ["MIIB"]}):
        assert "InvalidSignature" in refuse(place, forge(claims_for(place), mine, {**head, **more}))
        assert verify(place, forge(claims_for(place), key.signer, {**head, **more}), ACCESS)


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"crit": ["b64"], "b64": True},
        {"crit": []}, {"crit": "b64"}, {"crit": None}, {"b64": False}, {"b64": True},
    ],
)  # fmt: skip
def test_a_header_that_asks_for_an_extension_is_refused(place, key, head, more):
    """We know none."""
    assert refuse(place, forge(claims_for(place), key.signer, {**head, **more}))


# Another time, another audience


@pytest.mark.parametrize("ago", [7, 3600, 10**9])
def test_a_token_that_has_ended_is_refused(place, ago):
    """But for a few seconds, by which the hosts of a site may differ."""
    now = time.time()
    token = mint(place, ACCESS, {"sub": "ann"}, 60, now=now - 60 - ago)
    assert "Expired" in refuse(place, token)
    assert verify(place, mint(place, ACCESS, {"sub": "ann"}, 60, now=now - 62), ACCESS)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused(place, key, name):
    """But for the same few seconds."""
    now = int(time.time())
    for ahead, is_good in ((8, False), (3600, False), (2, True)):
        claims = claims_for(place, **{name: now + int(ahead), "exp": now + 7200})
        token = sign(claims, key.signer, typ=ACCESS, kid=key.id)
        assert is_good == bool(is_good and verify(place, token, ACCESS))
        assert is_good or "Immature" in refuse(place, token)


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "nbf", "exp", "jti", "sub"])
@pytest.mark.parametrize(
    "value", [None, "", "x", [], {}, ["urn:uuid:" + UID], -1, 2**70, True, 1e400]
)
def test_each_claim_is_there_and_is_what_it_should_be(place, key, name, value):
    """A token of ours always has them all."""
    claims = claims_for(place)
    claims[name] = value
    if value is None:
        del claims[name]
    token = forge(claims, key.signer, {"alg": "EdDSA", "typ": ACCESS, "kid": key.id})
    is_text, is_early = isinstance(value, str), name in ("iat", "nbf") and value in (-1, True)
    is_late = name == "exp" and value == 2**70
    if (name in ("jti", "sub") and is_text) or is_early or is_late:
        assert verify(place, token, ACCESS)
    else:
        assert refuse(place, token)


def test_a_token_for_several_audiences_is_refused(place, key):
    """The others could use it here."""
    claims = claims_for(place, aud=[place.urn, "https://other.example"])
    assert refuse(place, sign(claims, key.signer, typ=ACCESS, kid=key.id))


# No token at all


@pytest.mark.parametrize(
    "token",
    [
        None, 7, [], {}, b"a.b.c", "", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", " ",
        "\x00", "ä.b.c", "\ud800.b.c", "e30.e30.e30", "W10.W10.W10", "bnVsbA..", "!!!!.!!!!.!!!!",
        encode(b"\xff\xfe") + ".e30.e30", encode(b'{"alg":"EdDSA"') + "..",
        encode(b"[" * 2000) + "..",
        encode(b'{"alg":' + b"[" * 1500 + b"]" * 1500 + b"}") + "..",
        encode(b'{"alg":' + b"9" * 3000 + b"}") + "..",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(place, key, token):
    """And nothing else happens."""
    assert refuse(place, token)


@pytest.mark.parametrize(
    "payload", [b"\xff\xfe", b"[]", b"null", b"7", b"{", b"", b"[" * 2000, b'{"exp":NaN}']
)
def test_what_is_no_object_in_a_good_signature_is_refused(place, key, head, payload):
    """Whoever has signed it."""
    body = f"{encode(json.dumps(head).encode())}.{encode(payload)}"
    assert refuse(place, f"{body}.{encode(key.signer.sign(body.encode()))}")


def test_a_token_that_is_too_long_is_not_looked_at(place, key, monkeypatch):
    """Not even decoded."""
    token = sign(claims_for(place, more="x" * LARGEST), key.signer, typ=ACCESS, kid=key.id)
    monkeypatch.setattr(base64, "urlsafe_b64decode", None)
    monkeypatch.setattr(json, "loads", None)
    assert refuse(place, token) == f"it is longer than {LARGEST} bytes"
    assert refuse(place, "x" * 10_000_000) == f"it is longer than {LARGEST} bytes"


@ANY_DATABASE
@given(st.data())
def test_no_part_of_a_token_can_be_changed(place, data):
    """One character, a piece that is left out, two that change places."""
    token = mint(place, ACCESS, {"sub": "ann", "scope": "claim"}, 60)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab01-_.="))
    for changed in (
        token[:at] + other + token[at + 1 :],
        token[:at] + token[at + 1 :],
        token[:at] + other + token[at:],
        token[at:] + token[:at],
        token[:at],
    ):
        if changed != token:
            refuse(place, changed)


@ANY_DATABASE
@given(st.text() | st.binary() | JSON_VALUES | st.from_regex(r"[\w=-]*\.[\w=-]*\.[\w=-]*"))
def test_whatever_somebody_sends_is_refused(place, sent):
    """Never another error."""
    ring_of(place, time.time())
    refuse(place, sent)


@ANY_DATABASE
@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk"]), JSON_VALUES))
def test_whatever_header_somebody_sends_is_refused(place, header):
    """With a signature by a key of their own."""
    ring_of(place, time.time())
    refuse(place, forge(claims_for(place), new_key(), header))


def test_a_reason_has_nothing_of_the_token(place, key, head):
    """It goes into the log, so nobody else writes there."""
    evil = "x\n2026 INFO all is well"
    for more in ({"typ": evil}, {"kid": evil}, {"alg": evil}, {"crit": [evil]}):
        assert evil not in refuse(place, forge(claims_for(place), key.signer, {**head, **more}))
    for name in ("iss", "aud", "exp", "sub"):
        reason = ""
        try:
            verify(place, forge(claims_for(place, **{name: evil}), key.signer, head), ACCESS)
        except TokenRefused as refused:
            reason = refused.reason
        assert evil not in reason
