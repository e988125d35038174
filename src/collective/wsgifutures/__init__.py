"""Hold a response instead of a thread: slow external calls in Plone on WSGI."""

from .kernel.errors import ArgumentRefused
from .kernel.errors import AskedAfterCommit
from .kernel.errors import ExecutorBusy
from .kernel.errors import FutureCancelled
from .kernel.errors import FuturesError
from .kernel.errors import FutureTimeout
from .kernel.errors import HoldCancelled
from .kernel.errors import HoldExpired
from .kernel.errors import ProcessEnded
from .kernel.errors import ResultRefused
from .kernel.errors import Suspended
from .kernel.errors import TooManyPasses
from .kernel.fragments import fragment
from .kernel.futures import Future
from .kernel.futures import future
from .kernel.futures import gather
from .kernel.held import held
from .kernel.keep import keep_pass
from .kernel.settings import SettingRefused
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

__all__ = [
    "Answer",
    "ArgumentRefused",
    "AskedAfterCommit",
    "ExecutorBusy",
    "Future",
    "FutureCancelled",
    "FutureTimeout",
    "FuturesError",
    "HoldCancelled",
    "HoldExpired",
    "ProcessEnded",
    "ResultRefused",
    "SettingRefused",
    "Suspended",
    "TooManyPasses",
    "Upstream",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamFailed",
    "UpstreamOff",
    "UpstreamRefused",
    "UpstreamStatus",
    "UpstreamTimeout",
    "UpstreamTooLarge",
    "fragment",
    "future",
    "gather",
    "held",
    "keep_pass",
]
