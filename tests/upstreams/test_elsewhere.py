"""What other HTTP libraries take with each call is refused with where it is said here."""

from collective.wsgifutures import Upstream

import pytest

up = Upstream("up", "http://up.invalid")

ARGUMENTS = {
    "timeout": "Set timeout=, or total=, where the upstream is declared.",
    "auth": "Write it into headers=, here or where the upstream is declared.",
    "verify": "Set ca_file= where the upstream is declared.",
    "allow_redirects": "Set max_redirects= where the upstream is declared.",
    "follow_redirects": "Set max_redirects= where the upstream is declared.",
    "stream": "Make the call with that library, in a function with @future.",
    "content": "Write data=.",
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_argument_of_another_library_is_refused_with_what_to_write(name):
    """Where it is called, before anything is asked for."""
    for call in (up.get, up.get.submit, up.post):
        with pytest.raises(TypeError) as caught:
            call("/x", **{name: 3})
        assert str(caught.value).startswith("up.")
        assert f"unexpected keyword argument '{name}'. {ARGUMENTS[name]}" in str(caught.value)


def test_other_slips_are_refused_as_ever():
    """Nothing is known of them."""
    with pytest.raises(TypeError, match=r"up.get: got an unexpected keyword argument 'x'$"):
        up.get("/x", x=3)
