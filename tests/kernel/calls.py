"""What futures call in the tests of executors: a process of its own imports this."""

from collective.wsgifutures import future
from collective.wsgifutures.kernel.passes import current_pass
from contextvars import ContextVar
from pathlib import Path
from urllib.error import HTTPError
from zope.interface.interfaces import ComponentLookupError

import asyncio
import ctypes
import io
import os
import signal
import sys
import threading
import time

setting = ContextVar("setting", default="unset")


class Own(Exception):
    """Pickles, with an init that takes something else than its args."""

    def __init__(self, name, *, code):
        super().__init__(name)
        self.code = code

    def __reduce__(self):
        return _own, (self.args[0], self.code)


def _own(name, code):
    return Own(name, code=code)


class Unpicklable(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def double(n):
    return {"doubled": [2 * n]}


def fail(n):
    raise Own(f"number {n}", code=n)


def fail_unpicklable():
    raise Unpicklable("about a file")


def look_up(name):
    """Fail as what asks for a utility, with a note of its own."""
    error = ComponentLookupError(name)
    error.add_note("a note of its own")
    raise error


def fail_as_urllib_does():
    body = io.BufferedReader(io.BytesIO(b"why"))  # like a socket's, it can be read once
    raise HTTPError("https://shop/", 503, "busy", {"Retry-After": "3"}, body)


def leave():
    raise SystemExit(3)


def give_a_generator():
    return (n for n in range(3))


def give_a_file():
    return Path(__file__).open("rb")


def give_an_iterator():
    return {"items": iter([1, 2])}


def give_a_map():
    return [map(int, ["1"])]


def give_a_stream():
    return (io.BytesIO(b"x"), "x")


def write_later(seconds, path):
    """Say that it runs, wait, and write what would be seen if it had not been stopped."""
    Path(path + ".runs").touch()
    time.sleep(seconds)
    Path(path).write_text("went on")
    return path


def where():
    return os.getpid(), threading.get_native_id()


def look_around():
    return setting.get(), current_pass()


def imported():
    return sorted(
        {name if name.startswith("kernel") else name.partition(".")[0] for name in sys.modules}
    )


def die():
    time.sleep(0.1)
    os._exit(3)


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def echo_later(seconds, value):
    time.sleep(seconds)
    return value


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def compute_deaf(seconds):
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    compute(seconds)


def block(seconds):
    ctypes.CDLL(None).sleep(seconds)


def hold_the_interpreter():
    """In C code, so that no other thread and no signal handler of Python ever runs."""
    ctypes.PyDLL(None).sleep(60)


@future(executor="processes")
def declared():
    return os.getpid(), 1


inner = future(key="inner")(lambda n: n + 1)


def call_another(n):
    return inner(n)


async def write_later_async(seconds, path):
    Path(path + ".runs").touch()
    await asyncio.sleep(seconds)
    Path(path).write_text("went on")
    return path


def __getattr__(name):
    """Return a function of this module as ``async def``, by its name and ``_async``."""
    function = globals()[name.removesuffix("_async")] if name.endswith("_async") else None
    if function is None:
        raise AttributeError(name)

    async def call(*args):
        await asyncio.sleep(0)
        return function(*args)

    call.__module__, call.__qualname__ = __name__, name
    return globals().setdefault(name, call)


def declare(executor, function, **options):
    """Return *function* as a future that runs on *executor*."""
    key = function.__qualname__
    if executor == "asyncio" and not asyncio.iscoroutinefunction(function):
        function = getattr(sys.modules[function.__module__], key + "_async")
    return future(key=key, executor=executor, **options)(function)
