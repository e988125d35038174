"""The site as an ASGI application, for uvicorn::

    uvicorn --factory collective.wsgifutures.asgi:make_application

The site is that of the paste file which the environment variable ``WSGIFUTURES_PASTE`` names.

uvicorn has no hooks for what is around a worker. So the checks are made when the application is,
which is before uvicorn serves; what starts and ends with the worker is part of ASGI's lifespan;
and that uvicorn has begun to stop is seen at its ``Server``, which handles the signals.
"""

from .kernel.runtime import choose_asyncio
from .kernel.settings import SettingRefused
from .loading import load_site
from .loading import SiteRefused
from .serving import allow_open_files
from .serving import collect_less
from .serving import jobs_may_run
from .serving import let_go_of_jobs
from .serving import make_hold
from .serving import stop_in_time
from .wsgi import audit
from .wsgi.joints import joints
from typing import Any
from typing import TYPE_CHECKING

import asyncio
import functools
import logging
import os
import signal
import sys
import threading

if TYPE_CHECKING:
    from .wsgi.asgi import Asgi
    from .wsgi.worker import Worker

logger = logging.getLogger(__name__)

#: The environment variable with the path of the site's paste file, and the path without it.
PASTE = "WSGIFUTURES_PASTE"
PASTE_FILE = "etc/zope.ini"

#: The exit status after which uvicorn's supervisor starts no other worker.
_STARTUP_FAILURE = 3

#: Seconds in which held responses are finished at a stop, if uvicorn would wait for ever.
GRACEFUL_SECONDS = 62


def make_application() -> "Asgi":
    """Load the site, and return the ASGI application that holds its responses.

    If that is not safe here, the log says why, and the process ends.
    """
    from .wsgi.worker import NotConfigured

    try:
        return _make(_find_server())
    except (audit.StartRefused, NotConfigured, SettingRefused, SiteRefused) as refused:
        logger.error("uvicorn does not start. %s", refused)
    except Exception:
        logger.exception("The site cannot be loaded.")
    sys.exit(_STARTUP_FAILURE)


def _find_server() -> Any:
    """Return the server of uvicorn that loads this; None: something else loads it."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    kinds = {base.__module__ for base in type(server).__mro__}
    return server if "uvicorn.server" in kinds else None


def _make(server: Any) -> "Asgi":
    """Return the application for a *server*.

    Raises:
        StartRefused, NotConfigured, SettingRefused, SiteRefused: There can be none.
    """
    choose_asyncio()
    audit.refuse(audit.of_uvicorn(server))
    hold = make_hold(load_site(os.environ.get(PASTE, PASTE_FILE), off=()))
    allow_open_files()
    collect_less()
    settings = hold.worker.settings
    found = audit.of_process(joints, server.config.workers)
    audit.refuse(found)
    found += audit.settings_of_uvicorn(server.config, settings) + audit.of_system(settings)
    for finding in audit.choose_warnings(found):
        logger.warning("%s", finding)
    from .wsgi.asgi import Asgi

    return Asgi(hold.worker, _Life(hold.worker, server))


class _Life:
    """The start and the end of one worker of uvicorn."""

    def __init__(self, worker: "Worker", server: Any) -> None:
        self._worker = worker
        self._server = server
        self._process = _Process(server)

    async def begins(self) -> None:
        """Start the worker, in the loop of the server."""
        from .kernel.runtime.asynced import ASYNCIO

        ASYNCIO.serve_in(asyncio.get_running_loop())
        self._worker.start(logger.info)
        logger.info("%s", audit.speed_of_uvicorn(self._server.config))
        stop = functools.partial(stop_in_time, self._process, self._worker.interrupts)
        threading.Thread(target=stop, daemon=True, name="stop").start()

    async def ends(self) -> None:
        """Let jobs end that still run, if there is time, and let go of the others."""
        while jobs_may_run(self._process):
            await asyncio.sleep(audit.LOOK_EVERY)
        await asyncio.to_thread(let_go_of_jobs)


class _Process:
    """The process of one server of uvicorn, as ``serving`` has it; also its configuration."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.cfg = self

    @property
    def alive(self) -> bool:
        return not self._server.should_exit

    @property
    def graceful_timeout(self) -> float:
        return self._server.config.timeout_graceful_shutdown or GRACEFUL_SECONDS
