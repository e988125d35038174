"""Configuration for gunicorn: ``-c python:collective.wsgifutures.gunicorn``.

A configuration of one's own starts with ``from collective.wsgifutures.gunicorn import *``;
a ``post_worker_init`` of its own calls the one here. Flags and ``GUNICORN_CMD_ARGS`` win.

gunicorn's arbiter reads this before gevent has patched the standard library: nothing of
Zope may be imported here, and nothing that makes a lock or a thread-local.
"""

from typing import Any

__all__ = [
    "graceful_timeout",
    "post_worker_init",
    "worker_class",
    "worker_connections",
]

worker_class = "gevent"

#: A held response keeps its connection. When all are in use gunicorn refuses nobody, it
#: stops accepting, so there have to be more of them than responses are held.
worker_connections = 10_000

#: Seconds for held responses at a reload or stop: the deadline and its grace.
graceful_timeout = 60


def post_worker_init(worker: Any) -> None:
    """Put the hold around what this worker serves. Called when Zope is loaded."""
    from collective.wsgifutures.wsgi.republish import Republish

    _allow_open_files()
    worker.wsgi = Republish(worker.wsgi)


def _allow_open_files() -> None:
    """Take what the system allows: a held response has a socket on either side."""
    import contextlib
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a limit they refuse
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
