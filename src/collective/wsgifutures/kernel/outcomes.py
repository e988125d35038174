"""What became of a future, kept so that every pass gets the same and a copy of its own."""

from .arguments import foreign
from .arguments import is_immutable
from .arguments import take
from .arguments import Unfit
from .errors import FuturesError
from .errors import ResultRefused
from collections.abc import Callable
from typing import Any
from typing import Protocol

import copy
import functools
import io
import pickle
import traceback


class Outcome(Protocol):
    """A settled future's value or exception."""

    def get(self) -> Any:
        """Return a copy of the value, or raise a copy of the exception."""

    def exception(self) -> BaseException | None:
        """Return a copy of the exception, None where there is a value."""


class Returned:
    """A value, packed: an immutable one is shared, any other is copied by pickle."""

    def __init__(self, name: str, value: object) -> None:
        self._unpack = _pack(name, value)

    def get(self) -> Any:
        """Return the pass's own copy."""
        return self._unpack()

    def exception(self) -> None:
        """There is none."""
        return


class Raised:
    """An exception, with its traceback; the locals of its frames are cleared."""

    def __init__(self, error: Exception) -> None:
        _clear_locals(error, set())
        self._error = error

    def get(self) -> Any:
        """Raise the pass's own copy."""
        raise self.exception()

    def exception(self) -> BaseException:
        """Return a copy."""
        return copy_exception(self._error)

    @property
    def original(self) -> Exception:
        """The exception itself, of which each pass gets a copy; a note can be added."""
        return self._error


def run(name: str, function: Callable[[], Any]) -> Outcome:
    """Call *function* and return what came of it; whatever it raises becomes an outcome."""
    try:
        return Returned(name, function())
    except Exception as error:
        return Raised(without_own_frame(error))


def run_to_end(name: str, function: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of *function*, away from whoever asked for it.

    SystemExit and the like must not end a server's thread when a view asks. A call that
    runs in place raises them where they belong: to its caller.
    """
    try:
        return function()
    except BaseException as error:
        return Raised(no_end(name, error))


def no_end(name: str, error: BaseException) -> FuturesError:
    """Return what a view gets for an *error* that would end a thread or process."""
    return FuturesError(f"{name} raised {_told(error)}, which ends a thread or process")


def _told(error: BaseException) -> str:
    try:
        return repr(error)
    except BaseException:  # then its name has to do
        return type(error).__name__


def copy_exception(error: BaseException) -> BaseException:
    """Return a new exception that equals *error* and has its traceback, cause and notes.

    What it carries is copied where that can be copied.
    """
    try:
        new = copy.copy(error)
        usable = type(new) is type(error) and new.args == error.args
    except Exception:  # its __init__ takes something else than its args
        usable = False
    if not usable:
        new = _without_own_init(error)
    try:
        new.args, state = copy.deepcopy((error.args, error.__dict__))
    except Exception:
        state = error.__dict__
    new.__dict__.update(state)
    new.__cause__ = error.__cause__
    new.__context__ = error.__context__
    new.__suppress_context__ = error.__suppress_context__
    return new.with_traceback(error.__traceback__)


def _without_own_init(error: BaseException) -> BaseException:
    kind = type(error)
    base: Any = next(c for c in kind.__mro__ if c.__module__ == "builtins")
    new: BaseException = base.__new__(kind, *error.args)
    base.__init__(new, *error.args)
    return new


def without_own_frame(error: Exception) -> Exception:
    """Return *error* without the outermost frame of its traceback, which is its catcher's."""
    tb = error.__traceback__
    return error.with_traceback(tb.tb_next if tb and tb.tb_next else tb)


def _clear_locals(error: BaseException | None, seen: set[int]) -> None:
    """Keep nothing alive that a frame of *error*, or of what caused it, still holds."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    traceback.clear_frames(error.__traceback__)
    _clear_locals(error.__cause__, seen)
    _clear_locals(error.__context__, seen)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            _clear_locals(part, seen)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        known = foreign(value)
        if known:
            what = known.partition(";")[0]  # what follows is about arguments
            raise Unfit("", f"it is or contains {what}; return the plain values instead.")
        return NotImplemented


def _pack(name: str, value: Any) -> Callable[[], Any]:
    if is_immutable(value):
        return functools.partial(_itself, value)
    packed = io.BytesIO()
    try:
        _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(value)
        data = packed.getvalue()
        pickle.loads(data)  # some things pickle and cannot be loaded
        return functools.partial(pickle.loads, data)
    except Unfit as unfit:
        raise ResultRefused(name, unfit.reason) from None
    except Exception as error:
        return _pack_plain(name, value, error)


def _itself(value: Any) -> Any:
    return value


def _pack_plain(name: str, value: Any, error: Exception) -> Callable[[], Any]:
    """Plain data need not pickle: an enum or a dataclass may be declared in a function."""
    try:
        kept = take(value, "it").copy
    except Unfit:
        reason = f"it does not pickle ({error}); return plain data."
        raise ResultRefused(name, reason) from None
    return lambda: take(kept, "it").copy
