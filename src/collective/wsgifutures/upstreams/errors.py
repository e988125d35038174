"""What can go wrong with an upstream, as one small tree::

    FuturesError, Unavailable
     └ UpstreamError
        ├ UpstreamTimeout   also TimeoutError
        ├ UpstreamFailed    also ConnectionError
        ├ UpstreamRefused
        ├ UpstreamTooLarge
        ├ UpstreamStatus
        ├ UpstreamBusy
        └ UpstreamOff

An error tells the upstream's name and its host. Paths, queries, headers and bodies may hold
secrets, so no error has them: neither in its text nor in what caused it.
"""

from ..kernel.errors import Unavailable

import math


class UpstreamError(Unavailable):
    """An upstream gave no answer that can be used. Answers 503 where no view catches it."""

    def __init__(self, name: str, host: str, *facts: object) -> None:
        super().__init__()
        self.args = (name, host, *facts)  # those of an OSError are cut to two
        self.name = name  #: the upstream's name
        self.host = host  #: where it was called, without path and query


class UpstreamTimeout(UpstreamError, TimeoutError):
    """An upstream did not answer in time. Answers 504 where no view catches it."""

    def __init__(self, name: str, host: str, timeout: float, what: str) -> None:
        super().__init__(name, host, timeout, what)
        self.timeout = timeout  #: the limit that ran out, in seconds
        self.what = what  #: ``connect``, ``read`` or ``total``

    @property
    def headers(self) -> dict[str, str]:
        """Nothing, as with a future that is out of time."""
        return {}

    def __str__(self) -> str:
        return (
            f"The upstream {self.name} ({self.host}) did not answer within {self.timeout:g} s "
            f"({self.what}). Raise the limit where it is declared, or catch UpstreamTimeout and "
            "render without it."
        )


class UpstreamFailed(UpstreamError, ConnectionError):
    """An upstream could not be connected to, or sent no whole answer."""

    def __init__(self, name: str, host: str, reason: str, dropped: bool = False) -> None:
        super().__init__(name, host, reason, dropped)
        self.reason = reason  #: what happened, in a few words
        #: A kept connection ended before the answer began: that is no failure of the service.
        self.dropped = dropped

    def __str__(self) -> str:
        return (
            f"The upstream {self.name} ({self.host}) gave no whole answer: {self.reason}. Look at "
            "its address and whether it is up; or catch UpstreamFailed and render without it."
        )


class UpstreamRefused(UpstreamError):
    """A call was refused on our side, for the kind of its answer or of the way to it.

    This is no failure of the service, and the call is not made again.
    """

    def __init__(self, name: str, host: str, reason: str) -> None:
        super().__init__(name, host, reason)
        self.reason = reason  #: what was refused, in a few words

    def __str__(self) -> str:
        return (
            f"A call of the upstream {self.name} ({self.host}) was refused here: {self.reason}. "
            "Change the address or the service; or catch UpstreamRefused and render without it."
        )


class UpstreamTooLarge(UpstreamError):
    """An answer has more bytes than the upstream may send."""

    def __init__(self, name: str, host: str, max_size: int) -> None:
        super().__init__(name, host, max_size)
        self.max_size = max_size  #: the limit, in bytes, unpacked

    def __str__(self) -> str:
        return (
            f"The answer of the upstream {self.name} ({self.host}) is larger than "
            f"{self.max_size} bytes. Ask it for less, or raise max_size where it is declared."
        )


class UpstreamStatus(UpstreamError):
    """An upstream answered with an error's status. Raised by ``Answer.raise_for_status``."""

    def __init__(self, name: str, host: str, status: int) -> None:
        super().__init__(name, host, status)
        self.status = status  #: the status of its answer

    def __str__(self) -> str:
        return (
            f"The upstream {self.name} ({self.host}) answered {self.status}. Look at status and "
            "body of the answer before raise_for_status(), or catch UpstreamStatus."
        )


class UpstreamBusy(UpstreamError):
    """An upstream is not asked now: too many calls at once, or it failed too often."""

    def __init__(self, name: str, host: str, retry_after: float, reason: str) -> None:
        super().__init__(name, host, retry_after, reason)
        self.retry_after = retry_after
        self.reason = reason  #: which limit it is

    def __str__(self) -> str:
        return (
            f"The upstream {self.name} ({self.host}) is not asked now: {self.reason}. Ask again "
            f"in {max(1, math.ceil(self.retry_after))} s, or catch UpstreamBusy and render "
            "without it."
        )


class UpstreamOff(UpstreamError):
    """An upstream was switched off by an operator."""

    retry_after = 60.0

    def __str__(self) -> str:
        return (
            f"The upstream {self.name} ({self.host}) is switched off. Switch it on again, or "
            "catch UpstreamOff and render without it."
        )
