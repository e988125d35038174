"""Plain data as JSON, as the site writes and reads it."""

from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import UTC
from decimal import Decimal
from enum import Enum
from uuid import UUID
from wsgifutures_worker import NotPlain
from wsgifutures_worker.plain import read
from wsgifutures_worker.plain import write
from zoneinfo import ZoneInfo

import collections
import json
import pytest


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "tagged"),
    [
        (b"\x00\xff", {"$type": "bytes", "value": "AP8="}),
        (Decimal("1.10"), {"$type": "Decimal", "value": "1.10"}),
        (
            UUID("12345678123456781234567812345678"),
            {"$type": "UUID", "value": "12345678-1234-5678-1234-567812345678"},
        ),
        (date(2026, 5, 1), {"$type": "date", "value": "2026-05-01"}),
        (time(10, 30), {"$type": "time", "value": "10:30:00"}),
        (
            datetime(2026, 5, 1, 10, tzinfo=UTC),
            {"$type": "datetime", "value": "2026-05-01T10:00:00+00:00"},
        ),
        (
            datetime(2026, 5, 1, 10, tzinfo=ZoneInfo("Europe/Berlin")),
            {
                "$type": "datetime",
                "value": "2026-05-01T10:00:00+02:00",
                "zone": "Europe/Berlin",
            },
        ),
        (timedelta(minutes=1), {"$type": "timedelta", "value": 60.0}),
        ({1}, {"$type": "set", "value": [1]}),
        (frozenset({1}), {"$type": "frozenset", "value": [1]}),
        (float("inf"), {"$type": "float", "value": "inf"}),
        (1j, {"$type": "complex", "value": [0.0, 1.0]}),
        ({1: "a"}, {"$type": "dict", "value": [[1, "a"]]}),
        ({"$type": "bytes"}, {"$type": "dict", "value": [["$type", "bytes"]]}),
        ({"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
    ],
)
def test_what_json_lacks_is_tagged_and_read_again(value, tagged):
    """In both directions, by way of a text."""
    assert write(value) == tagged
    assert read(json.loads(json.dumps(tagged))) == value


def test_tuples_become_lists():
    """JSON has one kind."""
    assert write({"a": (1, (2,))}) == {"a": [1, [2]]}


@pytest.mark.parametrize(
    "value", [object(), Colour.RED, collections.namedtuple("P", "x")(1), [[Colour]]]
)
def test_what_needs_a_class_is_refused(value):
    """The site does not have it."""
    with pytest.raises(NotPlain, match="is not plain data"):
        write(value)


@pytest.mark.parametrize(
    "tagged", [{"$type": "matrix", "value": 1}, {"$type": 1}, {"$type": "date", "value": "x"}]
)
def test_a_tag_that_is_not_known_is_refused(tagged):
    """No guess is made."""
    with pytest.raises(NotPlain):
        read(tagged)
