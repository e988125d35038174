"""Plain data as JSON: what goes out comes back."""

from collective.wsgifutures.jobs import plain
from collective.wsgifutures.jobs.plain import dumps
from collective.wsgifutures.jobs.plain import loads
from collective.wsgifutures.jobs.plain import NotPlain
from collective.wsgifutures.kernel.arguments import take
from dataclasses import dataclass
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import timezone
from datetime import UTC
from decimal import Decimal
from enum import Enum
from hypothesis import given
from hypothesis import strategies as st
from typing import NamedTuple
from uuid import UUID
from wsgifutures_worker import plain as elsewhere
from zoneinfo import ZoneInfo

import json
import math
import pytest

CENTURY = timedelta(days=36500)
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-9, minutes=-30))])
KEYED = st.sampled_from([ZoneInfo("Europe/Vienna"), ZoneInfo("America/New_York")])
#: A time that there is twice in that night.
TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Vienna"))

HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=ZONES),
    st.datetimes(min_value=datetime(1950, 1, 1), timezones=KEYED, allow_imaginary=False),
    st.just(TWICE) | st.just(TWICE.replace(fold=1)),
    st.timedeltas(-CENTURY, CENTURY),
)
PLAIN = st.recursive(
    HASHABLE | st.frozensets(HASHABLE, max_size=3) | st.sets(HASHABLE, max_size=3),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(), inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=3),
    ),
    max_leaves=12,
)


def identity(value):
    return take(value, "value").identity


@given(PLAIN)
def test_what_goes_out_comes_back(value):
    """By value and by type, at every depth: as a future's arguments are compared."""
    assert identity(loads(dumps(value))) == identity(value)


@given(PLAIN)
def test_what_goes_out_is_json(value):
    """Without what only Python reads."""

    def refuse(name):
        raise AssertionError(name)

    json.loads(dumps(value), parse_constant=refuse)


@given(PLAIN)
def test_what_goes_to_a_worker_arrives_there(value):
    """By value and by type, as ``wsgifutures-worker`` reads it."""
    assert identity(elsewhere.read(json.loads(dumps(value)))) == identity(value)


@given(PLAIN)
def test_what_a_worker_sends_arrives_here(value):
    """By value and by type, as ``wsgifutures-worker`` writes it."""
    assert identity(loads(json.dumps(elsewhere.write(value)))) == identity(value)


def test_a_worker_knows_the_same_types():
    """None is added at one end alone."""
    assert elsewhere._READERS.keys() == plain._READERS.keys()
    assert elsewhere._WRITERS.keys() == plain._WRITERS.keys()


@pytest.mark.parametrize("read", [loads, lambda text: elsewhere.read(json.loads(text))])
def test_a_time_that_there_is_twice_is_told_apart_by_its_offset(read):
    """Not every language has a ``fold``."""
    for offset, fold in (("+02:00", 0), ("+01:00", 1)):
        moment = f"2026-10-25T02:30:00{offset}"
        tagged = {"$type": "datetime", "value": moment, "zone": "Europe/Vienna"}
        found = read(json.dumps(tagged))
        assert (found.isoformat(), found.fold) == (moment, fold)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x00\xff", '{"$type":"bytes","value":"AP8="}'),
        (Decimal("1.00"), '{"$type":"Decimal","value":"1.00"}'),
        (UUID(int=1), '{"$type":"UUID","value":"00000000-0000-0000-0000-000000000001"}'),
        (date(2026, 5, 1), '{"$type":"date","value":"2026-05-01"}'),
        (time(10, 30), '{"$type":"time","value":"10:30:00"}'),
        (timedelta(minutes=1.5), '{"$type":"timedelta","value":90.0}'),
        ({1}, '{"$type":"set","value":[1]}'),
        ((1, "a"), '[1,"a"]'),
        ({1: 2}, '{"$type":"dict","value":[[1,2]]}'),
        ({"$type": 1}, '{"$type":"dict","value":[["$type",1]]}'),
        (math.inf, '{"$type":"float","value":"inf"}'),
        (
            datetime(2026, 5, 1, 10, tzinfo=ZoneInfo("Europe/Vienna")),
            '{"$type":"datetime","value":"2026-05-01T10:00:00+02:00","zone":"Europe/Vienna"}',
        ),
    ],
)
def test_each_type_has_its_tag(value, text):
    """Workers in other languages read them."""
    assert dumps(value) == text


def test_nan_comes_back():
    """It equals nothing, not even itself."""
    assert math.isnan(loads(dumps(math.nan)))


class Colour(Enum):
    RED = 1


class Pair(NamedTuple):
    left: int


@dataclass(frozen=True)
class Point:
    x: int


@pytest.mark.parametrize("value", [Colour.RED, Pair(1), Point(1), object(), ZoneInfo("UTC")])
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"a": [value]}])
def test_what_needs_a_class_is_refused(value, wrap):
    """A worker elsewhere does not have it."""
    with pytest.raises(NotPlain, match="a worker elsewhere has no"):
        dumps(wrap(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[NaN]",
        '{"$type":"pickle","value":""}',
        '{"$type":["set"],"value":""}',
        '{"$type":"set","value":[[1]]}',
        '{"$type":"UUID","value":1}',
        '{"$type":"bytes","value":"*"}',
        '{"$type":"datetime","value":"2026-05-01T10:00:00+02:00","zone":"../../etc/passwd"}',
        '{"$type":"dict"}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_refused(text):
    """With the reason, and no other error."""
    with pytest.raises(NotPlain):
        loads(text)


def test_what_is_nested_too_deeply_is_refused():
    """Both ways."""
    deep = "[" * 500 + "]" * 500
    with pytest.raises(NotPlain):
        dumps(json.loads(deep))
    with pytest.raises(NotPlain):
        loads(deep)
