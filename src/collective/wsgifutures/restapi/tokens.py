"""``@tokens``: the application tokens of whoever asks; for administrators those of all.

::

    GET    @tokens                 one's own, the newest first
    GET    @tokens?all=1           for administrators: of all users; also &user=<id>, &state=<state>
    GET    @tokens/<id>
    GET    @tokens/offers          what a token can be made for
    POST   @tokens                 {"name": "Export", "scope": "read: read:@search",
                                   "ends": "2027-03-01"}; the answer has the token itself, once
    DELETE @tokens/<id>            revokes it: it is good for nothing from now on

``scope`` has a ``part:`` and the UID of a folder for a token that is good for a part of the site.
Administrators name another user with ``user``. A token of ours is nobody here, so none makes
another one. A POST has to say that it sends JSON: no page of another site lets a browser do that.
"""

from ..browser.times import iso
from ..jobs.errors import UserGone
from ..jobs.origin import Origin
from ..tokens import acts
from ..tokens.errors import WishRefused
from ..tokens.offered import offers
from ..tokens.offered import READ
from ..tokens.offered import WRITE
from ..tokens.owners import current_user
from ..tokens.owners import MANAGE
from ..tokens.owners import name_owner
from ..tokens.records import AppToken
from ..tokens.records import Granted
from ..tokens.scope import read_scope
from .bodies import BodyRefused
from .services import PathService
from datetime import date
from datetime import datetime
from datetime import time
from datetime import UTC
from plone import api
from typing import Any


class TokensService(PathService):
    """What the services have in common."""

    own_name = "@tokens"

    @property
    def site(self) -> Any:
        """The site."""
        return api.portal.get()

    @property
    def me(self) -> Origin:
        """Who asks."""
        return current_user()

    @property
    def is_manager(self) -> bool:
        """Tell whether whoever asks may see and end the tokens of others."""
        return bool(api.user.has_permission(MANAGE, obj=self.site))

    def find_token(self) -> AppToken:
        """Return the token that the address names, if it is one's own, or one manages all.

        Raises:
            NotFound: There is none for whoever asks.
        """
        found = acts.find(self.site, self.names[0]) if len(self.names) == 1 else None
        me = self.me
        if found is None or not (
            self.is_manager or (found.folder, found.user) == (me.folder, me.user)
        ):
            raise self.not_found()
        return found

    def describe(self, token: Granted) -> dict[str, Any]:
        """Return a token, or a service account, as JSON has it."""
        return {
            "@id": f"{self.site.absolute_url()}/{self.own_name}/{token.id}",
            "id": token.id,
            "name": token.name,
            "user": token.user,
            "scope": token.scope.text,
            "state": acts.state_of(self.site, token).value,
            "made": iso(token.made),
            "made_by": token.made_by,
            "ends": iso(token.ends),
            "revoked": None if token.revoked is None else iso(token.revoked),
            "used": None if token.used is None else iso(token.used)[:10],
            "used_from": token.used_from or None,
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """Answer with an error, as plone.restapi does."""
        self.request.response.setStatus(status)
        kind = {400: "BadRequest", 401: "Unauthorized"}[status]
        return {"type": kind, "message": message}


class Get(TokensService):
    """Returns one token, a list, or what can be asked for."""

    def reply(self) -> dict[str, Any]:
        """Return what the address names.

        Raises:
            NotFound: There is no such token for whoever asks.
        """
        if self.names == ["offers"]:
            return {"items": [self._describe_offer(offer) for offer in offers()]}
        if self.names:
            return self.describe(self.find_token())
        form, me = self.request.form, self.me
        if form.get("all"):
            if not self.is_manager:
                return self.refuse(401, f"You need the permission “{MANAGE}”.")
            tokens = acts.all_of(self.site)
        else:
            tokens = acts.of_user(self.site, me.folder, str(me.user))
        items = [self.describe(token) for token in tokens]
        wanted = {name: form[name] for name in ("user", "state") if name in form}
        items = [each for each in items if wanted.items() <= each.items()]
        url = f"{self.site.absolute_url()}/@tokens"
        return {"@id": url, "items": items, "items_total": len(items)}

    def _describe_offer(self, offer: Any) -> dict[str, Any]:
        return {
            "name": offer.name,
            "title": self.translate(offer.title),
            READ: f"{READ}:{offer.name}" if offer.read else None,
            WRITE: f"{WRITE}:{offer.name}" if offer.write else None,
            "whole_site": not offer.is_local,
        }


class Post(TokensService):
    """Makes a token."""

    def reply(self) -> dict[str, Any]:
        """Return the token, with what it is known by; 400 with the reason if there is none.

        Raises:
            NotFound: The address is not that of all tokens.
        """
        if self.names:
            raise self.not_found()
        try:
            body = self.read_body()
            owner = self._owner(body.get("user"))
            scope = read_scope(read_text(body, "scope"))
            ends = read_end(read_text(body, "ends"))
            by = str(self.me.user)
            token, secret = acts.make(self.site, owner, body.get("name", ""), scope, ends, by)
        except (BodyRefused, WishRefused, _NotAllowed) as error:
            status = 401 if isinstance(error, _NotAllowed) else 400
            return self.refuse(status, self._say(error))
        self.request.response.setStatus(201)
        return {**self.describe(token), "token": secret}

    def _owner(self, user: Any) -> Origin:
        me = self.me
        if user in (None, me.user):
            return me
        if not self.is_manager:
            raise _NotAllowed(f"To make a token for another user, you need “{MANAGE}”.")
        try:
            return name_owner(me, str(user))
        except UserGone:
            raise BodyRefused(f"There is no user {str(user)[:100]!r}.") from None

    def _say(self, error: Exception) -> str:
        return self.translate(error.message) if isinstance(error, WishRefused) else str(error)


class Delete(TokensService):
    """Revokes a token."""

    def reply(self) -> dict[str, Any]:
        """Return the token as it is then.

        Raises:
            NotFound: There is no such token for whoever asks.
        """
        token = self.find_token()
        self.let_write()
        acts.revoke(self.site, token, str(self.me.user))
        return self.describe(token)


class _NotAllowed(Exception):
    pass


def read_text(body: dict[str, Any], name: str) -> str:
    """Return a text of a body.

    Raises:
        BodyRefused: It is none.
    """
    value = body.get(name)
    if not isinstance(value, str):
        raise BodyRefused(f"{name} is not a text.")
    return value


def read_end(text: str) -> float:
    """Return when a token ends: a moment, or the end of a day in UTC.

    Raises:
        BodyRefused: It is neither.
    """
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time.max, UTC).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise BodyRefused(f"ends is no date, as 2027-03-01: {text[:40]!r}.") from None
