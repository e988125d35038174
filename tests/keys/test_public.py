"""Public keys that others bring."""

from .made import new_key
from collective.wsgifutures.keys.public import encode
from collective.wsgifutures.keys.public import group
from collective.wsgifutures.keys.public import KeyRefused
from collective.wsgifutures.keys.public import make_jwk
from collective.wsgifutures.keys.public import read_jwk
from collective.wsgifutures.keys.public import thumbprint
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

import base64
import pytest

_P = 2**255 - 19
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A

#: All points of low order, and the ways to write them that are not the shortest.
LOW = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def jwk(**changes):
    return {**{"kty": "OKP", "crv": "Ed25519", "x": X}, **changes}


def test_a_good_key_is_read():
    """Whatever else stands beside it."""
    assert encode(read_jwk(jwk(kid="x", use="sig", alg="EdDSA"))) == X


def test_the_thumbprint_is_that_of_the_standard():
    """RFC 8037, appendix A.3."""
    assert thumbprint(read_jwk(jwk())) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_people_see_the_thumbprint_in_groups():
    """Nothing of it is left out."""
    id = thumbprint(read_jwk(jwk()))
    assert group(id).startswith("kPrK _qmx VWaY ")
    assert group(id).replace(" ", "") == id


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "not a JSON object"),
        ([], "not a JSON object"),
        ("text", "not a JSON object"),
        ({}, "Ed25519"),
        (jwk(kty="EC", crv="P-256", y=X), "Ed25519"),
        (jwk(crv="Ed448"), "Ed25519"),
        (jwk(crv="X25519"), "Ed25519"),
        (jwk(kty=["OKP"]), "Ed25519"),
        (jwk(d=X), "private key"),
        (jwk(x=None), "32 bytes"),
        (jwk(x=7), "32 bytes"),
        (jwk(x=""), "32 bytes"),
        (jwk(x=X[:-1]), "32 bytes"),
        (jwk(x=X + "="), "32 bytes"),
        (jwk(x=X + "\n"), "32 bytes"),
        (jwk(x=X * 2), "32 bytes"),
        (jwk(x=X.replace("_", "/")), "32 bytes"),
        (jwk(x=X[:-1] + "p"), "one way"),  # the same bytes, with bits that are left over
        (jwk(x=encode((_P + 5).to_bytes(32, "little"))), "one way"),
    ],
)
def test_what_is_no_such_key_is_refused(given, words):
    """With a sentence that says why, and has nothing of the key."""
    with pytest.raises(KeyRefused, match=words) as raised:
        read_jwk(given)
    assert X not in str(raised.value)


@pytest.mark.parametrize("point", LOW)
def test_a_key_of_low_order_is_refused(point):
    """Anybody can sign for it."""
    with pytest.raises(KeyRefused):
        read_jwk(jwk(x=encode(bytes.fromhex(point))))


@pytest.mark.parametrize("point", LOW[8:])
def test_the_points_of_order_eight_are_those_of_the_curve(point):
    """Twice such a point is one of height 0; solved for its own height."""
    d = -121665 * pow(121666, -1, _P)
    height = int.from_bytes(bytes.fromhex(point), "little") % 2**255
    assert (d * height**4 + 2 * height**2 - 1) % _P == 0


def test_anybody_can_sign_for_a_key_of_low_order():
    """The library that we verify with takes such a signature: that is why they are refused."""
    identity = bytes.fromhex(LOW[2])
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"whatever")


@given(st.binary(min_size=32, max_size=32))
def test_any_key_is_refused_or_read_as_it_was_written(public):
    """Never changed."""
    try:
        assert read_jwk(make_jwk(public)) == public
    except KeyRefused:
        height = int.from_bytes(public, "little") % 2**255
        assert height >= _P or public.hex() in LOW


def test_each_key_that_was_made_is_read():
    """With the thumbprint of nobody else."""
    made = [new_key().public_key().public_bytes_raw() for _ in range(50)]
    assert [read_jwk(make_jwk(public)) for public in made] == made
    assert len({thumbprint(public) for public in made}) == 50
    assert all(len(base64.urlsafe_b64decode(thumbprint(public) + "=")) == 32 for public in made)
