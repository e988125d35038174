"""What a setting may be, and what is said of one that is not that."""

from collective.wsgifutures.kernel import settings
from collective.wsgifutures.kernel.settings import read
from collective.wsgifutures.kernel.settings import SettingRefused

import pickle
import pytest

GOOD = [
    *[("SECONDS", text, value) for text, value in [("1", 1.0), (" 0.5 ", 0.5)]],
    *[("SECONDS_OR_NONE", text, value) for text, value in [("0", 0.0), ("2", 2.0)]],
    *[("SHARE", text, value) for text, value in [("0", 0.0), ("1", 1.0), ("0.1", 0.1)]],
    *[("COUNT", text, value) for text, value in [("1", 1), (7, 7)]],
    *[("COUNT_OR_NONE", text, value) for text, value in [("0", 0), ("3", 3)]],
    *[("BYTES", text, value) for text, value in [("0", 0), ("1024", 1024)]],
    *[("SWITCH", text, True) for text in ("on", "True", "yes", "1", True)],
    *[("SWITCH", text, False) for text in ("off", "FALSE", "no", "0", False)],
    ("TEXT", " /etc/ca.pem ", "/etc/ca.pem"),
]

BAD = [
    *[("SECONDS", text) for text in ("0", "-1", "inf", "nan", "1m", "")],
    *[("SECONDS_OR_NONE", text) for text in ("-0.1", "inf", "nan", "x")],
    *[("SHARE", text) for text in ("-0.1", "1.1", "nan", "half")],
    *[("COUNT", text) for text in ("0", "-1", "1.5", "x", "")],
    *[("COUNT_OR_NONE", text) for text in ("-1", "1.0", "x")],
    *[("BYTES", text) for text in ("-1", "1k")],
    *[("SWITCH", text) for text in ("maybe", "2", "")],
]


@pytest.mark.parametrize(("form", "text", "value"), GOOD)
def test_what_fits_is_read(form, text, value):
    """As an operator writes it, or as code gives it."""
    found = read("name", text, getattr(settings, form))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(("form", "text"), BAD)
def test_what_does_not_fit_is_refused_with_its_name_and_what_it_takes(form, text):
    """And survives pickling."""
    with pytest.raises(SettingRefused) as raised:
        read("name", text, getattr(settings, form))
    error = pickle.loads(pickle.dumps(raised.value))
    takes = getattr(settings, form)[1]
    assert (error.name, error.value, error.takes) == ("name", text, takes)
    assert str(error) == f"The setting name is {text!r}; it takes {takes}."


def test_user_and_password_of_a_refused_value_are_not_told():
    """It is logged, and an operator may send the log to somebody."""
    with pytest.raises(SettingRefused) as raised:
        read("name", "https://user:secret@host", settings.COUNT)
    assert "secret" not in str(raised.value)
    assert raised.value.value == "an address with a user"
