"""The other side of ``processes``: makes the calls that it is sent, one after the other.

It imports what the futures are declared in. It ends with its worker, also in the midst of a call,
however the worker ended.
"""

from ..by_name import Packed
from ..by_name import unpack
from ..calls import Outcome
from ..calls import Raised
from ..calls import run_to_end
from ..errors import FuturesError
from ..errors import ResultRefused
from .carried import put_carried
from .channel import DONE
from .channel import frames
from .channel import pack_frame
from collections.abc import Iterator
from typing import Any

import contextlib
import contextvars
import fcntl
import functools
import os
import pickle
import signal
import socket
import sys
import traceback

#: What a whole group of processes is sent. The server decides what its processes do then.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Serve until the other side has ended."""
    channel = begin()
    for _, number, message in frames(channel):
        with _ends_with(channel):
            answer = make(message)
        with contextlib.suppress(BrokenPipeError):
            channel.sendall(pack_frame(DONE, number, answer))


def begin(*kept: int) -> socket.socket:
    """Return the channel to the worker, and leave to the worker what is the worker's.

    That is its files, for example the server's port, and signals to the whole group. What a call
    starts or forks gets neither the channel nor how this process takes signals.

    Args:
        kept: The files that stay open: 3 and so on.
    """
    os.closerange(3 + len(kept), os.sysconf("SC_OPEN_MAX"))
    channel = _take_channel()
    for number in _SIGNALS:  # whatever is started here would inherit that they are ignored
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)
    os.register_at_fork(after_in_child=functools.partial(_forget, channel, kept))
    return channel


def _take_channel() -> socket.socket:
    """Return the socket that standard input is, and leave none to the calls."""
    os.set_blocking(0, True)  # gevent's sockets are not
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return channel


def _forget(channel: socket.socket, kept: tuple[int, ...]) -> None:
    """Make a process that a call has forked like any other."""
    for descriptor in (channel.detach(), *kept):
        os.close(descriptor)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _ends_with(channel: socket.socket) -> Iterator[None]:
    """While a call runs, be killed where the other side closes: nothing else comes then."""
    before = fcntl.fcntl(channel, fcntl.F_GETFL)
    if has_closed(channel):
        sys.exit()
    try:
        yield
    finally:
        fcntl.fcntl(channel, fcntl.F_SETFL, before)


def has_closed(channel: socket.socket) -> bool:
    """Be killed when the other side of *channel* closes or sends; tell whether it has closed.

    The system does it: C code cannot put that off.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(channel, fcntl.F_SETFL, fcntl.fcntl(channel, fcntl.F_GETFL) | os.O_ASYNC)
    try:
        return not channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def make(message: bytes) -> bytes:
    """Make the call that *message* tells of and return its outcome, packed."""
    packed, carried = pickle.loads(message)
    sent = unpack(packed)
    work = functools.partial(contextvars.Context().run, _run, sent, carried)
    return pack_outcome(sent.name, run_to_end(sent.name, work))


def _run(sent: Packed, carried: Any) -> Outcome:
    try:
        put_carried(carried)
        call = sent.call()
    except Exception as error:  # its module cannot be imported, say
        return Raised(error)
    return call.run()


def pack_outcome(name: str, outcome: Outcome) -> bytes:
    """Return *outcome* as bytes; an outcome that does not pickle is an error that says so."""
    error = outcome.exception()
    notes = [] if error is None else _take_notes(error)
    try:
        packed = pickle.dumps((outcome, notes))
        pickle.loads(packed)
    except Exception as problem:
        packed = pickle.dumps((Raised(_told(name, error, problem)), notes))
    return packed


def _take_notes(error: BaseException) -> list[str]:
    """Return the notes of *error*, which need not pickle, and its traceback, which does not.

    The error is a copy: the original keeps its notes.
    """
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    error.__notes__ = []
    trace = "".join(traceback.format_exception(error))
    return [f"In its process:\n\n{trace}", *notes]


def _told(name: str, error: BaseException | None, problem: Exception) -> Exception:
    if error is None:
        return ResultRefused(name, f"it does not pickle ({problem}); return plain data.")
    return FuturesError(
        f"{name} raised {type(error).__name__}, which does not pickle: {error} ({problem}). Catch "
        "it inside of the future, and raise an exception that carries plain data."
    )
