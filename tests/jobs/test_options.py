"""What can be asked of a submission is checked where it is written."""

from .made import NOW
from collective.wsgifutures.jobs.options import check_count
from collective.wsgifutures.jobs.options import check_name
from collective.wsgifutures.jobs.options import check_seconds
from collective.wsgifutures.jobs.options import DEADLINE
from collective.wsgifutures.jobs.options import Options
from collective.wsgifutures.jobs.tasks import task

import datetime
import pytest


@task(name="tests.options")
def something(context):
    """Do nothing."""


def refused(**options):
    """Return why these options are refused."""
    with pytest.raises((TypeError, ValueError)) as caught:
        something.using(**options)
    return str(caught.value)


@pytest.mark.parametrize("name", ["delay", "deadline", "at"])
@pytest.mark.parametrize(
    "value", [-1, float("nan"), float("inf"), "5", True, datetime.timedelta(1)], ids=str
)
def test_seconds_are_numbers(name, value):
    """The message says which one is wrong, and how."""
    assert refused(**{name: value}).startswith(f"{name}={value!r} is not a number of seconds")


def test_a_delay_may_be_none_and_a_deadline_not():
    """A job needs some time."""
    assert something.using(delay=0) is not None
    assert refused(deadline=0) == "deadline=0 is not a number of seconds above 0."


def test_a_job_begins_after_a_delay_or_at_a_time():
    """Both at once would say two things."""
    assert refused(delay=1, at=5.0) == "Give delay= or at=, not both."
    assert Options().due(NOW) == NOW
    assert Options(delay=5).due(NOW) == NOW + 5
    assert Options(at=77.0).due(NOW) == 77.0


def test_a_priority_is_one_of_three():
    """The message names them."""
    assert refused(priority="urgent") == "priority='urgent' is none of: high, normal, low."


def test_unique_for_needs_a_key():
    """What else would be unique?"""
    assert "give key=, too" in refused(unique_for=10)
    assert refused(key="k", unique_for=0) == "unique_for=0 is not a number of seconds above 0."


@pytest.mark.parametrize("value", ["a,b", "a\nb", 5, ["a"]], ids=str)
def test_a_queue_has_a_name(value):
    """Settings list queues with commas."""
    assert refused(queue=value) == f"queue={value!r} is not a name: a text without commas."


@pytest.mark.parametrize("value", ["tests.options", print, object()], ids=str)
def test_then_takes_a_task(value):
    """Not its name, and not a function."""
    assert refused(then=value) == f"then={value!r} is not a task: declare it with @task."
    assert something.using(then=something) is not None


@pytest.mark.parametrize("name", ["key", "run_as"])
def test_texts_are_texts(name):
    """A number and its text would be the same key."""
    assert refused(**{name: 5}) == f"{name}=5 is not a text."


def test_an_option_that_is_none_is_named():
    """A typo is found where it is written."""
    assert "dely" in refused(dely=5)


def test_options_add_up():
    """And are checked together."""
    both = something.using(delay=5).using(priority="low")
    assert "delay=5" in repr(both)
    assert "priority='low'" in repr(both)
    with pytest.raises(ValueError, match="not both"):
        both.using(at=5.0)


def test_a_job_has_a_week():
    """If nothing else is said."""
    assert Options().deadline == DEADLINE == 7 * 86400


def test_checks_return_what_they_have_checked():
    """As what it is used as."""
    assert check_seconds("timeout", 5) == 5.0
    assert check_count("attempts", 5) == 5
    assert check_name("queue", "texts") == "texts"


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", True, None], ids=str)
def test_counts_are_whole_numbers_of_one_or_more(value):
    """The message says so."""
    with pytest.raises(ValueError) as caught:
        check_count("attempts", value)
    assert str(caught.value) == f"attempts={value!r} is not a whole number of 1 or more."
