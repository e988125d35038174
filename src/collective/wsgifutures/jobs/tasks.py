"""``@task``: declares a function whose work is done after the transaction that asked for it."""

from ..kernel.arguments import take_arguments
from ..kernel.arguments import Unfit
from ..kernel.declarations import check_not_async
from ..kernel.errors import ArgumentRefused
from ..kernel.names import dotted_name
from .errors import ArgumentsLost
from .errors import TaskUnknown
from .may import check_may
from .options import check_count
from .options import check_name
from .options import check_seconds
from .options import Options
from .plain import NotPlain
from .plain import write
from .publishing import TASK_VIEW
from .records import Job
from .submitting import submit
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import Concatenate
from typing import Generic
from typing import Literal
from typing import NamedTuple
from typing import NoReturn
from typing import overload
from typing import ParamSpec

import dataclasses
import functools
import importlib
import inspect
import pickle
import random

P = ParamSpec("P")

#: By their names, the tasks that were declared in this process.
tasks: dict[str, "Task[Any]"] = {}

#: Called in place of each submission, with what would record it: for tests.
stand_ins: list[Callable[..., Job]] = []

#: The longest pause between two attempts, in seconds.
LONGEST_PAUSE = 3600.0


class Requested(NamedTuple):
    """What is published for a job."""

    view: str
    method: str = "GET"
    form: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    body: bytes | None = None  #: instead of the form
    path: str = ""  #: instead of that of the context
    query: str = ""  #: instead of one that is made of the form


class Task(Generic[P]):
    """A function declared with ``@task``. ``submit`` asks for its work; a call just calls it."""

    has_result = True  #: whether it returns something
    elsewhere = False  #: whether a worker elsewhere does its jobs
    then: "Task[Any] | None" = None  #: the task that gets its result
    may: tuple[str, ...] = ()  #: what a worker elsewhere may do with the job's object

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], Any],
        name: str,
        *,
        title: str = "",
        queue: str = "default",
        attempts: int = 5,
        timeout: float = 600.0,
        backoff: float = 10.0,
        lock: str | Callable[..., str] = "",
        secret: bool = False,
        goes_to: str = "",
        timed: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.title = title
        self.queue = check_name("queue", queue)
        self.attempts = check_count("attempts", attempts)
        self.timeout = check_seconds("timeout", timeout)
        self.backoff = check_seconds("backoff", backoff)
        self.secret = secret
        self.goes_to = goes_to
        if not isinstance(lock, str) and not callable(lock):
            raise TypeError(f"lock={lock!r} is neither a text nor a function.")
        self.lock = lock
        _, *others = inspect.signature(function).parameters.values()
        self._signature = inspect.Signature(others)
        if timed and self.required:
            raise TypeError(
                f"{name}: timed=True lets people choose the task, and nobody would give it "
                f"{', '.join(self.required)}. Give each argument but the context a default."
            )
        self.timed = timed

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __call__(self, context: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Do the work here and now, in the transaction of whoever calls."""
        return self.function(context, *args, **kwargs)

    def submit(self, context: Any, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Record a job in this transaction. It is done when the transaction is committed.

        Args:
            context: What the job is about: a content object, or the site. It is found again by
                its UID, wherever it is then.
            args, kwargs: Plain data, as for a future.

        Raises:
            SubmitRefused: The record would be lost, or the request was not meant to change
                anything: its message says what to do.
            ArgumentRefused: An argument is not plain data, or *context* has no UID.
            TypeError: The arguments do not fit the function.
        """
        return _submit(self, Options(), context, args, kwargs)

    def using(self, **options: Any) -> "Submitter[P]":
        """Return the same task, with options for one submission.

        Args:
            delay: Seconds until the job may begin.
            at: When it may begin, in seconds since the epoch; instead of *delay*.
            priority: ``"high"``, ``"normal"`` or ``"low"``.
            key: While a job with the same key waits or runs, ``submit`` returns that one.
            unique_for: For how long it is returned instead, in seconds, even if it is done.
            queue: The queue of this job, instead of the task's.
            run_as: The id of the user of this site who does it, instead of the current user.
            deadline: Seconds until the job is given up. Default: a week.
            then: Another task; its job gets the result of this one.
            timeout: How long an attempt may take, in seconds, instead of the task's.
            lock: What no two jobs hold side by side, if the task itself has no lock.

        Raises:
            TypeError, ValueError: There is no such option, or it does not take that value.
        """
        return Submitter(self, _check_then(self, Options(**options)))

    def bind(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return the arguments by their names, with defaults, and without the context.

        Raises:
            TypeError: They do not fit the function.
        """
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    @property
    def source(self) -> str:
        """What it is made of, for people."""
        return dotted_name(self.function)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the arguments that must be given, without the context."""
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        others = self._signature.parameters.values()
        return tuple(p.name for p in others if p.default is p.empty and p.kind not in kinds)

    def take(self, args: Any, kwargs: Any) -> bytes:
        """Return the arguments of a job, packed.

        Raises:
            ArgumentRefused, TypeError: As ``submit``.
        """
        try:
            taken = take_arguments(self._signature, args, kwargs).copy
        except Unfit as unfit:
            raise ArgumentRefused(self.name, unfit.where, unfit.reason) from None
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        try:
            packed = pickle.dumps(taken, protocol=5)
            pickle.loads(packed)
        except Exception as error:
            reason = f"they do not pickle ({error}); pass plainer data."
            raise ArgumentRefused(self.name, "its arguments", reason) from None
        return packed

    def unpack(self, packed: bytes) -> tuple[Any, Any]:
        """Return what ``take`` packed.

        Raises:
            ArgumentsLost: They cannot be read, or do not fit the function any more.
        """
        try:
            args, kwargs = pickle.loads(packed)
            self._signature.bind(*args, **kwargs)
        except Exception as error:
            raise ArgumentsLost(self.name, str(error)) from None
        return args, kwargs

    def request(self, args: Any, kwargs: Any) -> Requested:
        """Return what is published for a job with these arguments."""
        return Requested(TASK_VIEW)

    def lock_of(self, context: Any, args: Any, kwargs: Any) -> str:
        """Return what no two jobs hold side by side; empty if there is nothing.

        Raises:
            TypeError: ``lock=`` gave something else than a text.
        """
        if isinstance(self.lock, str):
            return self.lock
        name = self.lock(context, *args, **kwargs)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{self.name}: lock= gave {name!r}, which is not a text.")
        return name or ""

    def pause(self, failed: int) -> float:
        """Return how long to wait after so many *failed* attempts, in seconds."""
        longest: float = min(LONGEST_PAUSE, self.backoff * 2.0 ** min(failed - 1, 30))
        return longest * random.uniform(0.5, 1.5)  # noqa: S311  no secret


class ElsewhereTask(Task[Any]):
    """A task without a function: who claims its jobs does them, a worker elsewhere."""

    elsewhere = True

    def __init__(self, name: str, *, then: Any = None, may: Any = (), **options: Any) -> None:
        super().__init__(_arguments, name, **options)
        self.then = _check_then(self, Options(then=then)).then
        self.may = check_may(may)

    @property
    def source(self) -> str:
        """What it is made of, for people."""
        return f"a worker elsewhere does it (queue {self.queue})"

    def __call__(self, context: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there is no function.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self.name} is done elsewhere and has no function: submit it.")

    def take(self, args: Any, kwargs: Any) -> bytes:
        """Return the arguments of a job, packed.

        Raises:
            ArgumentRefused: One of them is not plain data, or needs a class.
        """
        packed = super().take(args, kwargs)
        for name, value in [
            *((f"args[{n}]", each) for n, each in enumerate(args)),
            *kwargs.items(),
        ]:
            try:
                write(value)
            except NotPlain as refused:
                raise ArgumentRefused(self.name, name, str(refused)) from None
        return packed


def _arguments(context: Any, *args: Any, **kwargs: Any) -> None:
    """Stand for the function of a task that has none."""


class Submitter(Generic[P]):
    """A task with options for one submission."""

    def __init__(self, task: Task[P], options: Options) -> None:
        self.task = task
        self._options = options

    def __repr__(self) -> str:
        return f"<task {self.task.name}, {self._options}>"

    @property
    def options(self) -> Options:
        """The options."""
        return self._options

    def using(self, **options: Any) -> "Submitter[P]":
        """Return the same with more options."""
        more = dataclasses.replace(self._options, **options)
        return Submitter(self.task, _check_then(self.task, more))

    def submit(self, context: Any, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Record a job with these options; see ``Task.submit``."""
        return _submit(self.task, self._options, context, args, kwargs)


def _check_then(task: Task[Any], options: Options) -> Options:
    if options.then is not None and not isinstance(options.then, Task):
        raise TypeError(f"then={options.then!r} is not a task, as @task makes one of a function.")
    if options.then is not None and not task.has_result:
        raise TypeError(f"{task.name} publishes a view and has no result for then={options.then}.")
    return options


def _submit(task: Task[Any], options: Options, context: Any, args: Any, kwargs: Any) -> Job:
    def record() -> Job:
        packed, lock = task.take(args, kwargs), task.lock_of(context, args, kwargs)
        return submit(task, options, context, packed, lock)

    return stand_ins[-1](record, task, context, args, kwargs) if stand_ins else record()


def find_task(name: str) -> Task[Any]:
    """Return the task of that name; its module is imported if need be.

    Raises:
        TaskUnknown: There is none.
    """
    module = name
    while name not in tasks and "." in module:
        module = module.rpartition(".")[0]
        try:
            importlib.import_module(module)
        except (ImportError, TypeError, ValueError):  # it is no name of a module
            continue
        break
    try:
        return tasks[name]
    except KeyError:
        raise TaskUnknown(name) from None


def what_is_wrong(name: str, args: Any, kwargs: Any) -> str:
    """Return why no job of a task can have these arguments, as far as can be seen; empty: it can.

    Args:
        name: Of the task.
        args, kwargs: The arguments, without the context.
    """
    try:
        find_task(name).bind(args, kwargs)
    except (TaskUnknown, TypeError) as error:
        return str(error)
    return ""


@overload
def task(function: Callable[Concatenate[Any, P], Any], /) -> Task[P]: ...
@overload
def task(*, name: str, elsewhere: Literal[True], **options: Any) -> ElsewhereTask: ...
@overload
def task(**options: Any) -> Callable[[Callable[Concatenate[Any, P], Any]], Task[P]]: ...
def task(
    function: Any = None, /, *, name: str = "", elsewhere: bool = False, **options: Any
) -> Any:
    """Declare a function as a task: its work is done after the transaction that asked for it.

    The function is called as who submitted the job, with the object that the job is about, and
    the arguments. It may wait for futures. What it changes in the ZODB is committed together
    with "done", once; what it does outside may be done again after a crash, with the same
    ``current_job().key``.

    Args:
        function: Its first argument is the context; the others are plain data.
        name: Its name, for ever: jobs are kept by it. Default: the function's dotted name.
        title: What people read. Default: the name.
        queue: The queue of its jobs.
        attempts: How many attempts may fail until a job is dead. A conflict in the ZODB and a
            stop of the server are none.
        timeout: How long an attempt may take, in seconds.
        backoff: The pause after the first failed attempt, in seconds; each further one is
            twice as long, up to an hour, more or less.
        lock: Jobs of this task in one site with the same lock do not run side by side. They run in
            order; one that fails goes behind the others. A text, or a function that gets all
            arguments and returns one.
        secret: Its arguments are told to nobody, and errors are told without their text.
        goes_to: Where the page that follows a job goes at its end, a path below the context.
            Default: the context.
        timed: Administrators may let it run at certain times, in Site Setup > Timed work. It needs
            nothing but its context.
        elsewhere: It has no function: ``ocr = task(name="ocr", queue="ocr", elsewhere=True)``. A
            worker elsewhere claims its jobs, with their arguments, and gives back a result.
        then: Only of a task elsewhere: another task that gets the result, as who submitted the
            job, recorded together with "done".
        may: Only of a task elsewhere: what its worker may do with the object of a job, as the
            user, while it has the job: methods, views, services, as ``["GET", "@@images"]``.
            Default: nothing.

    Raises:
        TypeError, ValueError: An option does not take that value, or *function* is no task.
    """
    if elsewhere:
        return _declare_elsewhere(function, name, options)
    _refuse_options_of_others(options)

    def declare(function: Callable[Concatenate[Any, P], Any]) -> Task[P]:
        check_function(function, name)
        return register(Task(function, name or dotted_name(function), **options))

    return declare if function is None else declare(function)


def _declare_elsewhere(function: Any, name: str, options: dict[str, Any]) -> ElsewhereTask:
    if function is not None:
        raise TypeError(
            f"{dotted_name(function)} would never be called: a task with elsewhere=True has no "
            "function. Give the function that gets its result as then=."
        )
    if not name:
        raise TypeError("A task with elsewhere=True needs a name, by which a worker knows it.")
    return register(ElsewhereTask(check_name("name", name), **options))  # type: ignore[return-value]


def _refuse_options_of_others(options: dict[str, Any]) -> None:
    for option in ("then", "may"):
        if option in options:
            raise TypeError(
                f"{option}= is for a task with elsewhere=True. Of others, then= is an option of "
                "one submission: using(then=...)."
            )


def check_function(function: Any, name: str) -> None:
    """Refuse a *function* that cannot be a task.

    Raises:
        TypeError: It is ``async def`` or a generator, has no first argument, or has no name and
            no *name*.
    """
    if not callable(function):
        raise TypeError(f"@task is for a function, not for {function!r}.")
    check_not_async(function)
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{dotted_name(function)} is a generator, which nobody would iterate.")
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise TypeError(
            f"{dotted_name(function)} takes no argument. The first argument of a task is its "
            "context: the object that the job is about."
        )
    if not name and "<" in dotted_name(function):
        raise TypeError(
            f"{dotted_name(function)} has no dotted name by which another process could find "
            "it. Declare it at the top of a module, or give it a name: @task(name=...)."
        )


def register(declared: Task[P]) -> Task[P]:
    """Let jobs find the task by its name; return it.

    Raises:
        ValueError: There is another task of that name.
    """
    known = tasks.get(declared.name)
    if known is not None and known.source != declared.source:
        raise ValueError(
            f"There is another task {declared.name!r}: {known.source}. "
            "Give one of them another name."
        )
    tasks[declared.name] = declared
    return declared
