"""What a token of a person may be made for: services and views of content, offered by name.

Nothing else can be in a scope. So a service that an add-on registers is closed to tokens until
somebody offers it, in the code of the add-on::

    from collective.wsgifutures.tokens.offered import offer

    offer("@orders", read=("GET",), write=("POST",), title=_("Orders"))

What makes sessions, tokens, users or rights, or is about settings or the system, cannot be offered:
with it a token could be exchanged for more than it was made for.
"""

from ..interfaces import _
from ..kernel.errors import FuturesError
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import re

READ = "read"
WRITE = "write"

#: The name of the content's own service.
OWN = ""

#: The services that are never offered.
NEVER = frozenset(
    {
        # sessions, tokens, passwords
        *("@login", "@login-renew", "@logout", "@token", "@token-revoke", "@tokens", "@jwks"),
        "@service-accounts",
        # users, groups, rights
        *("@users", "@groups", "@principals", "@roles", "@sharing", "@userschema"),
        # settings and the system
        *("@controlpanels", "@registry", "@addons", "@upgrade", "@database", "@system"),
        *("@content-rules", "@transactions", "@export", "@import", "@sites"),
        # e-mail in the name of the site
        *("@email-send", "@email-notification"),
        # what runs with other rights
        *("@jobs", "@workers", "@clock", "@futures"),
    }
)

#: The services that are only offered for reading.
NEVER_WRITTEN = frozenset({"@types", "@portrait"})

_NAME = re.compile(r"(?:@{1,2}[A-Za-z0-9][A-Za-z0-9_.+-]*)?")
_METHOD = re.compile(r"[A-Z]{3,}")  # so a text in place of a tuple is a mistake
_PARTS_OF_SETUP = re.compile(
    r"@@(?:.*controlpanel.*|.*-setup|.*sharing.*|.*login.*|.*passw.*|personal-.*"
    r"|wsgifutures-.*|futures-.*)"
)


class OfferRefused(FuturesError, ValueError):
    """A service cannot be offered to tokens."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name!r} cannot be offered to tokens: {self.reason}"


class Offer(NamedTuple):
    """A service or a view that a token may be made for."""

    name: str  #: ``OWN``, ``@name`` of a service, ``@@name`` of a view
    title: Any  #: for people
    read: frozenset[str]  #: the methods that read
    write: frozenset[str]  #: the methods that write
    is_local: bool  #: whether it is about nothing but what is at or below its content

    def methods(self, verb: str) -> frozenset[str]:
        """Return the methods of ``READ`` or ``WRITE``."""
        return self.read if verb == READ else self.write


_offers: dict[str, Offer] = {}


def offer(
    name: str,
    *,
    read: Iterable[str] = (),
    write: Iterable[str] = (),
    title: Any,
    is_local: bool = False,
) -> None:
    """Let tokens be made for a service or a view; again, to offer it in another way.

    Call it when the code is imported. A token may then do what its user may do there, and no more.

    Args:
        name: ``@name`` of a service of plone.rest, ``@@name`` of a view.
        read: The methods of HTTP that only read, as ``("GET",)``.
        write: Those that change something.
        title: What it is, for people: a message that can be translated.
        is_local: Whether it shows and changes nothing but what is at or below the content that it
            is asked at. Else a token for a part of the site is not good there.

    Raises:
        OfferRefused: It is no name of a service or a view, has no method, or is never offered.
    """
    made = Offer(name, title, frozenset(read), frozenset(write), is_local)
    _check(made)
    _offers[name] = made


def _check(made: Offer) -> None:
    name, methods = made.name, made.read | made.write
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OfferRefused(name, "the name of a service is like @name, that of a view like @@name.")
    if not methods or not all(map(_METHOD.fullmatch, methods)):
        raise OfferRefused(name, "read= and write= have the methods of HTTP, as ('GET',).")
    if made.read & made.write:
        raise OfferRefused(name, "a method either reads or writes.")
    if name.lower() in NEVER or _PARTS_OF_SETUP.fullmatch(name.lower()):
        raise OfferRefused(name, "it gives rights or sessions, or is about settings.")
    if name.lower() in NEVER_WRITTEN and made.write:
        raise OfferRefused(name, "it may only be read.")


def find_offer(name: str) -> Offer | None:
    """Return what is offered under *name*; None: nothing is."""
    return _offers.get(name)


def offers() -> list[Offer]:
    """Return all that is offered: the content's own service first, the others by their names."""
    return [_offers[name] for name in sorted(_offers)]


def withdraw_offer(name: str) -> None:
    """Offer a service no more: tokens that were made for it are not good there any longer."""
    _offers.pop(name, None)


_CHANGES = ("POST", "PATCH", "DELETE")

offer(OWN, read=("GET",), write=("PUT", *_CHANGES), title=_("Content"), is_local=True)
offer("@@images", read=("GET", "HEAD"), title=_("Images in all sizes"), is_local=True)
offer("@@download", read=("GET", "HEAD"), title=_("Files to download"), is_local=True)
offer("@@display-file", read=("GET", "HEAD"), title=_("Files to show"), is_local=True)
offer("@tus-upload", write=("POST", "PATCH", "HEAD"), title=_("Uploads"), is_local=True)
offer("@tus-replace", write=("POST",), title=_("Uploads in place of a file"), is_local=True)
offer("@history", read=("GET",), write=("PATCH",), title=_("History"), is_local=True)
offer("@workflow", read=("GET",), write=("POST",), title=_("Workflow"), is_local=True)
offer("@lock", read=("GET",), write=_CHANGES, title=_("Locks"), is_local=True)
offer("@comments", read=("GET",), write=_CHANGES, title=_("Comments"), is_local=True)
offer("@search", read=("GET",), title=_("Search"))
offer("@querystring-search", read=("GET", "POST"), title=_("Search by criteria"))
offer("@navigation", read=("GET",), title=_("Navigation"))
offer("@contextnavigation", read=("GET",), title=_("Navigation of a section"))
offer("@navroot", read=("GET",), title=_("Root of the navigation"))
offer("@breadcrumbs", read=("GET",), title=_("Breadcrumbs"))
offer("@site", read=("GET",), title=_("Title, logo and languages of the site"))
offer("@types", read=("GET",), title=_("Content types"))
offer("@copy", write=("POST",), title=_("Copy content"))
offer("@move", write=("POST",), title=_("Move content"))
offer("@workingcopy", read=("GET",), write=_CHANGES, title=_("Working copies"))
offer("@aliases", read=("GET",), write=("POST", "DELETE"), title=_("Alternative URLs"))
offer("@relations", read=("GET",), title=_("Relations"))
offer("@linkintegrity", read=("GET",), title=_("Links that would break"))
offer("@translations", read=("GET",), write=("POST", "DELETE"), title=_("Translations"))
