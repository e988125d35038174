"""What happens to workers and tokens, for audit logs: objects for ``zope.event``.

A subscriber is called in the transaction of what happened. After a conflict that happens again,
and so does the event. No event has a token or a key::

    <subscriber
        for="collective.wsgifutures.workers.events.WorkerApproved"
        handler=".audit.note"
        />
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerEvent:
    """Something happened to a worker."""

    site: str  #: the path of the site
    worker: str  #: the worker's id
    by: str  #: the id of the user who did it; empty if the worker did


@dataclass(frozen=True)
class WorkerIntroduced(WorkerEvent):
    """A worker asked to be approved."""

    name: str  #: what it calls itself


@dataclass(frozen=True)
class WorkerApproved(WorkerEvent):
    """A worker was approved, or got other queues."""

    queues: tuple[str, ...]


@dataclass(frozen=True)
class WorkerWithdrawn(WorkerEvent):
    """A worker may do nothing any more."""


@dataclass(frozen=True)
class WorkerForgotten(WorkerEvent):
    """Nothing is known of a worker any more. It may introduce itself again."""


@dataclass(frozen=True)
class KeyRotated:
    """Somebody let a new key sign the tokens of a site."""

    site: str  #: the path of the site
    by: str  #: the id of the user who did it
    ends_all: bool  #: whether all tokens before have ended


@dataclass(frozen=True)
class TokenIssued:
    """A token was given to somebody."""

    site: str  #: the path of the site
    grant: str  #: the type of the grant
    subject: str  #: whose token it is
    jti: str  #: the id of the token


@dataclass(frozen=True)
class TokenDenied:
    """Somebody asked for a token and got none, or brought one that is not good."""

    site: str  #: the path of the site
    grant: str  #: the type of the grant, ``introduction``, or ``bearer``: with a request
    subject: str  #: who that may have been; nothing has proved it
    reason: str
    address: str  #: of the client, as Zope knows it
