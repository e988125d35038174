"""An answer is plain data that nothing can change."""

from .outside import raised_by
from collective.wsgifutures import Answer
from collective.wsgifutures import UpstreamStatus
from collective.wsgifutures.kernel.arguments import take
from collective.wsgifutures.upstreams.answers import Headers

import dataclasses
import pickle
import pytest

HEADERS = Headers((("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")))


def answer(status=200, body=b"sunny", headers=HEADERS):
    return Answer(status, headers, body, "weather", "example.com")


def test_headers_are_found_in_any_case():
    """Those that came more than once are joined, or one by one."""
    assert HEADERS["content-TYPE"] == "text/plain"
    assert HEADERS["Set-Cookie"] == "a=1, b=2"
    assert HEADERS.all("Set-Cookie") == ("a=1", "b=2")
    assert (list(HEADERS), len(HEADERS)) == (["content-type", "set-cookie"], 2)
    assert HEADERS.get("x-none") is None
    assert "CONTENT-TYPE" in HEADERS


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Answer)])
def test_no_part_of_an_answer_can_be_changed(name):
    """Requests share it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(answer(), name, "other")
    hash(getattr(answer(), name))  # what can be hashed has no part that changes


def test_json_is_read_anew_each_time():
    """Who changes it changes their own."""
    one = answer(body=b'{"a": []}')
    one.json()["a"].append(1)
    assert one.json() == {"a": []}


def test_json_of_what_is_none_is_a_value_error():
    """As everywhere."""
    with pytest.raises(ValueError):
        answer(body=b"<html>").json()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", "ä".encode()),
        ("text/plain; charset=latin-1", "ä".encode("latin-1")),
        ('text/plain; charset="UTF-8"', "ä".encode()),
        ("text/plain; charset=none-such", "ä".encode()),
        ("", "ä".encode()),
    ],
)
def test_text_is_read_in_its_charset(kind, body):
    """In UTF-8 where there is none."""
    assert answer(body=body, headers=Headers((("Content-Type", kind),))).text == "ä"


def test_text_of_what_is_none_has_marks_where_it_is_wrong():
    """It raises nothing: who shows it can do no more about it."""
    assert answer(body=b"a\xffb").text == "a\ufffdb"


@pytest.mark.parametrize(("status", "ok"), [(200, True), (204, True), (304, False), (404, False)])
def test_ok_is_two_hundred_and_something(status, ok):
    """And nothing else."""
    assert answer(status).ok is ok


def test_raise_for_status_returns_the_answer_or_raises():
    """From 400 on."""
    fine = answer(399)
    assert fine.raise_for_status() is fine
    error = raised_by(UpstreamStatus, answer(400).raise_for_status)
    assert (error.name, error.host, error.status) == ("weather", "example.com", 400)


def test_answer_may_be_passed_to_another_future_and_be_returned_by_it():
    """It is plain data, and pickles."""
    one = answer()
    assert take(one, "it").copy == one
    assert pickle.loads(pickle.dumps(one)) == one
