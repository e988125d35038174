"""What can be declared as a task, and what a declaration is refused for."""

from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures.jobs import tasks
from collective.wsgifutures.jobs.errors import ArgumentsLost
from collective.wsgifutures.jobs.errors import TaskUnknown
from collective.wsgifutures.jobs.publishing import TASK_VIEW
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.tasks import find_task
from collective.wsgifutures.jobs.tasks import Requested
from collective.wsgifutures.jobs.tasks import task
from datetime import date
from decimal import Decimal

import pickle
import pytest
import sys
import textwrap


@pytest.fixture(autouse=True)
def only_these(monkeypatch):
    """Forget what a test declares."""
    monkeypatch.setattr(tasks, "tasks", {})


def translate(context, language, *, formal=False):
    """Translate it."""
    return (context, language, formal)


def without_arguments():
    """Take nothing."""


def with_any(*args):
    """Take anything."""


def with_named_only(*, context):
    """Take its context by name."""


async def later(context):
    """Be awaited by nobody."""


def yields(context):
    """Give one after the other."""
    yield 1


# Declared


def test_a_task_keeps_name_and_text_of_its_function():
    """And still is that function: a call does the work here and now."""
    declared = task(translate)
    assert declared.name == f"{__name__}.translate"
    assert (declared.__name__, declared.__doc__) == ("translate", "Translate it.")
    assert declared("page", "de", formal=True) == ("page", "de", True)
    assert repr(declared) == f"<task {declared.name}>"


def test_a_task_has_what_was_declared():
    """And what is usual for the rest."""
    declared = task(name="t", queue="texts", attempts=2, timeout=5, secret=True)(translate)
    assert (declared.name, declared.queue, declared.attempts) == ("t", "texts", 2)
    assert (declared.timeout, declared.backoff, declared.secret) == (5.0, 10.0, True)
    assert declared.request((), {}) == Requested(TASK_VIEW)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"attempts": 0}, "attempts=0 is not a whole number of 1 or more."),
        ({"timeout": 0}, "timeout=0 is not a number of seconds above 0."),
        ({"timeout": "5"}, "timeout='5' is not a number of seconds above 0."),
        ({"backoff": -1}, "backoff=-1 is not a number of seconds above 0."),
        ({"queue": ""}, "queue='' is not a name: a text without commas."),
        ({"queue": "a,b"}, "queue='a,b' is not a name: a text without commas."),
        ({"lock": 5}, "lock=5 is neither a text nor a function."),
    ],
    ids=str,
)
def test_an_option_with_a_wrong_value_is_refused(options, reason):
    """Where it is written, and not when a job runs."""
    with pytest.raises((TypeError, ValueError)) as caught:
        task(**options)(translate)
    assert str(caught.value) == reason
    assert tasks.tasks == {}


def test_an_option_that_does_not_exist_is_named():
    """A typo is found where it is written."""
    with pytest.raises(TypeError, match="retries"):
        task(retries=3)(translate)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (5, "@task is for a function, not for 5."),
        (later, "is async def, which Zope does not await"),
        (without_arguments, "takes no argument. The first argument of a task is its context"),
        (with_any, "takes no argument. The first argument of a task is its context"),
        (with_named_only, "takes no argument. The first argument of a task is its context"),
        (yields, "is a generator, which nobody would iterate"),
        (lambda context: None, "has no dotted name by which another process could find it"),
    ],
    ids=["number", "async", "no argument", "*args", "named only", "generator", "lambda"],
)
def test_what_cannot_be_a_task_is_refused(function, reason):
    """The message says why."""
    with pytest.raises(TypeError) as caught:
        task(function)
    assert reason in str(caught.value)


def test_a_local_function_needs_a_name():
    """Then it is found by that."""

    def local(context):
        """Do nothing."""

    with pytest.raises(TypeError, match="no dotted name"):
        task(local)
    assert find_task(task(name="local")(local).name).function is local


def test_two_tasks_of_one_name_are_refused():
    """Jobs are kept by it."""
    task(name="t")(translate)
    with pytest.raises(ValueError, match=r"There is another task 't': .*translate"):
        task(name="t")(lambda context: None)


def test_a_module_that_is_loaded_again_declares_its_task_anew():
    """As after a reload."""
    first = task(name="t")(translate)
    assert task(name="t")(translate) is not first


# Found


def test_a_task_is_found_by_its_name(tmp_path, monkeypatch):
    """Its module is imported if need be."""
    declared = """
        from collective.wsgifutures.jobs.tasks import task
        @task
        def write(context): pass
    """
    (tmp_path / "tasks_of_a_test.py").write_text(textwrap.dedent(declared))
    monkeypatch.syspath_prepend(tmp_path)
    assert find_task("tasks_of_a_test.write").name == "tasks_of_a_test.write"
    del sys.modules["tasks_of_a_test"]


@pytest.mark.parametrize("name", ["gone", "no.such.module.gone", "os.path.gone", "", "..", "os."])
def test_a_name_that_no_task_has_is_told(name):
    """It may be another version's."""
    with pytest.raises(TaskUnknown, match="Was it renamed or removed"):
        find_task(name)


# Arguments


def test_arguments_are_packed_and_unpacked():
    """With what was given by name."""
    declared = task(translate)
    packed = declared.take(("de",), {"formal": True})
    assert declared.unpack(packed) == (("de",), {"formal": True})


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("de", "at"), {}), (("de",), {"loud": True})], ids=str
)
def test_arguments_that_do_not_fit_are_refused(args, kwargs):
    """The message names the task."""
    with pytest.raises(TypeError, match="translate"):
        task(translate).take(args, kwargs)


def test_what_is_no_plain_data_is_refused():
    """It says which one."""
    with pytest.raises(ArgumentRefused, match="language"):
        task(translate).take((object(),), {})


@pytest.mark.parametrize(
    "packed",
    [b"", b"broken", pickle.dumps(5), pickle.dumps(((), {})), pickle.dumps((("a", "b"), {}))],
    ids=["empty", "broken", "another thing", "too few", "too many"],
)
def test_arguments_that_cannot_be_read_any_more_are_lost(packed):
    """The signature has changed since, or a class is gone."""
    with pytest.raises(ArgumentsLost, match="translate cannot be read"):
        task(translate).unpack(packed)


# Tasks elsewhere


def declare(**options):
    """Declare a task elsewhere."""
    return task(**{"name": "tests.far", "elsewhere": True, **options})


def test_a_task_elsewhere_has_no_function_and_a_result():
    """Who claims its jobs does them."""
    store = task(name="tests.store")(translate)
    far = declare(queue="ocr", then=store, may=["GET", "@@images"], attempts=2, timeout=3600)
    assert (far.elsewhere, far.has_result, far.then, far.may) == (
        True,
        True,
        store,
        ("GET", "@@images"),
    )
    assert (far.queue, far.attempts, far.timeout) == ("ocr", 2, 3600.0)
    assert find_task("tests.far") is far
    with pytest.raises(TypeError, match="submit it"):
        far("context")


def test_a_task_elsewhere_may_be_declared_again_but_not_as_another_one():
    """A module may be loaded twice; a function of the same name is another task."""
    assert declare(queue="ocr") is not declare(queue="ocr")
    with pytest.raises(ValueError, match="another task"):
        declare(queue="video")
    with pytest.raises(ValueError, match="another task"):
        task(name="tests.far")(translate)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"name": ""}, TypeError, "needs a name"),
        ({"name": "a,b"}, ValueError, "not a name"),
        ({"then": "store"}, TypeError, "is not a task"),
        ({"may": "GET"}, TypeError, "is not a list"),
        ({"may": ["@login-renew", "POST"]}, ValueError, "No worker gets"),
        ({"attempts": 0}, ValueError, "attempts"),
        ({"unknown": 1}, TypeError, "unknown"),
        ({"queue": ""}, ValueError, "queue"),
    ],
)
def test_a_task_elsewhere_is_checked_where_it_is_written(options, error, text):
    """Not when its first job is claimed."""
    with pytest.raises(error, match=text):
        declare(**{"name": "tests.wrong", **options})


def test_a_task_elsewhere_takes_no_function():
    """It would never be called."""
    with pytest.raises(TypeError, match="would never be called"):
        task(print, name="tests.far", elsewhere=True)


@pytest.mark.parametrize("option", ["then", "may"])
def test_options_of_tasks_elsewhere_are_not_for_others(option):
    """The message says where they belong."""
    with pytest.raises(TypeError, match="elsewhere=True"):
        task(**{option: ["GET"]})(lambda context: None)


def test_arguments_of_a_task_elsewhere_are_any_that_json_can_say():
    """By position and by name; the refusal names the one that is not."""
    far = declare(queue="ocr")
    args, kwargs = (1, [b"x"], (date(2026, 5, 1),)), {"deep": {"a": {Decimal(1)}}}
    assert far.unpack(far.take(args, kwargs)) == (args, kwargs)
    for wrong, where in [((JobState.DONE,), r"args\[0\]"), ((1, JobState.DONE), r"args\[1\]")]:
        with pytest.raises(ArgumentRefused, match=where):
            far.take(wrong, {})
    with pytest.raises(ArgumentRefused, match="colour"):
        far.take((), {"colour": JobState.DONE})
