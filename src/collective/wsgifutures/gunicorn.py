"""Configuration for gunicorn: ``-c python:collective.wsgifutures.gunicorn``.

The worker class is gevent's; with ``-k asgi`` it is gunicorn's own for asyncio.

A site's own configuration starts with ``from collective.wsgifutures.gunicorn import *``; its
own ``post_worker_init`` calls the hook of this module. Flags and ``GUNICORN_CMD_ARGS`` win.

gunicorn's arbiter reads this module before gevent has patched the standard library: nothing of
Zope may be imported here, and nothing that makes a lock or a thread-local.

An unsafe deployment is refused: by the arbiter before it loads or forks anything, if it can
know, otherwise by the worker before its first request. gunicorn then ends with status 3.
``nworkers_changed`` is the first hook that gunicorn calls, before ``preload_app`` loads Zope. A
configuration may replace this hook, so a worker repeats the checks of the arbiter.
"""

from .kernel.runtime import choose_asyncio
from .kernel.settings import SettingRefused
from .serving import allow_open_files
from .serving import collect_less
from .serving import jobs_may_run
from .serving import let_go_of_jobs
from .serving import make_hold
from .serving import stop_in_time
from .wsgi import audit
from .wsgi.joints import joints
from .wsgi.settings import Settings
from collections.abc import Callable
from typing import Any
from typing import NoReturn

import functools
import os
import time

__all__ = [
    "graceful_timeout",
    "nworkers_changed",
    "post_fork",
    "post_worker_init",
    "websocket_max_message_size",
    "worker_class",
    "worker_connections",
    "worker_exit",
    "worker_int",
]

worker_class = "gevent"

#: The most connections of a worker. A held response keeps its connection, and gunicorn stops
#: accepting when all are in use, so there must be more connections than held responses.
worker_connections = 10_000

#: Seconds until a stop or reload ends held responses: the deadline, its grace, and the time to
#: answer those that are not finished by then.
graceful_timeout = 62

#: The largest message of a websocket, in bytes. gunicorn unmasks a message in its loop, byte by
#: byte: with its own limit of 16 MB one message would stop the whole worker for a second.
websocket_max_message_size = 64 * 1024

_REFUSAL = "gunicorn does not start. %s"

#: The exit status of a worker after which gunicorn gives up, instead of starting it again.
_BOOT_ERROR = 3

#: Seconds that another refused worker waits to be stopped. If it ended before gunicorn stops,
#: gunicorn would only start it again.
_LET_THE_OTHER_SPEAK = 2.0


class _Word:
    """The permission to log, which one of the forked processes takes."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.give()

    def give(self) -> None:
        """Let one process take the permission."""
        self.take()
        os.write(self._write, b"!")

    def take(self) -> bool:
        """Return True if this process may log; no other process may then."""
        try:
            return bool(os.read(self._read, 1))
        except BlockingIOError:
            return False


#: Taken by the first worker that is refused, so that gunicorn says why once.
_refusal = _Word()

#: Taken by the first worker that has warnings; given again when gunicorn reloads.
_warnings = _Word()


def nworkers_changed(arbiter: Any, new: int, old: int | None) -> None:
    """At the start, refuse an unsafe deployment; at a reload, let warnings be logged again."""
    _warnings.give()
    if old is not None:
        return
    try:
        audit.refuse(audit.of_arbiter(arbiter.cfg))
        Settings.read(environ={**os.environ, **arbiter.cfg.env})  # not in the environment yet
    except (audit.StartRefused, SettingRefused) as refused:
        arbiter.log.error(_REFUSAL, refused)
        raise SystemExit(_BOOT_ERROR) from None


def post_fork(arbiter: Any, worker: Any) -> None:
    """At a reload, let this worker wait for a FileStorage that an older worker still has.

    And let it wait with asyncio if its class says so, before it loads the application.
    """
    if audit.is_asyncio(arbiter.cfg):
        choose_asyncio()
    older = list(arbiter.WORKERS)
    if len(older) >= arbiter.cfg.workers:
        worker.load_wsgi = functools.partial(_load_in_turn, worker, worker.load_wsgi, older)


def _load_in_turn(worker: Any, load: Callable[[], None], older: list[int]) -> None:
    from .status.board import runs

    try:
        load()
    except Exception as error:
        if type(error).__name__ != "LockError":  # zc.lockfile's
            raise
        worker.log.info("%s: waiting for the worker that has the file.", error)
    else:
        return
    while worker.alive and any(map(runs, older)):
        worker.notify()
        time.sleep(0.1)
    raise SystemExit(0)  # Zope can be loaded only once, so gunicorn starts another worker instead


def post_worker_init(worker: Any) -> None:
    """Put the middleware around the loaded application, if that is safe."""
    from .wsgi.worker import NotConfigured

    allow_open_files()
    collect_less()
    try:
        if audit.is_asyncio(worker.cfg):
            _begin_with_asyncio(worker)
        else:
            _begin_with_gevent(worker)
    except (audit.StartRefused, NotConfigured, SettingRefused) as refused:
        _end(worker, refused)
    worker.run = functools.partial(_run, worker, worker.run)


def _begin_with_gevent(worker: Any) -> None:
    from .wsgi.door import Door

    import gevent

    # gevent would keep the stack that spawned each greenlet: 3 KB of a held response.
    gevent.config.track_greenlet_tree = False
    hold = _make_hold(worker, worker.wsgi)
    worker.wsgi = hold.__call__  # a method is called with less of the C stack than an instance
    worker.handle = Door(worker.handle, hold.worker)
    hold.worker.start(worker.log.info)
    gevent.spawn(stop_in_time, worker, hold.worker.interrupts)


def _begin_with_asyncio(worker: Any) -> None:
    from .kernel.runtime.asynced import ASYNCIO
    from .wsgi.asgi import Asgi

    import threading

    ASYNCIO.serve_in(worker.loop)
    hold = _make_hold(worker, worker.asgi)
    worker.asgi = Asgi(hold.worker)
    hold.worker.start(worker.log.info)
    worker.log.info("%s", audit.speed_of_gunicorn(worker.cfg))
    stop = functools.partial(stop_in_time, worker, hold.worker.interrupts)
    threading.Thread(target=stop, daemon=True, name="stop").start()


def _make_hold(worker: Any, application: Any) -> Any:
    """Return the middleware of *application*, which may serve in this *worker*.

    Raises:
        NotConfigured, SettingRefused: There can be none.
        StartRefused: This worker may not serve.
    """
    hold = make_hold(application)
    _audit(worker, hold.worker.settings)
    return hold


def worker_int(worker: Any) -> None:
    """Let a worker that is told to quit wait for no job."""
    worker.quits = True


def worker_exit(arbiter: Any, worker: Any) -> None:
    """Let go of the jobs that still run."""
    let_go_of_jobs()


def _run(worker: Any, run: Callable[[], None]) -> None:
    """Serve, and then let jobs end that still run, within ``graceful_timeout``.

    ``worker_exit`` would be too late for that: gunicorn has closed the file by which the worker
    tells that it lives, and would kill it after ``timeout`` seconds.
    """
    run()
    while jobs_may_run(worker):
        worker.notify()
        time.sleep(audit.LOOK_EVERY)


def _audit(worker: Any, settings: Settings) -> None:
    """Refuse an unsafe deployment, and log the warnings.

    Raises:
        StartRefused: This worker may not serve.
    """
    cfg = worker.cfg
    audit.refuse([audit.preload(cfg), audit.worker_class(cfg)])  # the other checks depend on them
    found = [*audit.of_process(joints, cfg.workers), *audit.chosen(cfg)]
    audit.refuse(found)
    found += audit.of_server(cfg, settings) + audit.of_system(settings)
    warnings = audit.choose_warnings(found)
    if warnings and _warnings.take():
        for warning in warnings:
            worker.log.warning("%s", warning)


def _end(worker: Any, refused: Exception) -> NoReturn:
    """End this worker, and with it gunicorn.

    gunicorn stops when one worker has ended with the status for a failed boot. A second such
    worker would confuse gunicorn, so the others wait to be stopped; not for long, since a signal
    that comes while a worker boots is lost.
    """
    if _refusal.take():
        worker.log.error(_REFUSAL, refused)
        raise SystemExit(_BOOT_ERROR if worker.alive else 0)
    until = time.monotonic() + _LET_THE_OTHER_SPEAK
    while worker.alive and time.monotonic() < until:
        worker.notify()
        time.sleep(0.1)
    raise SystemExit(0)
