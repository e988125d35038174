"""What a token may: services, to read or to write, in a part of the site or in all of it.

What its bearer may is this, cut with what the user may now: Zope checks that, since the request is
the user's. As a text a scope is what OAuth has (RFC 6749, 3.3)::

    read: read:@search write:@workflow             content, the search, the workflow
    read: write: part:0f8fad5bd9cb469fa16570867728950e

``read:`` and ``write:`` alone are about the content itself: what plone.restapi answers at its
address. Whoever writes gets back what was written.
"""

from ..interfaces import _
from .errors import ScopeRefused
from .offered import find_offer
from .offered import Offer
from .offered import offers
from .offered import READ
from .offered import WRITE
from collections.abc import Iterable
from typing import NamedTuple
from typing import Protocol

import re

#: How many services one scope has at most: more than are offered.
MOST = 200

#: The longest text of a scope, in characters.
LONGEST = 8192

_PART = "part:"
_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UID_WANTED = _("The part of the site is named by the UID of its folder.")


class Asked(Protocol):
    """What is about to be published, as far as a scope has to know it."""

    @property
    def name(self) -> str:
        """Return as an offer: empty, ``@name`` or ``@@name``."""

    @property
    def method(self) -> str:
        """Return as ``GET``."""

    @property
    def shows_others(self) -> bool:
        """Tell whether the answer has what is elsewhere in the site."""

    @property
    def expands(self) -> tuple[str, ...]:
        """Return the names of services whose answers are to be part of this one, without ``@``."""

    def is_at_or_below(self, uid: str) -> bool:
        """Tell whether it is at, or in, the object of that UID; empty: in the site."""


class Scope(NamedTuple):
    """What a token may. Make one with ``make_scope`` or ``read_scope``: they check it."""

    services: tuple[str, ...]  #: ``read:`` or ``write:``, and the name of an offer
    part: str = ""  #: the UID of the object at or below which it is good; empty: the whole site

    @property
    def text(self) -> str:
        """The scope as OAuth writes it."""
        return " ".join((*self.services, *([f"{_PART}{self.part}"] if self.part else [])))

    def has(self, verb: str, name: str) -> bool:
        """Tell whether it has a service, to ``READ`` or to ``WRITE``."""
        return f"{verb}:{name}" in self.services

    def allows(self, asked: Asked) -> bool:
        """Tell whether a token with this scope is good for what is asked."""
        found = find_offer(asked.name)
        if found is None or not self._has_method(found, asked.method):
            return False
        if not all(self._may_expand(name) for name in asked.expands):
            return False
        return not self.part or (
            found.is_local and not asked.shows_others and asked.is_at_or_below(self.part)
        )

    def _has_method(self, found: Offer, method: str) -> bool:
        verbs = (verb for verb in (READ, WRITE) if method in found.methods(verb))
        return any(self.has(verb, found.name) for verb in verbs)

    def _may_expand(self, name: str) -> bool:
        """Tell whether the answer of a service may be a part of another answer."""
        found = find_offer(f"@{name}")
        return found is not None and self._has_method(found, "GET")


def make_scope(services: Iterable[str], part: str = "") -> Scope:
    """Return a scope with these services, each once.

    Args:
        services: ``read:`` or ``write:``, and the name of an offer.
        part: The UID of an object. Whether there is one, is for the caller to look up.

    Raises:
        ScopeRefused: One is not offered, or not for a part of the site; or there are none.
    """
    wanted = sorted(set(services))
    if not 1 <= len(wanted) <= MOST:
        raise ScopeRefused("scope", _("Choose what the token may do."))
    for service in wanted:
        _check(service, part)
    if part and not _UID.fullmatch(part):
        raise ScopeRefused("part", _UID_WANTED)
    return Scope(tuple(wanted), part)


def read_scope(text: str) -> Scope:
    """Return the scope that *text* has, in whatever order.

    Raises:
        ScopeRefused: As with ``make_scope``; or it has two parts, one without a UID, or is too
            long.
    """
    words = text.split() if len(text) <= LONGEST else []
    parts = [word.removeprefix(_PART) for word in words if word.startswith(_PART)]
    if len(parts) > 1:
        raise ScopeRefused("part", _("A token is for one part of the site, or for all of it."))
    if "" in parts:  # whoever wrote that means a part, and not all
        raise ScopeRefused("part", _UID_WANTED)
    services = (word for word in words if not word.startswith(_PART))
    return make_scope(services, *parts)


def whole_scope() -> Scope:
    """Return the scope of all that is offered, in the whole site."""
    verbs = (READ, WRITE)
    return make_scope(f"{verb}:{o.name}" for o in offers() for verb in verbs if o.methods(verb))


def _check(service: str, part: str) -> None:
    verb, colon, name = service.partition(":")
    found = find_offer(name) if colon and verb in (READ, WRITE) else None
    if found is None or not found.methods(verb):
        known = {"service": service[:100]}
        raise ScopeRefused("scope", _("${service} is not offered to tokens.", mapping=known))
    if part and not found.is_local:
        raise ScopeRefused(
            "part",
            _(
                "${service} shows what is elsewhere, too: it needs the whole site.",
                mapping={"service": service},
            ),
        )
