"""Copies of exceptions for each pass, and values that reading uses up.

Each pass gets the same from a future. A file or an iterator gives its content once: whoever reads
it first would take it from all others. So a future's result has none. An exception that carries
one, as ``urllib.error.HTTPError`` carries the body of the answer, gets a copy that can be copied.
"""

from .arguments import is_immutable
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import ItemsView
from collections.abc import Iterator
from collections.abc import KeysView
from collections.abc import Mapping
from collections.abc import ValuesView
from types import MemberDescriptorType
from typing import Any

import contextlib
import copy
import io
import itertools
import socket
import sys
import traceback

_NOTHING: dict[int, Any] = {}

#: How many items are taken from an iterator that an exception carries.
_MOST_ITEMS = 10_000

#: How many objects of an exception are searched for what reading uses up, and how deep.
_MOST_OBJECTS = 1_000
_DEEPEST = 20

#: What to return instead of a value that reading uses up, or that is only made once.
_MENDS: tuple[tuple[Any, str], ...] = (
    (io.BytesIO | io.StringIO, "return its getvalue()"),
    (io.IOBase, "read it inside of the future, and return what read() gives"),
    (Awaitable, "await it inside of the future, declared as async def"),
    (AsyncIterator, "return [item async for item in it]"),
    (Iterator, "return a list of it: list(...)"),
    (KeysView | ValuesView | ItemsView, "return a list of it: list(...)"),
    (memoryview, "return bytes(...) of it"),
)


def mend_of(value: object) -> str | None:
    """Say what to return instead of *value*, if it can be read only once."""
    return next((mend for kinds, mend in _MENDS if isinstance(value, kinds)), None)


def take_whole(error: Exception) -> tuple[Exception, dict[int, Any]]:
    """Return *error*, or a copy of it in which what reading uses up was read, and can be copied.

    With it come, by their id, the objects that cannot be copied, such as a lock. The locals of its
    frames are cleared, which would keep objects alive.
    """
    exceptions = list(_exceptions_of(error))
    carried = []
    for part in exceptions:
        traceback.clear_frames(part.__traceback__)
        carried += [*part.args, *vars(part).values()]
    if all(map(is_immutable, carried)):
        return error, {}
    taking = _Taking(_bare_copies(exceptions, {}))
    for value in carried:
        taking.take(value)
    return _filled(exceptions, taking.memo), taking.shared  # type: ignore[return-value]


class _Taking:
    """Takes copies of what an exception carries.

    Args:
        memo: As for ``copy.deepcopy``: what takes the place of an object, by the object's id.
    """

    def __init__(self, memo: dict[int, Any]) -> None:
        self.memo = memo
        self.shared: dict[int, Any] = {}  #: what cannot be copied, by its id
        self._trials: list[Any] = []  # they keep alive what the ids are of
        self._seen: set[int] = set()

    def take(self, value: Any, depth: int = 0) -> None:
        """Copy *value*. What knows how to copy itself does it, and the rest goes part by part."""
        if id(value) in self._seen or self._copies(value):
            return
        self._seen.add(id(value))
        if _is_its_own(value, depth):
            with contextlib.suppress(Exception):  # it is closed, or fails: as it does in each pass
                self.memo[id(value)] = _rest(value)
                return
        goes_on = depth < _DEEPEST and len(self._seen) < _MOST_OBJECTS
        for part in _parts_of(value) if goes_on else ():
            self.take(part, depth + 1)
        if not self._copies(value):
            self.memo[id(value)] = self.shared[id(value)] = value

    def _copies(self, value: Any) -> bool:
        trial = dict(self.memo)
        try:
            copy.deepcopy(value, trial)
        except Exception:
            return False
        kept = trial.pop(id(trial), None)
        self.memo.update(trial)
        self._trials.append((trial, kept))
        return True


def _is_its_own(value: Any, depth: int) -> bool:
    """Tell whether *value* is a file or an iterator of the exception, not of a client inside."""
    if isinstance(value, io.IOBase):
        return not isinstance(getattr(value, "raw", None), socket.SocketIO)
    return depth == 0 and isinstance(value, Iterator)


def _rest(value: Any) -> Any:
    """Return what there is still to read in *value*, so that it can be copied."""
    if not isinstance(value, io.IOBase):
        return iter(list(itertools.islice(value, _MOST_ITEMS)))
    if value in (sys.stdin, sys.__stdin__):
        raise io.UnsupportedOperation("nobody may be there to write into it")
    content = value.read()
    return io.StringIO(content) if isinstance(content, str) else io.BytesIO(content)


def _exceptions_of(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, what it comes from and the exceptions that it carries, each once."""
    seen: dict[int, Any] = {}
    queue: list[Any] = [error]
    while queue and len(seen) < _MOST_OBJECTS:
        value = queue.pop(0)
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, BaseException):
            yield value
            group = value.exceptions if isinstance(value, BaseExceptionGroup) else ()
            queue += (value.__cause__, value.__context__, *group, *value.args)
        queue += _parts_of(value)


def _parts_of(value: Any) -> list[Any]:
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, type | io.IOBase):
        return []
    try:
        return list(vars(value).values())
    except Exception:  # it has no attributes of its own
        return []


# copies


def copy_exception(error: BaseException, shared: Mapping[int, Any] = _NOTHING) -> BaseException:
    """Return a new exception that equals *error* and has its traceback, cause and notes.

    Its arguments and attributes are copied if they can be copied, and what it comes from, too.

    Args:
        error: The exception.
        shared: The objects that are not copied, by their ids.
    """
    exceptions = list(_exceptions_of(error))
    return _filled(exceptions, _bare_copies(exceptions, dict(shared)))


def _bare_copies(exceptions: list[BaseException], memo: dict[int, Any]) -> dict[int, Any]:
    """Add to *memo*, as ``copy.deepcopy`` has it, a copy of each exception."""
    for part in reversed(exceptions):  # the parts of a group before the group
        memo[id(part)] = _bare_copy(part, memo)
    return memo


def _filled(exceptions: list[BaseException], memo: dict[int, Any]) -> BaseException:
    """Copy what *exceptions* have into their copies in *memo*; return the copy of the first."""
    for part in exceptions:
        _fill(memo[id(part)], part, memo)
    return memo[id(exceptions[0])]  # type: ignore[no-any-return]


def _fill(new: BaseException, error: BaseException, memo: dict[int, Any]) -> None:
    new.args = tuple(_copy(value, memo) for value in error.args)
    _set_state(new, {name: _copy(value, memo) for name, value in state_of(error).items()})
    new.__cause__ = memo.get(id(error.__cause__))
    new.__context__ = memo.get(id(error.__context__))
    new.__suppress_context__ = error.__suppress_context__
    new.__traceback__ = error.__traceback__


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # a lock, say: all passes share it
        return value


def _bare_copy(error: BaseException, memo: dict[int, Any]) -> BaseException:
    if isinstance(error, BaseExceptionGroup):
        parts: list[Any] = [memo.get(id(part), part) for part in error.exceptions]
        return BaseExceptionGroup.__new__(type(error), error.message, parts)
    return _made_of_its_args(error) or _without_own_init(type(error), error.args)


def _made_of_its_args(error: BaseException) -> BaseException | None:
    try:
        new = copy.copy(error)
    except Exception:  # its __init__ takes other arguments than its args
        return None
    return new if type(new) is type(error) and new.args == error.args else None


def can_be_made_of_its_args(error: BaseException) -> bool:
    """Tell whether *error* pickles by itself, as far as its class is concerned."""
    return _made_of_its_args(error) is not None


def state_of(error: BaseException) -> dict[str, Any]:
    """Return the attributes of *error*, also those that its built-in class has, as ``errno``."""
    kinds = [kind for kind in type(error).__mro__ if kind.__module__ == "builtins"]
    names = {n for kind in kinds for n, a in vars(kind).items() if type(a) is MemberDescriptorType}
    own = {name: getattr(error, name) for name in names if not name.startswith("_")}
    return {**{name: value for name, value in own.items() if value is not None}, **vars(error)}


def make_of_parts(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    """Return a new exception of the class *kind*, with *args* and ``state_of`` another one."""
    new = _without_own_init(kind, args)
    _set_state(new, state)
    return new  # type: ignore[return-value]


def _set_state(new: BaseException, state: dict[str, Any]) -> None:
    for name, value in state.items():
        if isinstance(getattr(type(new), name, None), MemberDescriptorType):
            with contextlib.suppress(AttributeError, TypeError):  # it can only be read
                setattr(new, name, value)
        else:
            new.__dict__[name] = value


def _without_own_init(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    base: Any = next(c for c in kind.__mro__ if c.__module__ == "builtins")
    new: BaseException = base.__new__(kind, *args)
    base.__init__(new, *args)
    return new
