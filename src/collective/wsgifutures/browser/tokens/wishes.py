"""What a form says of a token that somebody wants, and what is wrong with it.

What was typed is kept as it was, so that a form that is refused loses nothing. All that is wrong
is said at once, each at its field.
"""

from ...interfaces import _
from ...jobs.origin import Origin
from ...keys.once import use_once
from ...keys.places import place_of
from ...tokens import acts
from ...tokens.errors import WishRefused
from ...tokens.offered import find_offer
from ...tokens.offered import OWN
from ...tokens.offered import READ
from ...tokens.records import AppToken
from ...tokens.records import DAY
from ...tokens.scope import make_scope
from ...tokens.scope import Scope
from ..views import asked
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from plone import api
from typing import Any
from typing import TypeVar
from urllib.parse import unquote
from urllib.parse import urlsplit
from zope.i18n import translate

import secrets

T = TypeVar("T")

#: How many days a new token is good, unless somebody says another day; and at most.
USUAL_DAYS = 90
MOST_DAYS = 365

AGAIN = _(
    "This form was sent before, and a token was made of it: it is in the list. Its secret was "
    "shown then. If you do not have it, revoke that token and make another one."
)


@dataclass
class Wish:
    """What a form says, as it was typed."""

    name: str = ""
    services: tuple[str, ...] = (f"{READ}:{OWN}",)
    part: str = ""  #: an address, or a path in the site; empty: the whole site
    ends: str = field(default_factory=lambda: str(date.today() + timedelta(USUAL_DAYS)))
    user: str = ""  #: whose token it is to be, if that can be chosen
    form_id: str = ""  #: each form is good once
    errors: dict[str, Any] = field(default_factory=dict)  #: what is wrong, by its field

    def take(self, read: Callable[[], T]) -> T | None:
        """Return what *read* makes of a field; None if it is refused: that is kept."""
        try:
            return read()
        except WishRefused as refused:
            self.errors[refused.field] = refused.message
            return None


def read_wish(request: Any) -> Wish:
    """Return what the form of *request* says."""
    services = request.form.get("services")
    services = services if isinstance(services, list) else []
    return Wish(
        name=asked(request, "name"),
        services=tuple(each for each in services if isinstance(each, str)),
        part=asked(request, "part"),
        ends=asked(request, "ends"),
        user=asked(request, "user"),
        form_id=asked(request, "form_id"),
    )


def new_form_id() -> str:
    """Return what marks one form."""
    return secrets.token_urlsafe(16)


def fulfil(
    site: Any, wish: Wish, find_owner: Callable[[], Origin], by: str, now: float
) -> tuple[AppToken, str] | None:
    """Make the token; return it and its secret. None if there is none: the wish says why.

    Args:
        site: The site.
        wish: What is wanted.
        find_owner: Returns whose token it is to be, or raises ``WishRefused``.
        by: The id of the user who makes it.
        now: In seconds since the epoch.
    """
    owner = wish.take(find_owner)
    name = wish.take(lambda: acts.check_name(wish.name))
    scope = wish.take(lambda: _read_scope(site, wish))
    ends = wish.take(lambda: acts.check_ends(_read_end(wish.ends), now))
    if owner is None or name is None or scope is None or ends is None:
        return None
    if not use_once(place_of(site), f"tokens form {wish.form_id}", now + DAY, now):
        wish.errors["form"] = AGAIN
        return None
    return wish.take(lambda: acts.make(site, owner, name, scope, ends, by, now))


def _read_end(text: str) -> float:
    """Return the end of a day, where the server is."""
    try:
        return datetime.combine(date.fromisoformat(text), time.max).timestamp()
    except (ValueError, OverflowError):
        words = _("Choose the last day on which the token is good, as 2027-03-01.")
        raise WishRefused("ends", words) from None


def _read_scope(site: Any, wish: Wish) -> Scope:
    scope = make_scope(wish.services)
    part = _find_part(site, wish.part.strip())
    if part:
        _check_are_local(scope)
    return make_scope(scope.services, part)


def _check_are_local(scope: Scope) -> None:
    offers = (find_offer(service.partition(":")[2]) for service in scope.services)
    titles = {
        translate(each.title, context=api.portal.get().REQUEST)
        for each in offers
        if each is not None and not each.is_local
    }
    if titles:
        words = _(
            "These show what is elsewhere in the site, too: ${titles}. Do not choose them, or "
            "leave this empty.",
            mapping={"titles": ", ".join(sorted(titles))},
        )
        raise WishRefused("part", words)


def _find_part(site: Any, text: str) -> str:
    """Return the UID of the folder that *text* names; empty: it names the whole site."""
    url = str(site.absolute_url())
    is_address = text == url or text.startswith(f"{url}/")
    path = _read_path(text.removeprefix(url) if is_address else text)
    if not path and (is_address or text in ("", "/")):
        return ""
    full = "/".join((*site.getPhysicalPath(), path))
    found = api.content.find(path={"query": full, "depth": 0}, show_inactive=True)
    if not found or "://" in text.removeprefix(url if is_address else ""):
        words = _(
            "There is nothing that you may see. Give the address of a folder of this site, or "
            "its path, as /news."
        )
        raise WishRefused("part", words)
    return str(found[0].UID)


def _read_path(text: str) -> str:
    """Return the path of an address, or a path; empty: it has none, or is neither."""
    try:
        return unquote(urlsplit(text).path).strip("/")
    except ValueError:  # as http://[
        return ""
