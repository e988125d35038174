"""An entry is checked where it is written."""

from .made import entry
from collective.wsgifutures.clock.entries import Entry
from collective.wsgifutures.clock.errors import ContextMissing
from collective.wsgifutures.clock.errors import EntryRefused
from collective.wsgifutures.clock.errors import EntryUnknown

import math
import pickle
import pytest


def test_an_entry_needs_a_name_times_and_a_task():
    """All else has a default that does least."""
    made = Entry("report", "0 3 * * *", "acme.report")
    assert (made.timezone, made.context, made.run_as, made.site) == ("UTC", "", "", "")
    assert (made.missed, made.overlap, made.timeout, made.arguments) == ("skip", "skip", None, {})
    assert made.next_after(0.0) == 3 * 3600


@pytest.mark.parametrize(
    "cron",
    ["", "0 3 * *", "60 * * * *", "0 3 * * XYZ", "@daily", "every day", "0 0 31 2 *", "0 0 30 2 *"],
)
def test_a_wrong_expression_is_refused_with_an_example(cron):
    """One that never comes true, too."""
    with pytest.raises(EntryRefused, match='"0 3 \\* \\* \\*" is every day at 03:00') as refused:
        entry(cron=cron)
    assert refused.value.what == "cron"


@pytest.mark.parametrize("zone", ["Helsinki", "", "../etc/passwd", "Europe", "Europe/Nowhere"])
def test_a_wrong_time_zone_is_refused_with_an_example(zone):
    """Also one that is a folder of the machine's zones."""
    with pytest.raises(EntryRefused, match="Europe/Helsinki") as refused:
        entry(timezone=zone)
    assert refused.value.what == "timezone"


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("name", ""),
        ("name", "a/b"),
        ("name", "../x"),
        ("task", ""),
        ("missed", "never"),
        ("overlap", "wait"),
        ("timeout", 0),
        ("timeout", math.inf),
        ("arguments", {"x": object()}),
    ],
)
def test_what_cannot_be_is_refused(what, value):
    """The message names the option."""
    with pytest.raises(EntryRefused, match=f"Timed work '[^']*': {what}=") as refused:
        entry(**{what: value})
    assert (refused.value.what, refused.value.value) == (what, value)


def test_all_missed_times_need_a_queue():
    """Else all but one of them would be left out."""
    with pytest.raises(EntryRefused, match='overlap="queue"'):
        entry(missed="all")
    entry(missed="all", overlap="queue")


@pytest.mark.parametrize(
    "error",
    [
        EntryRefused("report", "cron", "x", "is wrong."),
        EntryUnknown("report", "/plone"),
        ContextMissing("/plone/gone"),
    ],
)
def test_an_error_survives_pickling(error):
    """With its facts."""
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
