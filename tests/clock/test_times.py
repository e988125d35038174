"""When an entry is due, on the days of daylight saving too."""

from .made import at
from .made import DAY
from .made import told
from collective.wsgifutures.clock.times import Times
from itertools import islice

import pytest
import time

HELSINKI = "Europe/Helsinki"

#: Where clocks are put forward at midnight: the day begins at 01:00.
CAIRO = "Africa/Cairo"


def slots(cron, start, end, zone=HELSINKI):
    """Return what the clocks show at the slots between two local times."""
    times = Times(cron, zone)
    found = []
    for slot in times.after(at(start, zone)):
        if slot > at(end, zone):
            break
        found.append(slot)
    return told(found, zone)


def test_a_slot_is_after_the_start_and_never_at_it():
    """So one that has run is not found again."""
    times = Times("*/15 * * * *", "UTC")
    assert list(islice(times.after(900.0), 2)) == [1800.0, 2700.0]
    assert next(times.after(899.5)) == 900.0


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 3 * * *", ["28 03:30 +0200", "29 04:00 +0300", "30 03:30 +0300"]),
        ("0 3 * * *", ["28 03:00 +0200", "29 04:00 +0300", "30 03:00 +0300"]),
        ("0 4 * * *", ["28 04:00 +0200", "29 04:00 +0300", "30 04:00 +0300"]),
    ],
)
def test_a_time_of_the_day_that_does_not_exist_comes_at_the_end_of_the_gap(cron, expected):
    """Clocks go from 03:00 to 04:00 on 29 March 2026."""
    assert slots(cron, "2026-03-28 00:00", "2026-03-30 12:00") == expected


def test_several_times_of_one_gap_are_one():
    """As Debian's cron has it: no job comes twice at the same moment."""
    found = slots("0,20,40 3,4 * * *", "2026-03-29 00:00", "2026-03-29 12:00")
    assert found == ["29 04:00 +0300", "29 04:20 +0300", "29 04:40 +0300"]


def test_each_quarter_of_an_hour_leaves_a_gap_out():
    """Nothing is made up for."""
    found = slots("*/30 * * * *", "2026-03-29 02:20", "2026-03-29 04:30")
    assert found == ["29 02:30 +0200", "29 04:00 +0300", "29 04:30 +0300"]


def test_hours_that_begin_with_a_star_are_no_time_of_the_day():
    """Nor are minutes that do: nothing is due in an hour that does not exist."""
    found = slots("*/30 3 * * *", "2026-03-28 12:00", "2026-03-30 12:00")
    assert found == ["30 03:00 +0300", "30 03:30 +0300"]


def test_a_time_of_the_day_that_comes_twice_counts_once():
    """At the first one: clocks go from 04:00 to 03:00 on 25 October 2026."""
    found = slots("30 3 * * *", "2026-10-24 12:00", "2026-10-26 12:00")
    assert found == ["25 03:30 +0300", "26 03:30 +0200"]


def test_an_hour_that_comes_twice_counts_twice_for_each_quarter():
    """It passes twice."""
    found = slots("*/30 * * * *", "2026-10-25 02:50", "2026-10-25 04:00")
    assert found == [
        "25 03:00 +0300",
        "25 03:30 +0300",
        "25 03:00 +0200",
        "25 03:30 +0200",
        "25 04:00 +0200",
    ]


def test_from_the_second_time_of_an_hour_nothing_of_its_first_is_due():
    """A look at 03:10, the second time, finds tomorrow's 03:30."""
    second = at("2026-10-25 03:10", HELSINKI) + 3600
    assert told([second], HELSINKI) == ["25 03:10 +0200"]
    assert told([next(Times("30 3 * * *", HELSINKI).after(second))], HELSINKI) == ["26 03:30 +0200"]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 * * * *", ["23 23:00 +0200", "24 01:00 +0300", "24 02:00 +0300"]),
        ("*/30 0 * * *", []),
        ("*/30 0 24 4 *", []),
        ("*/30 * 24 4 *", ["24 01:00 +0300", "24 01:30 +0300", "24 02:00 +0300"]),
        ("0 0 * * *", ["24 01:00 +0300"]),
    ],
)
def test_a_day_that_begins_at_one_has_no_midnight(cron, expected):
    """Clocks in Cairo go from 00:00 to 01:00 on 24 April 2026."""
    assert slots(cron, "2026-04-23 22:30", "2026-04-24 02:00", CAIRO) == expected


def test_six_fields_begin_with_seconds():
    """For what is due more than once a minute."""
    assert list(islice(Times("*/20 * * * * *", "UTC").after(0.0), 3)) == [20.0, 40.0, 60.0]


def test_the_newest_of_many_are_found():
    """With whether there are more."""
    times = Times("0 * * * *", "UTC")
    assert times.newest(0.0, 7200.0, 5) == ([3600.0, 7200.0], False)
    assert times.newest(0.0, 10 * DAY, 2) == ([10 * DAY - 3600, 10 * DAY], True)
    assert times.newest(7200.0, 7300.0, 5) == ([], False)
    assert times.newest(0.0, 7200.0, 2) == ([3600.0, 7200.0], False)


@pytest.mark.parametrize("cron", ["* * * * * *", "* 0 * * *", "0 0 29 2 *", "0-5 0 1 1 *"])
def test_a_host_that_slept_for_years_looks_fast(cron):
    """How much was missed does not count."""
    times, began = Times(cron, HELSINKI), time.monotonic()
    found, _ = times.newest(0.0, at("2026-05-01 12:00"), 3)
    assert len(found) == 3
    assert time.monotonic() - began < 2
