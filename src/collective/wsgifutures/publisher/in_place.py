"""Says that calls run in place: everything answers and blocks, and nobody would know.

A process says each once. It says nothing of scripts, tests and other futures, where a call is
meant to run in place: there no request is being published.
"""

from ..kernel.calls import Call
from ..traces.paths import render_path
from ..wsgi.visit import MARK
from typing import Any
from zope.globalrequest import getRequest

import logging

logger = logging.getLogger(__name__)

#: In the environ of a request that is published without a hold.
NOT_HELD = "collective.wsgifutures.not_held"

_REMEDY = (
    "Start gunicorn with -k gevent -c python:collective.wsgifutures.gunicorn, or put "
    "egg:collective.wsgifutures#hold into the pipeline of zope.ini."
)

_SERVER = (
    "Responses are not held: nothing holds them in this server, so a page waits for its calls "
    f"with a thread and a ZODB connection. {_REMEDY}"
)
_CALL = (
    "%s runs in place: %s %s waits for it with a thread and a ZODB connection, since responses "
    f"are not held. {_REMEDY}"
)
_SITE = (
    "%s runs in place: %s %s waits for it in its slot, since Hold responses is switched off in "
    "the control panel of the site. To hold responses again, switch it on there."
)

#: What this process has not said yet.
_unsaid = {_SERVER, _CALL, _SITE}


def request_starts(request: Any) -> None:
    """Note that *request* is published without a hold, and say that the server holds nothing."""
    request.environ[NOT_HELD] = True
    _say(_SERVER)


def call_starts(call: Call) -> None:
    """Say that *call* runs in place, if a request is being published."""
    environ = getattr(getRequest(), "environ", {})
    if NOT_HELD in environ:
        _say(_CALL, call.function_name, *_describe(environ))
    elif MARK in environ:  # it would be held, if its site let it
        _say(_SITE, call.function_name, *_describe(environ))


def _describe(environ: dict[str, Any]) -> tuple[str, str]:
    return environ["REQUEST_METHOD"], render_path(environ.get("PATH_INFO", ""))


def _say(message: str, *arguments: str) -> None:
    try:
        _unsaid.remove(message)  # in one step: requests begin side by side
    except KeyError:
        return
    logger.warning(message, *arguments)
