"""What goes wrong, and what a job's function raises on purpose.

::

    WorkerError
    +-- Retry          raised by a job's function: try again after a while
    +-- Hopeless       raised by a job's function: no attempt can succeed
    +-- KeyNotPrivate  the key's file can be read by others
    +-- OtherHost      a job's session was sent to an address that is not the site's
    +-- NotPlain       a result is not plain data, or an argument has an unknown type
    +-- Away           the site or the broker gives no answer now
    |   +-- Idle       the site has no job, and lets nobody wait for one
    +-- Refused        the site gave an answer, and it is no
"""


class WorkerError(Exception):
    """The root of this tree."""


class Retry(WorkerError):
    """Ends an attempt; the site tries again after a while.

    Args:
        after: Seconds until the next attempt, at the earliest.
        why: What people read as the attempt's error.
    """

    def __init__(self, after: float, why: str) -> None:
        super().__init__(after, why)
        self.after = after
        self.why = why

    def __str__(self) -> str:
        return self.why


class Hopeless(WorkerError):
    """Ends a job: no further attempt can succeed.

    Args:
        why: What people read as the job's error.
    """


class KeyNotPrivate(WorkerError):
    """The file of a key can be read by other users of this machine."""

    def __init__(self, path: str, mode: int) -> None:
        super().__init__(path, mode)
        self.path = path
        self.mode = mode

    def __str__(self) -> str:
        return (
            f"{self.path} has mode {self.mode:04o}, so other users may read this key. If nobody "
            f"has, run: chmod 600 {self.path}. Else make another key with wsgifutures-worker init."
        )


class OtherHost(WorkerError):
    """A job's session was sent elsewhere; the job's token stays at the site."""

    def __init__(self, host: str, site: str) -> None:
        super().__init__(host, site)
        self.host = host
        self.site = site

    def __str__(self) -> str:
        return (
            f"job.session only talks to {self.site}, and was sent to {self.host}. "
            "Use a session of your own for other services."
        )


class NotPlain(WorkerError, ValueError):
    """A value cannot be written as JSON, or what was read is none of ours; it says why."""


class Away(WorkerError):
    """Nobody answers now: no connection, an overload, a proxy without its server.

    ``retry_after`` is for how many seconds the other side wants to be left alone, if it said so.
    """

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why, retry_after)
        self.why = why
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.why


class Idle(Away):
    """The site has no job, and lets nobody wait for one: a wait would cost it a thread."""


class Refused(WorkerError):
    """The site's answer is no: ``status`` is that of HTTP, ``why`` what the site says."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why

    def __str__(self) -> str:
        return f"{self.status} {self.why}".strip()
