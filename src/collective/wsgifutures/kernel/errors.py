"""What can go wrong with a future, as one small tree::

    FuturesError
     ├ FutureTimeout, HoldExpired, StreamTimeout      also TimeoutError
     ├ FutureCancelled                 also concurrent.futures.CancelledError
     ├ TooManyPasses, AskedAfterCommit
     ├ ProcessEnded
     ├ StandsForSuspension           (of collective.wsgifutures.compat)
     ├ Unavailable
     │  ├ ExecutorBusy               (and what goes wrong with an upstream)
     │  ├ HoldCancelled
     │  └ StreamBusy
     ├ HandshakeRefused
     │  └ NoWebSockets, OriginRefused, UpgradeRequired
     └ ArgumentRefused, ResultRefused  both also TypeError
    Suspended                          a BaseException, outside of the tree

An error carries its facts as attributes and survives pickling.
"""

from collections.abc import Iterable
from concurrent.futures import CancelledError

import math


class FuturesError(Exception):
    """Something is wrong with a future or with the call that asked for it."""


class FutureTimeout(FuturesError, TimeoutError):
    """A future did not settle in time. Answers 504 if no view catches it."""

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__(name, timeout)
        self.name = name  #: the future's name
        self.timeout = timeout  #: the limit that ran out, in seconds

    def __str__(self) -> str:
        return (
            f"{self.name} gave no result within {self.timeout:g} s. "
            "Raise timeout= where it is declared, or catch FutureTimeout and render "
            "without it."
        )


class HoldExpired(FuturesError, TimeoutError):
    """The response was held up to its deadline. Answers 504 if no view catches it."""

    def __init__(self, name: str, deadline: float) -> None:
        super().__init__(name, deadline)
        self.name = name  #: the future that has no result
        self.deadline = deadline  #: how long a response is held, in seconds

    def __str__(self) -> str:
        return (
            f"{self.name} has no result, and the response was held up to its deadline of "
            f"{self.deadline:g} s. Catch HoldExpired, or ask with "
            "result(default=...), and answer without the result."
        )


class StreamTimeout(FuturesError, TimeoutError):
    """A stream gave nothing for too long, or took too long in all. 504 before its first item."""

    def __init__(self, name: str, seconds: float, limit: str) -> None:
        super().__init__(name, seconds, limit)
        self.name = name  #: the stream's name
        self.seconds = seconds  #: what ran out
        #: ``timeout`` for all of it, ``between`` for the next item, ``deadline`` of the request
        self.limit = limit

    def __str__(self) -> str:
        if self.limit == "deadline":
            return (
                f"The stream {self.name} gave no item for {self.seconds:g} s, and its request is "
                "at its deadline. Wait for less before it, or raise deadline."
            )
        what = "gave no item for" if self.limit == "between" else "did not end within"
        return (
            f"The stream {self.name} {what} {self.seconds:g} s. Raise {self.limit}= where it is "
            "declared."
        )


class FutureCancelled(FuturesError, CancelledError):
    """The result of a cancelled future was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name  #: the future's name

    def __str__(self) -> str:
        return f"{self.name} was cancelled. Ask cancelled() before result()."


class TooManyPasses(FuturesError):
    """A request asked for new futures in every pass, up to the limit of passes."""

    def __init__(self, passes: int, names: Iterable[str]) -> None:
        names = tuple(names)
        super().__init__(passes, names)
        self.passes = passes  #: the limit that was reached
        #: futures that are new in the last passes, with the arguments that differ
        self.names = names

    def __str__(self) -> str:
        return (
            f"The request still asks for new futures after {self.passes} passes; "
            f"new in its last passes: {', '.join(self.names) or 'none'}. A future is "
            "recognized by its name and arguments: pass the same arguments in each pass "
            "(no time stamps, no random values), ask for independent futures together "
            "with gather, or raise max_passes."
        )


class AskedAfterCommit(FuturesError):
    """A pending future was asked for after the pass had been committed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name  #: the future that was asked for

    def __str__(self) -> str:
        return (
            f"{self.name} is pending and the transaction is committed: publishing the "
            "request again would do all of its work twice. Ask in the view or in a "
            "before-commit hook, not in IPubSuccess or an after-commit hook. A future that "
            "was submitted before the commit, with submit(), has its value there."
        )


class StandsForSuspension(FuturesError):
    """Where it leaves the pass that it was raised for, that suspends on all that is pending."""

    #: It was raised for a pass, and not by a future.
    is_of_pass = False


class ArgumentRefused(FuturesError, TypeError):
    """A future was submitted with something that is not plain data."""

    def __init__(self, name: str, argument: str, reason: str) -> None:
        super().__init__(name, argument, reason)
        self.name = name  #: the future's name
        self.argument = argument  #: where the value is, as ``text`` or ``items[2]``
        self.reason = reason  #: what the value is, and what to pass instead

    def __str__(self) -> str:
        return f"{self.name} cannot take {self.argument}: {self.reason}"


class ResultRefused(FuturesError, TypeError):
    """A future returned something that cannot be kept until the next pass."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name  #: the future's name
        self.reason = reason  #: what the result is, and what to return instead

    def __str__(self) -> str:
        return f"The result of {self.name} cannot be kept: {self.reason}"


class Unavailable(FuturesError):
    """Something that the view needs is unavailable. Answers 503 if no view catches it."""

    #: Seconds until the view may ask again.
    retry_after = 5.0

    @property
    def headers(self) -> dict[str, str]:
        """The headers that Zope sends with an error that no view catches."""
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class ExecutorBusy(Unavailable):
    """A future was not started: too many others wait for a thread or a process."""

    def __init__(self, name: str, executor: str, limit: int, queued: int) -> None:
        super().__init__(name, executor, limit, queued)
        self.name = name  #: the future's name
        self.executor = executor  #: ``threads`` or ``processes``
        self.limit = limit  #: how many futures run side by side
        self.queued = queued  #: how many futures may wait

    def __str__(self) -> str:
        return (
            f"{self.name} was not started: all {self.limit} {self.executor} for futures are "
            f"busy, and {self.queued} calls wait already. Catch ExecutorBusy and answer without "
            f"the result, or raise max_{self.executor} or max_queued."
        )


class HoldCancelled(Unavailable):
    """An operator cancelled the held response. Answers 503 if no view catches it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name  #: the future that has no result

    def __str__(self) -> str:
        return (
            f"{self.name} has no result: an operator cancelled the wait for it. Catch "
            "HoldCancelled, or ask with result(default=...), and answer without the result."
        )


class StreamBusy(Unavailable):
    """A stream is not begun: this worker holds and streams as many responses as it may."""

    def __init__(self, name: str, limit: str) -> None:
        super().__init__(name, limit)
        self.name = name  #: the stream's name
        self.limit = limit  #: the name of the setting that is reached

    def __str__(self) -> str:
        return (
            f"The stream {self.name} was not begun: {self.limit} responses are held or streamed "
            f"already. Catch StreamBusy and answer without it, or raise {self.limit}."
        )


class HandshakeRefused(FuturesError):
    """A view cannot accept a websocket. Answers with its status if no view catches it."""

    status = 500
    #: What the client reads, who need not know the name of a function.
    words = "The websocket is refused."

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name  #: the websocket's name


class UpgradeRequired(HandshakeRefused):
    """The request asks for a page, and not for a websocket. Answers 426."""

    status = 426
    words = "This address is for a websocket. Open it with ws:// or wss://."

    def __str__(self) -> str:
        return (
            f"The websocket {self.name} was asked for by plain HTTP. Open it as a websocket, with "
            "an address that begins with ws:// or wss://. If the client did, a proxy has dropped "
            "the headers Upgrade and Connection."
        )


class NoWebSockets(HandshakeRefused):
    """Websockets need a server that is a loop of asyncio. Answers 501."""

    status = 501
    words = "This server has no websockets."

    def __str__(self) -> str:
        return (
            f"The websocket {self.name} cannot be accepted: this server has no websockets. Run "
            "gunicorn with -k asgi -c python:collective.wsgifutures.gunicorn, or uvicorn with the "
            "package websockets."
        )


class OriginRefused(HandshakeRefused):
    """A page of another site asks for a websocket, with the cookies of its visitor. Answers 403."""

    status = 403
    words = "The websocket is refused to a page of another site."

    def __init__(self, name: str, public: str) -> None:
        super().__init__(name)
        self.args = name, public
        self.public = public  #: where the site is, for its visitors

    def __str__(self) -> str:
        return (
            f"The websocket {self.name} is refused to a page of another site than {self.public}. "
            "If that is not the address of the site, let the proxy rewrite it. To allow other "
            "sites, name them: accept(origins=...)."
        )


class ProcessEnded(FuturesError):
    """The process of a future ended before the future had an outcome."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(name, status)
        self.name = name  #: the future's name
        self.status = status  #: exit status of the process; the number of a signal is negative

    def __str__(self) -> str:
        how = f"by signal {-self.status}" if self.status < 0 else f"with status {self.status}"
        return (
            f"The process that ran {self.name} ended {how}. Look for the reason in the log of "
            "the system, which kills processes if memory runs out."
        )


class Suspended(BaseException):
    """Ends a pass because a result that the pass needs is pending.

    Control flow and not an error: no ``except Exception`` may stop it, nothing logs
    it, and code that catches it must raise it again. The pass records everything that
    matters before it raises, so a lost Suspended changes nothing.
    """

    def __init_subclass__(cls) -> None:
        # Chameleon re-raises a template's exception as a new class, made of the
        # exception's own class and of a subclass of Exception, which error handling would
        # swallow. After this TypeError Chameleon raises a plain copy.
        raise TypeError("Suspended cannot be subclassed")
