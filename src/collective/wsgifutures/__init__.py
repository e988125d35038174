"""Hold a response instead of a thread: slow external calls in Plone on WSGI."""

from .kernel.errors import ArgumentRefused
from .kernel.errors import AskedAfterCommit
from .kernel.errors import FutureCancelled
from .kernel.errors import FuturesError
from .kernel.errors import FutureTimeout
from .kernel.errors import HoldExpired
from .kernel.errors import ResultRefused
from .kernel.errors import Suspended
from .kernel.errors import TooManyPasses
from .kernel.futures import Future
from .kernel.futures import future
from .kernel.futures import gather
from .kernel.futures import held

__all__ = [
    "ArgumentRefused",
    "AskedAfterCommit",
    "Future",
    "FutureCancelled",
    "FutureTimeout",
    "FuturesError",
    "HoldExpired",
    "ResultRefused",
    "Suspended",
    "TooManyPasses",
    "future",
    "gather",
    "held",
]
