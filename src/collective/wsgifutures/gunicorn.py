"""Configuration for gunicorn: ``-c python:collective.wsgifutures.gunicorn``.

A configuration of one's own starts with ``from collective.wsgifutures.gunicorn import *``;
a ``post_worker_init`` of its own calls the one here. Flags and ``GUNICORN_CMD_ARGS`` win.

gunicorn's arbiter reads this before gevent has patched the standard library: nothing of
Zope may be imported here, and nothing that makes a lock or a thread-local.

What is not safe is refused: by the arbiter before it loads or forks anything, where it can
know it, and else by the worker before its first request. The whole gunicorn ends then, with
status 3. ``nworkers_changed`` is the first hook that gunicorn calls, before ``preload_app``
loads Zope. A configuration may have a hook of its own, so a worker repeats what the arbiter
has looked at.
"""

from .kernel.runtime import Interrupts
from .kernel.settings import SettingRefused
from .wsgi import audit
from .wsgi.settings import Settings
from collections.abc import Callable
from typing import Any
from typing import NoReturn

import functools
import gc
import os
import time

__all__ = [
    "graceful_timeout",
    "nworkers_changed",
    "post_fork",
    "post_worker_init",
    "worker_class",
    "worker_connections",
]

worker_class = "gevent"

#: A held response keeps its connection. When all are in use gunicorn refuses nobody, it
#: stops accepting, so there have to be more of them than responses are held.
worker_connections = 10_000

#: Seconds for held responses at a reload or stop: the deadline, its grace, and what it
#: takes to answer those that are not finished by then.
graceful_timeout = 62

#: With this status of a worker gunicorn gives up, in place of starting it for ever.
_BOOT_ERROR = 3

#: How long a worker that is refused too waits to be stopped, in seconds. Should it end before
#: gunicorn stops, it is only started again.
_LET_THE_OTHER_SPEAK = 2.0


#: After so many more objects Python's collector looks at the young ones. By itself it is 700:
#: what is held is young for seconds, and would be looked at again and again.
COLLECT_AFTER = 10_000


class _Word:
    """Leave to speak, for one of the processes that are forked from here."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.give()

    def give(self) -> None:
        """One of them may speak."""
        self.take()
        os.write(self._write, b"!")

    def take(self) -> bool:
        """Tell whether it is this one. No other may then."""
        try:
            return bool(os.read(self._read, 1))
        except BlockingIOError:
            return False


_refusal = _Word()
_warnings = _Word()


def nworkers_changed(arbiter: Any, new: int, old: int | None) -> None:
    """Refuse what cannot be safe, at the start; at a reload warn again, once."""
    _warnings.give()
    if old is not None:
        return
    try:
        audit.refuse(audit.of_arbiter(arbiter.cfg))
        Settings.read(environ={**os.environ, **arbiter.cfg.env})  # not in the environment yet
    except (audit.StartRefused, SettingRefused) as refused:
        _say(arbiter.log, refused)
        raise SystemExit(_BOOT_ERROR) from None


def post_fork(arbiter: Any, worker: Any) -> None:
    """At a reload, let this worker wait for a FileStorage that the one before it still has."""
    older = list(arbiter.WORKERS)
    if len(older) >= arbiter.cfg.workers:
        worker.load_wsgi = functools.partial(_load_in_turn, worker, worker.load_wsgi, older)


def _load_in_turn(worker: Any, load: Callable[[], None], older: list[int]) -> None:
    try:
        load()
    except Exception as error:
        if type(error).__name__ != "LockError":  # zc.lockfile's
            raise
        worker.log.info("%s: waiting for the worker that has it.", error)
    else:
        return
    while worker.alive and any(_runs(pid) for pid in older):
        worker.notify()
        time.sleep(0.1)
    raise SystemExit(0)  # Zope can be loaded once; gunicorn starts another one in its place


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def post_worker_init(worker: Any) -> None:
    """Put the hold around what this worker serves, if that is safe. Zope is loaded now."""
    from .wsgi.door import Door
    from .wsgi.middleware import Middleware
    from .wsgi.worker import NotConfigured
    from .wsgi.worker import Worker

    import gevent

    # Who spawned a greenlet, kept with its stack for each of them: 3 KB of a held response.
    gevent.config.track_greenlet_tree = False
    allow_open_files()
    _collect_less()
    try:
        hold = worker.wsgi  # where the filter is first in the pipeline
        if not isinstance(hold, Middleware):
            hold = Middleware(Worker(worker.wsgi, Settings.read()))
        _audit(worker, hold.worker.settings)
    except (audit.StartRefused, NotConfigured, SettingRefused) as refused:
        _end(worker, refused)
    worker.wsgi = hold.__call__  # a method is called with less of the C stack than an instance
    worker.handle = Door(worker.handle, hold.worker)
    hold.worker.start()
    gevent.spawn(stop_in_time, worker, hold.worker.interrupts)


def stop_in_time(worker: Any, interrupts: Interrupts) -> NoReturn:
    """Answer 503 to what gunicorn would cut off when its worker ends.

    Args:
        worker: gunicorn's. It is no longer alive when it is told to end, and is killed
            ``graceful_timeout`` seconds later.
        interrupts: Of its requests.
    """
    while worker.alive:
        time.sleep(audit.LOOK_EVERY)
    graceful = worker.cfg.graceful_timeout
    time.sleep(max(0.0, graceful - audit.LOOK_EVERY - min(audit.SEND_SECONDS, graceful / 2)))
    while True:
        interrupts.stop()
        time.sleep(audit.LOOK_EVERY)


def _collect_less() -> None:
    """Let the collector leave alone what Zope has loaded, and look less often at what is new.

    Looking at all that Zope has loaded stopped a worker for 0.4 s at a time. What a site has
    set for itself, or switched off, stays.
    """
    first, *others = gc.get_threshold()
    if not gc.isenabled() or not first:
        return
    gc.collect()
    gc.freeze()
    if first < COLLECT_AFTER:
        gc.set_threshold(COLLECT_AFTER, *others)


def _audit(worker: Any, settings: Settings) -> None:
    """Refuse what is not safe, and warn of what will hurt.

    Raises:
        StartRefused: This worker may not serve.
    """
    from .wsgi.joints import joints

    cfg = worker.cfg
    audit.refuse([audit.preload(cfg), audit.worker_class(cfg)])  # all else follows from them
    found = audit.of_process(joints, cfg.workers)
    audit.refuse(found)
    found += audit.of_server(cfg, settings) + audit.of_system(settings)
    warnings = audit.warnings(found)
    if warnings and _warnings.take():
        for warning in warnings:
            worker.log.warning("%s", warning)


def _end(worker: Any, refused: Exception) -> NoReturn:
    """End this worker, and with it gunicorn.

    gunicorn stops when one worker has ended with its status for that. It stumbles over a
    second one, so the others wait to be stopped; not for long, since a signal that comes
    while a worker boots is lost.
    """
    if _refusal.take():
        _say(worker.log, refused)
        raise SystemExit(_BOOT_ERROR if worker.alive else 0)
    until = time.monotonic() + _LET_THE_OTHER_SPEAK
    while worker.alive and time.monotonic() < until:
        worker.notify()
        time.sleep(0.1)
    raise SystemExit(0)


def _say(log: Any, refused: Exception) -> None:
    log.error("gunicorn does not start. %s", refused)


def allow_open_files() -> None:
    """Take what the system allows: a held response has a socket on either side."""
    import contextlib
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a limit they refuse
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
