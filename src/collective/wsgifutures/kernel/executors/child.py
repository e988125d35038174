"""The other side of ``processes``: makes the calls that it is sent, one after the other.

It imports what the futures are declared in. It ends with the one who started it, also in
the midst of a call, however that one ended.
"""

from ..errors import FuturesError
from ..errors import ResultRefused
from ..outcomes import Outcome
from ..outcomes import Raised
from ..outcomes import run
from ..outcomes import run_to_end
from .channel import find
from .channel import receive
from .channel import send
from collections.abc import Iterator
from typing import Any

import contextlib
import fcntl
import functools
import os
import pickle
import signal
import socket
import sys
import traceback


def main() -> None:
    """Serve until the other side has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all; the server decides
    channel = take_channel()
    while (message := receive(channel)) is not None:
        with _ends_with(channel):
            answer = make(message)
        with contextlib.suppress(BrokenPipeError):
            send(channel, answer)


def take_channel() -> socket.socket:
    """Return the socket that standard input is, and leave none to the calls."""
    os.set_blocking(0, True)  # gevent's sockets are not
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return channel


@contextlib.contextmanager
def _ends_with(channel: socket.socket) -> Iterator[None]:
    """While a call runs, be killed where the other side closes: nothing else comes then."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # by the system, C code cannot put it off
    fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
    before = fcntl.fcntl(channel, fcntl.F_GETFL)
    fcntl.fcntl(channel, fcntl.F_SETFL, before | os.O_ASYNC)
    try:
        with contextlib.suppress(BlockingIOError):
            if not channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                sys.exit()  # it has closed before
        yield
    finally:
        fcntl.fcntl(channel, fcntl.F_SETFL, before)


def make(message: bytes) -> bytes:
    """Make the call that *message* tells of and return its outcome, packed."""
    name, module, qualname, packed = pickle.loads(message)

    def call() -> Any:
        function = find(module, qualname)
        args, kwargs = pickle.loads(packed)
        return function(*args, **kwargs)

    return packed_outcome(name, run_to_end(name, functools.partial(run, name, call)))


def packed_outcome(name: str, outcome: Outcome) -> bytes:
    """Return *outcome* as bytes; one that does not pickle is an error that says so."""
    error, note = outcome.exception(), None
    if error is not None:  # its traceback does not pickle, and its notes need not
        note = "In its process:\n\n" + "".join(traceback.format_exception(error))
    try:
        packed = pickle.dumps((outcome, note))
        pickle.loads(packed)
    except Exception as problem:
        packed = pickle.dumps((Raised(_told(name, error, problem)), note))
    return packed


def _told(name: str, error: BaseException | None, problem: Exception) -> Exception:
    if error is None:
        return ResultRefused(name, f"it does not pickle ({problem}); return plain data.")
    return FuturesError(f"{name} raised {type(error).__name__}, which does not pickle: {error}")
