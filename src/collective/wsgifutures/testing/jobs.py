"""All jobs that one test submits: those that the test does not allow fail it.

A job is recorded, and not run: ``jobs.run()`` of the package runs what is committed. This module
needs Plone, unlike the others of this room.
"""

from ..jobs.records import Job
from ..jobs.tasks import find_task
from ..jobs.tasks import stand_ins
from ..jobs.tasks import Submitter
from ..jobs.tasks import Task
from .settled import ANY
from Acquisition import aq_base
from collections.abc import Callable
from typing import Any
from typing import NamedTuple


class UnexpectedJob(BaseException):
    """A job was submitted, and the test does not allow it.

    ``except Exception`` in a view does not catch this.
    """

    def __init__(self, name: str, call: str, is_known: bool) -> None:
        super().__init__(name, call, is_known)
        self.name = name  #: the task's name
        self.call = call  #: as a test allows it
        self.is_known = is_known  #: whether it is allowed with another context or arguments

    def __init_subclass__(cls) -> None:
        # As with Suspended: Chameleon would make an Exception of a subclass.
        raise TypeError("UnexpectedJob cannot be subclassed")

    def __str__(self) -> str:
        other = " with this context and these arguments" if self.is_known else ""
        return (
            f"A job of {self.name} was submitted, and the test does not allow it{other}. If it is "
            f"meant, write before:\n\n    submitted_jobs.{self.call}\n\n"
            "In place of the context or of an argument, ... stands for any."
        )


class Submitted(NamedTuple):
    """One submission."""

    task: str  #: the name of the task
    context: Any
    arguments: dict[str, Any]  #: by name, with defaults, without the context
    job: Job


class SubmittedJobs:
    """All jobs of one test. While this is entered, none may be submitted that is not allowed.

    The fixture ``submitted_jobs`` of pytest and the layer for zope.testrunner enter a new one for
    each test. Elsewhere::

        with SubmittedJobs() as submitted_jobs:
            submitted_jobs.allow(translate, page, "de")
            view()
    """

    def __init__(self) -> None:
        #: What was submitted, the first one first: also by jobs, and what was rolled back since.
        self.all: list[Submitted] = []
        #: What was submitted and is not allowed.
        self.unexpected: list[UnexpectedJob] = []
        self._allowed: list[_Allowed] = []

    def __enter__(self) -> "SubmittedJobs":
        """Watch each submission."""
        stand_ins.append(self._submit)
        return self

    def __exit__(self, kind: type | None, error: object, traceback: object) -> None:
        """Let all jobs be submitted again.

        Raises:
            UnexpectedJob: A view went on after a job that is not allowed, or a job submitted it.
        """
        stand_ins.remove(self._submit)
        if kind is None and self.unexpected:
            raise self.unexpected[0]

    def allow(self, what: Any, /, *arguments: Any, **kwargs: Any) -> None:
        """Let a job be submitted, as often as the test does.

        Args:
            what: A task, or its name. ``...`` means any task.
            arguments: The context, and the arguments that follow it. ``...`` in place of one means
                any. Without a context the arguments may be any too, and so if the context is
                followed by ``...`` alone.
            kwargs: Further arguments.

        Raises:
            TypeError: The arguments do not fit the task.
            TaskUnknown: There is no task of that name.
        """
        self._allowed.append(_declare(what, arguments, kwargs))

    def of(self, what: Any) -> list[Submitted]:
        """Return the submissions of a task, the first one first."""
        name = _find(what).name
        return [one for one in self.all if one.task == name]

    def _submit(
        self, record: Callable[[], Job], task: Task[Any], context: Any, args: Any, kwargs: Any
    ) -> Job:
        arguments = task.bind(args, kwargs)
        if not any(allowed.fits(task.name, context, arguments) for allowed in self._allowed):
            self._refuse(task, arguments)
        job = record()
        self.all.append(Submitted(task.name, context, arguments, job))
        return job

    def _refuse(self, task: Task[Any], arguments: dict[str, Any]) -> None:
        names = "".join(f", {name}=..." for name in arguments)
        call = f"allow({task.function.__name__}, ...{names})"
        is_known = any(allowed.name == task.name for allowed in self._allowed)
        self.unexpected.append(UnexpectedJob(task.name, call, is_known))
        raise self.unexpected[-1]


class _Allowed(NamedTuple):
    """What a test says of jobs that may be submitted."""

    name: Any  #: of the task, or ``ANY``
    context: Any = ANY
    arguments: Any = ANY  #: by name; ``ANY`` in place of one that may be any, and of all

    def fits(self, name: str, context: Any, arguments: dict[str, Any]) -> bool:
        """Tell whether this allows the submission."""
        return (
            self.name in (ANY, name)
            and (self.context is ANY or aq_base(self.context) is aq_base(context))
            and (self.arguments is ANY or _are_alike(self.arguments, arguments))
        )


def _are_alike(wanted: dict[str, Any], given: dict[str, Any]) -> bool:
    return all(value is ANY or value == given[name] for name, value in wanted.items())


def _declare(what: Any, arguments: tuple[Any, ...], kwargs: dict[str, Any]) -> _Allowed:
    if what is ANY:
        return _Allowed(ANY)
    task = _find(what)
    if arguments in ((), (ANY,)) and not kwargs:
        return _Allowed(task.name)
    context, *args = arguments or (ANY,)
    if args == [ANY] and not kwargs:
        return _Allowed(task.name, context)
    return _Allowed(task.name, context, task.bind(args, kwargs))


def _find(what: Any) -> Task[Any]:
    if isinstance(what, Submitter):
        return what.task
    return find_task(what) if isinstance(what, str) else what
