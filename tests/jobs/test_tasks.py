"""What can be declared as a task, and what a declaration is refused for."""

from collective.wsgifutures import ArgumentRefused
from collective.wsgifutures.jobs import tasks
from collective.wsgifutures.jobs.errors import ArgumentsLost
from collective.wsgifutures.jobs.errors import TaskUnknown
from collective.wsgifutures.jobs.publishing import TASK_VIEW
from collective.wsgifutures.jobs.tasks import find_task
from collective.wsgifutures.jobs.tasks import Requested
from collective.wsgifutures.jobs.tasks import task

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
