"""What a future may be called with, how it is copied and how it is known again."""

from .fakes import FOREIGN
from .fakes import Plain
from .fakes import raised_by
from collections import namedtuple
from collections import OrderedDict
from collective.wsgifutures.kernel.arguments import foreign
from collective.wsgifutures.kernel.arguments import is_immutable
from collective.wsgifutures.kernel.arguments import take
from collective.wsgifutures.kernel.arguments import take_closure
from collective.wsgifutures.kernel.arguments import Unfit
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import UTC
from decimal import Decimal
from enum import Enum
from enum import Flag
from enum import IntEnum
from enum import IntFlag
from uuid import UUID
from zoneinfo import ZoneInfo

import functools
import math
import pytest

Point = namedtuple("Point", "x y")


class Doubling(namedtuple("Doubling", "x y")):
    def __new__(cls, x):
        return super().__new__(cls, x, 2 * x)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Right(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    ONE = 1


@dataclass(frozen=True)
class Query:
    text: str
    tags: list = field(default_factory=list)


@dataclass(frozen=True)
class SlottedQuery:
    __slots__ = ("text",)
    text: str


@dataclass
class Changeable:
    text: str


NAN = float("nan")
UTC = UTC
VIENNA = ZoneInfo("Europe/Vienna")
NOON = datetime(2026, 7, 1, 12)
FOLDED = datetime(2026, 10, 25, 2, 30, tzinfo=VIENNA)

PLAIN = [
    None,
    True,
    7,
    1.5,
    math.inf,
    2j,
    "text",
    b"bytes",
    Decimal("1.10"),
    UUID(int=7),
    date(2026, 7, 1),
    NOON,
    NOON.replace(tzinfo=VIENNA),
    time(12, tzinfo=UTC),
    timedelta(seconds=3),
    UTC,
    VIENNA,
    Color.RED,
    Level.LOW,
    Right.READ | Right.WRITE,
    Right(0),
    (1, (2, "x")),
    [1, [2]],
    {1, "x"},
    frozenset({(1, 2)}),
    {"a": [1], (1, 2): {"b": None}},
    Point(1, [2]),
    Doubling(4),
    Query("x", ["a"]),
    SlottedQuery("x"),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_is_copied_in_its_own_type(value):
    """The function gets what was given, of the very type, at every depth."""
    copy = take(value, "it").copy
    assert copy == value
    assert repr(copy) == repr(value)
    assert type(copy) is type(value)


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_is_known_again_by_its_value(value):
    """Asked for in the next pass with an equal value it is the same call."""
    first = take(value, "it")
    again = take(first.copy, "it")
    assert first.identity == again.identity
    assert hash(first.identity) == hash(again.identity)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NAN, float("nan")),
        (complex(NAN, 0), complex(float("nan"), 0)),
        (Decimal("NaN"), Decimal("NaN")),
        ([NAN], [float("nan")]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2, 3}, {3, 2, 1}),
        (NOON.replace(tzinfo=ZoneInfo.no_cache("Europe/Vienna")), NOON.replace(tzinfo=VIENNA)),
    ],
)
def test_equal_values_are_one_call(one, other):
    """Compared by type and value: NaN equals itself, a dict has no order."""
    assert take(one, "it").identity == take(other, "it").identity


@pytest.mark.parametrize(
    "values",
    [
        [1, True, 1.0, 1 + 0j, Decimal(1), "1", b"1", Level.LOW, Bits.ONE],
        [0, False, 0.0, -0.0, None, "", b"", (), [], {}, set(), frozenset()],
        [[1], [True], [1.0], (1,), [[1]], {1}, frozenset({1})],
        [{"a": 1}, {"a": True}, {"a": 1.0}, {b"a": 1}, {"b": 1}],
        [{1: "x"}, {True: "x"}, {1.0: "x"}],
        [(1, 2), Point(1, 2), Point(1.0, 2), [1, 2]],
        [Color.RED, Color.BLUE, "red"],
        [Right(0), Right.READ, Right.WRITE, Right.READ | Right.WRITE, 0],
        [Bits(8), Bits(16), Bits(9), 8],
        [Query("x"), Query("x", ["a"]), SlottedQuery("x"), ("x", [])],
        [NOON, NOON.date(), NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=VIENNA)],
        [FOLDED, FOLDED.replace(fold=1), FOLDED.astimezone(UTC)],
        [Decimal("1.0"), Decimal("1.00")],
        [2j, complex(0.0, -2), complex(-0.0, 2)],
    ],
    ids=repr,
)
def test_values_that_differ_in_type_or_value_are_different_calls(values):
    """1, True and 1.0 are three calls, at every depth."""
    assert len({take(value, "it").identity for value in values}) == len(values)


def test_a_copy_shares_nothing_that_can_change():
    """What the caller changes afterwards does not reach the function."""
    given = {"items": [1], "query": Query("x", ["a"]), "point": Point(0, [1])}
    copy = take(given, "it").copy
    given["items"].append(2)
    given["query"].tags.append("b")
    given["point"].y.append(2)
    assert copy == {"items": [1], "query": Query("x", ["a"]), "point": Point(0, [1])}


def cycle():
    """Return a list that contains itself."""
    items = [1]
    items.append({"again": items})
    return items


def deep():
    """Return a list that is nested ten thousand times."""
    items = []
    for _ in range(10_000):
        items = [items]
    return items


@pytest.mark.parametrize(
    ("value", "where", "reason"),
    [
        (cycle(), "it[1]['again']", "it contains itself; pass data without a cycle."),
        (deep(), "it", "it is nested too deeply; pass flatter data."),
        (OrderedDict(), "it", "OrderedDict is not plain data; pass dict(value)."),
        (type("Text", (str,), {})(), "it", "Text is not plain data; pass str(value)."),
        ([Changeable("x")], "it[0]", "Changeable is a dataclass that can change; declare it "),
        (
            {"a": (1, Plain())},
            "it['a'][1]",
            "kernel.fakes.Plain is not plain data; pass the strings, numbers, lists and dicts",
        ),
        (Query(Plain()), "it.text", "kernel.fakes.Plain is not plain data"),
        ({len: 1}, "a key of it", "it is a function or a class; call it inside the future"),
        (frozenset({Plain}), "an item of it", "it is a function or a class"),
        (bytearray(), "it", "builtins.bytearray is not plain data"),
        (functools.partial(len, Plain()), "it", "it is a function or a class"),
        (iter([]), "it", "builtins.list_iterator is not plain data"),
    ],
    ids=lambda value: None if isinstance(value, (str, list)) else "",
)
def test_what_is_not_plain_data_is_refused_by_its_place(value, where, reason):
    """A refusal says where the value stands, what it is and what to pass instead."""
    unfit = raised_by(take, value, "it")
    assert isinstance(unfit, Unfit)
    assert (unfit.where, unfit.foreign) == (where, False)
    assert unfit.reason.startswith(reason)


@pytest.mark.parametrize(("what", "make"), FOREIGN.items())
@pytest.mark.parametrize(
    ("wrap", "where", "words"),
    [
        (lambda value: value, "it", "{}; pass the "),
        (lambda value: {"a": [value]}, "it['a'][0]", "{}; pass the "),
        (lambda value: Query(value), "it.text", "{}; pass the "),
        (lambda value: functools.partial(len, value), "it", "a partial of {}"),
        (lambda value: functools.partial(len, x=value), "it", "a partial of {}"),
        (lambda value: lambda: value, "it", "a closure over value, {}"),
        (lambda value: lambda: (lambda: value)(), "it", "a closure over value, {}"),
        (
            lambda value: functools.partial(lambda: value),
            "it",
            "a partial of a closure over value, {}",
        ),
    ],
)
def test_what_belongs_to_zope_is_refused_in_any_wrapping(what, make, wrap, where, words):
    """A persistent object, wrapper, request or view leaves its pass in no way."""
    unfit = raised_by(take, wrap(make()), "it")
    assert isinstance(unfit, Unfit)
    assert (unfit.where, unfit.foreign) == (where, True)
    assert unfit.reason.startswith(f"it is {words.format(what.strip())}")


@pytest.mark.parametrize("what", ["a view", "a view "])
def test_a_bound_method_is_refused_with_what_it_is_bound_to(what):
    """The message tells the method from its view, and what to use."""
    assert foreign(Plain().method) == "a bound method of a Plain; use a function of a module"
    expected = "a bound method of a view; use a function of a module"
    assert foreign(FOREIGN[what]().method) == expected


@pytest.mark.parametrize(
    "value",
    [
        1,
        [1],
        Plain(),
        Plain,
        Plain.method,
        len,
        math,
        dict.fromkeys,
        lambda: math,
        *FOREIGN.values(),
    ],
)
def test_what_belongs_to_no_pass_is_not_foreign(value):
    """A class, a module, a function of one and a class's method may go anywhere."""
    assert foreign(value) is None


def test_a_function_that_closes_over_itself_is_not_foreign():
    """A recursive function is looked at once."""

    def countdown(n):
        return n and countdown(n - 1)

    assert foreign(countdown) is None
    taken = take_closure(countdown)
    assert (taken.identity, taken.copy(3)) == ((("countdown", ()),), 0)


def test_closed_over_plain_values_count_as_arguments():
    """Functions of a loop differ, though the loop's variable goes on changing."""
    functions = []
    for city in ["Graz", "Wien", "Graz"]:
        taken = take_closure(lambda: city)  # noqa: B023
        functions.append(taken)
    assert functions[0].identity == functions[2].identity != functions[1].identity
    assert [taken.copy() for taken in functions] == ["Graz", "Wien", "Graz"]


def _closes_over_inside(city):
    def decorated(function):
        return lambda: function()

    return decorated(lambda: city)


def test_what_a_function_inside_closes_over_counts_too():
    """A decorator around a closure hides no argument."""
    cities = ["Graz", "Wien", "Graz"]
    identities = [take_closure(_closes_over_inside(city)).identity for city in cities]
    assert identities[0] == identities[2] != identities[1]
    assert take_closure(_closes_over_inside("Graz")).copy() == "Graz"


def test_functions_closed_over_are_told_by_what_they_do():
    """The same one is made anew in each pass; another one is another call."""
    upper, lower, upper_again = [
        take_closure(_decorated(how)).identity for how in ("upper", "lower", "upper")
    ]
    assert upper == upper_again != lower


def _decorated(how):
    def shout(text):
        return text.upper()

    def whisper(text):
        return text.lower()

    function = shout if how == "upper" else whisper
    return lambda text: function(text)


def test_what_is_not_plain_and_closed_over_is_told_by_being_the_same():
    """A client made once is known again; what is made anew never passes for another."""
    first, second = Plain(), Plain()
    identities = [take_closure(_closes_over(c)).identity for c in (first, first, second)]
    assert identities[0] == identities[1] != identities[2]


def _closes_over(value):
    return lambda: value


@pytest.mark.parametrize(("what", "make"), FOREIGN.items())
def test_what_holds_something_of_zope_is_refused_where_it_is_closed_over(what, make):
    """A helper made around a view or a content takes it along."""
    helper = Plain()
    helper.about = make()
    unfit = raised_by(take_closure, _closes_over(helper))
    assert isinstance(unfit, Unfit)
    assert unfit.reason.startswith(f"it is a closure over value, {what.strip()}; pass the ")


def test_a_closure_gets_copies_and_keeps_helpers_as_they_are():
    """Plain values are copied; a client or an unassigned name stays what it is."""
    client, items = Plain(), [1]

    def function(*, default=3):
        if default is None:
            return later
        return client, items, default

    copy = take_closure(function).copy
    items.append(2)
    assert copy() == (client, [1], 3)
    with pytest.raises(NameError):
        copy(default=None)
    later = 1
    assert later


@pytest.mark.parametrize("make", FOREIGN.values())
def test_a_closure_over_data_that_contains_something_of_zope_is_refused(make):
    """A list around a request does not take it along."""
    items = {"all": [make()]}
    unfit = raised_by(take_closure, lambda: items)
    assert unfit.where == "its function"
    assert unfit.reason.startswith("it is a closure over items['all'][0], a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", True),
        (complex(1), True),
        ((1, ("x", frozenset({b""}))), True),
        (NOON, True),
        ([1], False),
        ((1, [2]), False),
        (type("Text", (str,), {})(), False),
        (Point(1, 2), False),
    ],
)
def test_only_what_cannot_change_at_any_depth_is_immutable(value, expected):
    """Passes share a value only where none can change it for another."""
    assert is_immutable(value) is expected
