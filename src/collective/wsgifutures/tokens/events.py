"""What happens to tokens, logins and service accounts, for audit logs: for ``zope.event``.

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


@dataclass(frozen=True)
class SessionEvent:
    """Something happened to a login that is renewed with refresh tokens."""

    site: str  #: the path of the site
    family: str  #: the public id of the family of refresh tokens
    user: str  #: the id of the user who logged in


@dataclass(frozen=True)
class SessionStarted(SessionEvent):
    """A user logged in, and got a refresh token."""

    name: str  #: what it is for, in the words of the client
    scope: str  #: what its access tokens may, as OAuth writes it


@dataclass(frozen=True)
class SessionReused(SessionEvent):
    """Somebody came with an earlier refresh token: two parties have had it. The family ended."""

    address: str  #: of the client, as Zope knows it


@dataclass(frozen=True)
class SessionEnded(SessionEvent):
    """A family of refresh tokens was ended by its client, or because its user is gone."""

    reason: str


@dataclass(frozen=True)
class AccountEvent:
    """Something happened to a service account."""

    site: str  #: the path of the site
    account: str  #: the id of the account: the thumbprint of its public key
    user: str  #: the id of the user whom it acts as
    by: str  #: the id of the administrator who did it


@dataclass(frozen=True)
class AccountRegistered(AccountEvent):
    """An administrator registered a key."""

    name: str  #: what it is for
    scope: str  #: what it may, as OAuth writes it
    ends: float  #: in seconds since the epoch


@dataclass(frozen=True)
class AccountRevoked(AccountEvent):
    """An administrator ended a service account."""
