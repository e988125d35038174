"""What a message may be, both ways: JSON and bytes, bounded, and never a pickle."""

from collective.wsgifutures.amqp import messages
from collective.wsgifutures.amqp.errors import MessageRefused
from collective.wsgifutures.amqp.errors import MessageUnfit
from collective.wsgifutures.amqp.errors import NotDelivered
from collective.wsgifutures.amqp.messages import check_headers
from collective.wsgifutures.amqp.messages import check_name
from collective.wsgifutures.amqp.messages import check_properties
from collective.wsgifutures.amqp.messages import Delivery
from collective.wsgifutures.amqp.messages import encode

import datetime
import decimal
import pickle
import pytest


@pytest.mark.parametrize(
    ("body", "encoded"),
    [
        ({"a": ["ä", 1.5, None, True]}, b'{"a":["\\u00e4",1.5,null,true]}'),
        ("text", b'"text"'),
        ([], b"[]"),
        (None, b"null"),
    ],
)
def test_what_json_can_say_is_json(body, encoded):
    """With the content type that says so."""
    assert encode(body, None) == (encoded, "application/json")


def test_bytes_are_sent_as_they_are():
    """Whatever they call themselves: csv, msgpack, an image."""
    assert encode(b"\x00\xff", None) == (b"\x00\xff", "application/octet-stream")
    assert encode(b"a;b", "text/csv") == (b"a;b", "text/csv")


@pytest.mark.parametrize(
    "body",
    [object(), {1, 2}, datetime.datetime.now(), decimal.Decimal(1), float("nan"), {"a": b"bytes"}],
)
def test_anything_else_is_refused_with_a_sentence(body):
    """Nothing is pickled."""
    with pytest.raises(MessageRefused, match=r"body is neither JSON nor bytes .* pass plainer"):
        encode(body, None)


def test_a_list_that_has_itself_is_refused():
    """And not endless."""
    body = []
    body.append(body)
    with pytest.raises(MessageRefused, match="neither JSON nor bytes"):
        encode(body, None)


def test_a_body_is_bounded():
    """It is kept in the ZODB until it is sent."""
    assert encode(b"x" * messages.LARGEST, None)
    with pytest.raises(MessageRefused, match="Send where it is instead"):
        encode(b"x" * (messages.LARGEST + 1), None)


def test_json_does_not_call_itself_something_else():
    """Its reader would be misled."""
    assert encode({}, "application/vnd.api+json")[1] == "application/vnd.api+json"
    with pytest.raises(MessageRefused, match="Encode it, and pass the bytes"):
        encode({}, "application/x-python-serialize")


@pytest.mark.parametrize("name", [None, 1, b"bytes", "x" * 256, "ä" * 128])
def test_names_are_texts_that_amqp_can_say(name):
    """At most 255 bytes."""
    with pytest.raises(MessageRefused, match="routing_key"):
        check_name("routing_key", name)


@pytest.mark.parametrize("headers", [{"a": object()}, {1: "a"}, ["a"], {"a": "x" * 40_000}])
def test_headers_are_plain_and_bounded(headers):
    """By their names."""
    with pytest.raises(MessageRefused, match="headers"):
        check_headers(headers)
    assert check_headers({"a": [1, {"b": None}]}) == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    "properties", [{"delivery_mode": 1}, {"user_id": "a"}, {"priority": "1"}, {"priority": True}]
)
def test_properties_are_those_that_make_sense(properties):
    """Messages are always kept on disk, and have their own ids."""
    with pytest.raises(MessageRefused, match="properties"):
        check_properties(properties)
    assert check_properties({"expiration": 5, "reply_to": "q"}) == {
        "expiration": 5,
        "reply_to": "q",
    }


# What comes


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "application/x-json", "a/b+json"],
)
def test_json_comes_as_its_value(kind):
    """Whatever it is called, collective.zamqp's name among them."""
    assert Delivery("q", b'{"a": 1}', kind).value() == {"a": 1}


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-python-serialize"])
def test_anything_else_comes_as_bytes(kind):
    """A pickle too: it is not opened."""
    body = pickle.dumps(pytest.raises)
    assert Delivery("q", body, kind).value() == body


@pytest.mark.parametrize("body", [b"{", b"\xff", b"", b"[" * 100_000])
def test_what_only_calls_itself_json_is_unfit(body):
    """It goes to the dead letters, with the reason."""
    with pytest.raises(MessageUnfit, match="is not JSON"):
        Delivery("q", body, "application/json").value()


def test_what_is_too_large_is_unfit():
    """Before it is read."""
    with pytest.raises(MessageUnfit, match="bytes"):
        Delivery("q", b"x" * (messages.LARGEST + 1)).value()


def test_headers_and_properties_come_as_plain_data():
    """What a broker can say, and Python's plain types cannot, is told as text."""
    when = datetime.datetime(2026, 1, 1)
    headers = {"a": decimal.Decimal("1.5"), "b": [when, (1, b"x")], "c": {"d": None}}
    told = Delivery("q", b"", id="m", headers=headers, properties={"type": "t"}).described()
    assert told["headers"] == {"a": "1.5", "b": [when, [1, b"x"]], "c": {"d": None}}
    assert (told["message_id"], told["queue"], told["type"]) == ("m", "q", "t")


def test_errors_survive_pickling_and_say_what_to_do():
    """With their facts."""
    error = pickle.loads(pickle.dumps(NotDelivered("", "key", "no queue")))
    assert (error.exchange, error.routing_key, error.reason) == ("", "key", "no queue")
    assert "the default exchange" in str(error)
