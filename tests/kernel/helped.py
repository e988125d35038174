"""What futures do in the helper process: what libraries do, and what breaks it."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path

import asyncio
import ctypes
import faulthandler
import functools
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

logger = logging.getLogger("helped")

known = ContextVar("known", default="unset")

#: What ends a process, by the status of its end.
ENDS = {
    3: lambda: os._exit(3),
    -signal.SIGKILL: lambda: os.kill(os.getpid(), signal.SIGKILL),
    -signal.SIGSEGV: lambda: ctypes.string_at(0),
}


def where():
    return os.getpid(), threading.get_native_id()


async def where_async():
    return where()


def where_later(seconds, n):
    time.sleep(seconds)
    return where()


def double(n):
    return {"doubled": [2 * n]}


async def double_async(n):
    return double(n)


def end(status):
    faulthandler.disable()
    time.sleep(0.2)
    ENDS[status]()


def echo_later(seconds, value):
    time.sleep(seconds)
    return value


async def echo_later_async(seconds, value):
    await asyncio.sleep(seconds)
    return value


async def write_at_end(path):
    """Say that it runs, and write how it ended."""
    Path(path + ".runs").touch()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        Path(path).write_text("cancelled")
        raise


def log(text):
    logger.info("info %s", text)
    logger.debug("debug %s", text)
    try:
        raise LookupError(text)
    except LookupError:
        logger.exception("failed")


async def stop_the_loop(seconds):
    time.sleep(seconds)


async def stop_the_loop_in_a_task(seconds):
    await asyncio.create_task(stop_the_loop(seconds))


def hold_the_interpreter(microseconds):
    ctypes.PyDLL(None).usleep(microseconds)


def hold_for_ever():
    """In C code, so that no other thread and no signal handler of Python ever runs."""
    ctypes.PyDLL(None).sleep(60)


def put_known(value):
    known.set(value)


def look_at_known():
    return known.get()


async def look_at_known_async():
    return known.get()


def files():
    """Return what the open files of this process are."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        try:
            found[path.name] = os.readlink(path)
        except FileNotFoundError:
            continue
    return found


def fork_and_stay(seconds):
    """Leave a forked process behind, and end."""
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,)).start()
    os.kill(os.getpid(), signal.SIGKILL)


#: What ends a process that does not know of it.
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def stop_what_it_starts():
    """Return what a subprocess and a forked process ended with, by the signal they were sent."""
    return {number: _stopped_by(number) for number in STOPS}


def _stopped_by(number):
    started = subprocess.Popen(["sleep", "60"])
    forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    forked.start()
    time.sleep(0.1)
    for pid in (started.pid, forked.pid):
        os.kill(pid, number)
    forked.join()
    return started.wait(), forked.exitcode


def signal_itself():
    for number in STOPS:
        os.kill(os.getpid(), number)
    time.sleep(0.1)
    return "goes on"


def imported():
    return sorted({name.partition(".")[0] for name in sys.modules})


def thread(n):
    box = []
    one = threading.Thread(target=lambda: box.append(echo_later(0.05, n)))
    one.start()
    one.join()
    return box[0]


def process(n):
    return int(subprocess.run(["echo", str(n)], capture_output=True, check=True).stdout)


def loop(n):
    return asyncio.run(asyncio.sleep(0.05, n))


def pool(n):
    with ThreadPoolExecutor(2) as workers:
        return next(iter(workers.map(functools.partial(echo_later, 0.05), [n])))


def look_up(n):
    return n if socket.getaddrinfo("localhost", 80) else None


def fork(n):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    one = context.Process(target=queue.put, args=(n,))
    one.start()
    try:
        return queue.get(timeout=5)
    finally:
        one.join()


async def process_async(n):
    one = await asyncio.create_subprocess_exec("echo", str(n), stdout=subprocess.PIPE)
    return int((await one.communicate())[0])


async def to_thread_async(n):
    return await asyncio.to_thread(echo_later, 0.05, n)


async def loop_in_thread_async(n):
    return await asyncio.to_thread(loop, n)


async def look_up_async(n):
    return n if await asyncio.get_running_loop().getaddrinfo("localhost", 80) else None
