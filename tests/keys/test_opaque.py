"""Secrets that say nothing by themselves."""

from collective.wsgifutures.keys.opaque import _check_sum
from collective.wsgifutures.keys.opaque import APPLICATION
from collective.wsgifutures.keys.opaque import digest_of
from collective.wsgifutures.keys.opaque import is_secret
from collective.wsgifutures.keys.opaque import make_secret
from collective.wsgifutures.keys.opaque import PATTERN
from collective.wsgifutures.keys.opaque import PREFIX
from collective.wsgifutures.keys.opaque import read_secret
from collective.wsgifutures.keys.opaque import REFRESH
from collective.wsgifutures.keys.opaque import write_secret
from hypothesis import given
from hypothesis import strategies as st

import pytest


@given(st.binary(min_size=32, max_size=32))
def test_each_is_recognized_whatever_its_bits(bits):
    """By a scanner, and by the site; and none is taken for one of another kind."""
    secret = write_secret(APPLICATION, bits)
    assert PATTERN.fullmatch(secret)
    assert is_secret(secret, APPLICATION)
    assert not is_secret(secret, REFRESH)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 64), st.sampled_from("0Zz_-. é\n"))
def test_a_mistyped_one_is_no_secret(bits, place, letter):
    """The check sum tells, before anything is looked up."""
    secret = write_secret(APPLICATION, bits)
    mistyped = secret[:place] + letter + secret[place + 1 :]
    assert is_secret(mistyped, APPLICATION) == (mistyped == secret)


@pytest.mark.parametrize("text", [None, b"wsgifutures_app_", "", "wsgifutures_app_", 7, "x" * 9999])
def test_something_else_is_no_secret(text):
    """Whatever a client may send."""
    assert not is_secret(text, APPLICATION)


def test_a_cut_one_and_one_with_more_behind_it_are_none():
    """A line that was wrapped, or two that were joined."""
    secret = make_secret(REFRESH)
    assert is_secret(secret, REFRESH)
    assert not is_secret(secret[:-1], REFRESH)
    assert not is_secret(secret + "0", REFRESH)
    assert not is_secret(secret + "\n", REFRESH)


def test_no_two_are_the_same_and_a_digest_tells_nothing_of_its_secret():
    """They have 256 random bits."""
    made = {make_secret(APPLICATION) for _ in range(1000)}
    assert len(made) == len({digest_of(secret) for secret in made}) == 1000
    assert not any(secret.encode() in digest_of(secret) for secret in made)


def test_different_bits_are_different_secrets():
    """Also where they begin with zeros."""
    assert write_secret(APPLICATION, bytes(32)) != write_secret(APPLICATION, bytes(31) + b"\1")


@given(st.binary(min_size=32, max_size=32))
def test_the_bits_of_a_secret_can_be_read_again(bits):
    """By whoever has it; as a secret of its own kind."""
    assert read_secret(write_secret(REFRESH, bits), REFRESH) == bits
    assert read_secret(write_secret(REFRESH, bits), APPLICATION) is None


def test_letters_that_no_bits_are_written_with_are_no_secret():
    """There are more words of 43 letters than of 32 bytes."""
    largest = write_secret(REFRESH, b"\xff" * 32)
    text = f"{PREFIX}{REFRESH}_" + "z" * 43
    checked = text + _check_sum(text)
    assert is_secret(checked, REFRESH)
    assert read_secret(checked, REFRESH) is None
    assert read_secret(largest, REFRESH) == b"\xff" * 32
