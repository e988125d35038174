"""What happens to the tokens of people, for audit logs: objects for ``zope.event``.

A subscriber is called in the transaction of what happened. If that is published again, after a
conflict or a wait, so is the event; and if the request fails, its transaction is aborted, though
there was the event. No event has a token. ::

    <subscriber
        for="collective.wsgifutures.tokens.events.AppTokenUsed"
        handler=".audit.note"
        />
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class AppTokenEvent:
    """Something happened to an application token."""

    site: str  #: the path of the site
    token: str  #: the public id of the token
    user: str  #: the id of the user whose token it is


@dataclass(frozen=True)
class AppTokenMade(AppTokenEvent):
    """Somebody has made a token."""

    by: str  #: the id of the user who did it
    name: str  #: what it is for
    scope: str  #: what it may, as OAuth writes it
    ends: float  #: in seconds since the epoch


@dataclass(frozen=True)
class AppTokenRevoked(AppTokenEvent):
    """Somebody has ended a token."""

    by: str  #: the id of the user who did it


@dataclass(frozen=True)
class AppTokenUsed(AppTokenEvent):
    """A token was used from an address that it was not used from lately."""

    address: str  #: of the client, as Zope knows it


@dataclass(frozen=True)
class AppTokenRefused(AppTokenEvent):
    """Somebody came with what has the form of a token, and is not good: at most once a minute.

    *token* and *user* are empty if the site does not know it.
    """

    reason: str
    address: str  #: of the client, as Zope knows it
