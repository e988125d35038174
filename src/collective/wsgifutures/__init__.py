"""Hold a response instead of a thread: slow external calls in Plone on WSGI."""

from .kernel.errors import ArgumentRefused
from .kernel.errors import AskedAfterCommit
from .kernel.errors import ExecutorBusy
from .kernel.errors import FutureCancelled
from .kernel.errors import FuturesError
from .kernel.errors import FutureTimeout
from .kernel.errors import HandshakeRefused
from .kernel.errors import HoldCancelled
from .kernel.errors import HoldExpired
from .kernel.errors import NoWebSockets
from .kernel.errors import OriginRefused
from .kernel.errors import ProcessEnded
from .kernel.errors import ResultRefused
from .kernel.errors import StreamBusy
from .kernel.errors import StreamTimeout
from .kernel.errors import Suspended
from .kernel.errors import TooManyPasses
from .kernel.errors import UpgradeRequired
from .kernel.fragments import fragment
from .kernel.futures import Future
from .kernel.futures import future
from .kernel.futures import gather
from .kernel.held import held
from .kernel.keep import keep_pass
from .kernel.settings import SettingRefused
from .kernel.sockets.declared import websocket
from .kernel.sockets.socket import WebSocket
from .kernel.streams.current import current_stream
from .kernel.streams.declared import Stream
from .kernel.streams.declared import stream
from .kernel.streams.formats import StreamEvent
from .upstreams.answers import Answer
from .upstreams.errors import UpstreamBusy
from .upstreams.errors import UpstreamError
from .upstreams.errors import UpstreamFailed
from .upstreams.errors import UpstreamOff
from .upstreams.errors import UpstreamRefused
from .upstreams.errors import UpstreamStatus
from .upstreams.errors import UpstreamTimeout
from .upstreams.errors import UpstreamTooLarge
from .upstreams.upstream import Upstream
from typing import Any
from typing import TYPE_CHECKING

import importlib

if TYPE_CHECKING:
    from .browser.jobs.accepted import accepted
    from .jobs.current import current_job
    from .jobs.errors import JobError
    from .jobs.errors import Retry
    from .jobs.errors import SubmitRefused
    from .jobs.publish import publish
    from .jobs.tasks import task

__all__ = [
    "Answer",
    "ArgumentRefused",
    "AskedAfterCommit",
    "ExecutorBusy",
    "Future",
    "FutureCancelled",
    "FutureTimeout",
    "FuturesError",
    "HandshakeRefused",
    "HoldCancelled",
    "HoldExpired",
    "JobError",
    "NoWebSockets",
    "OriginRefused",
    "ProcessEnded",
    "ResultRefused",
    "Retry",
    "SettingRefused",
    "Stream",
    "StreamBusy",
    "StreamEvent",
    "StreamTimeout",
    "SubmitRefused",
    "Suspended",
    "TooManyPasses",
    "UpgradeRequired",
    "Upstream",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamFailed",
    "UpstreamOff",
    "UpstreamRefused",
    "UpstreamStatus",
    "UpstreamTimeout",
    "UpstreamTooLarge",
    "WebSocket",
    "accepted",
    "current_job",
    "current_stream",
    "fragment",
    "future",
    "gather",
    "held",
    "keep_pass",
    "publish",
    "stream",
    "task",
    "websocket",
]

#: Where the names of jobs are. They need Zope, so they are loaded when asked for: gunicorn's
#: arbiter imports this module before gevent has patched the standard library.
_HOMES = {
    "JobError": ".jobs.errors",
    "Retry": ".jobs.errors",
    "SubmitRefused": ".jobs.errors",
    "accepted": ".browser.jobs.accepted",
    "current_job": ".jobs.current",
    "publish": ".jobs.publish",
    "task": ".jobs.tasks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
