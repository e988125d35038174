"""``@login`` with ``"refresh": true``: a refresh token in place of a session of plone.restapi.

::

    POST @login   {"login": "jane", "password": "…", "refresh": true,
                   "scope": "read: read:@search", "name": "Jane's phone"}

``scope`` and ``name`` may be left out: all that is offered to tokens, and no name. Whatever else
would answer at ``@login`` (plone.restapi, an add-on that asks for a second factor) decides whether
somebody is logged in. Without ``refresh`` its answer is the answer. With it, the session that it
gives stays here: its token and its cookies are dropped, since they are good for more.
"""

from ..interfaces import IWSGIFuturesLayer
from ..jobs.origin import Origin
from ..jobs.origin import take_origin
from ..keys.addresses import note_address
from ..keys.places import place_of
from ..tokens import sessions
from ..tokens.acts import check_name
from ..tokens.errors import WishRefused
from ..tokens.scope import read_scope
from ..tokens.scope import Scope
from ..tokens.scope import whole_scope
from ..workers.events import TokenIssued
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.deserializer import json_body
from plone.restapi.exceptions import DeserializationError
from plone.restapi.services.auth.login import Login as RestapiLogin
from Products.PluggableAuthService.interfaces.plugins import IAuthenticationPlugin
from typing import Any
from zope.component import getSiteManager
from zope.event import notify
from zope.i18n import translate
from zope.interface import alsoProvides
from zope.interface import directlyProvidedBy
from zope.interface import implementedBy
from zope.interface import Interface
from zope.interface import providedBy
from zope.interface.declarations import Declaration

import time

#: What plone.restapi looks for in a user folder.
PLUGIN = "JWT Authentication Plugin"


class Login(RestapiLogin):  # type: ignore[misc]
    """Logs in as whatever else is at ``@login`` does, and starts a family of refresh tokens."""

    def reply(self) -> Any:
        """Return the answer of the other service, or tokens of ours."""
        body = self._body()
        if body.get("refresh") is not True:
            return self._other().reply()
        try:
            scope, name = _read_wish(body)
        except WishRefused as refused:
            return self._refuse(400, "BadRequest", self._say(refused))
        answer = self._log_in()
        is_in = isinstance(answer, dict) and isinstance(answer.get("token"), str)
        return self._start(body["login"], answer["token"], scope, name) if is_in else answer

    def _body(self) -> dict[str, Any]:
        """Return what the client has sent; nothing if the other service is to refuse it."""
        try:
            return dict(json_body(self.request))
        except DeserializationError:
            return {}

    def _log_in(self) -> Any:
        """Return the answer of the other service, without the cookies that it has set."""
        response = self.request.response
        before = {name: dict(cookie) for name, cookie in response.cookies.items()}
        try:
            return self._other().reply()
        finally:
            response.cookies = before

    def _other(self) -> Any:
        """Return what would be published here without us."""
        layers = directlyProvidedBy(self.request) - IWSGIFuturesLayer
        request = Declaration(layers, implementedBy(type(self.request)))
        required = (providedBy(self.context), request)
        factory = getSiteManager().adapters.lookup(required, Interface, self.__name__)
        other = factory(self.context, self.request)
        other.check_permission()
        return other

    def _start(self, login: Any, token: str, scope: Scope, name: str) -> dict[str, Any]:
        """Answer with tokens of ours, if *token* of plone.restapi says that the user is in."""
        owner = self._owner(login, token)
        if owner is None:
            words = "The token of plone.restapi is of nobody who has a refresh token."
            return self._refuse(501, "Login failed", words)
        alsoProvides(self.request, IDisableCSRFProtection)  # no cookie says who asks
        place, now = place_of(api.portal.get()), time.time()
        family, secret = sessions.start(place, owner, scope, name, now)
        jti, answer = sessions.describe(place, family, secret, now)
        note_address(place, api.portal.get().absolute_url(), now)
        notify(TokenIssued(place.path, "login", family.user, jti))
        self.request.response.setHeader("Cache-Control", "no-store")
        self.request.response.setHeader("Pragma", "no-cache")
        return answer

    def _owner(self, login: Any, token: str) -> Origin | None:
        """Return whose token of plone.restapi that is, which is good for nothing then."""
        folder = self._find_userfolder(login)
        plugins = () if folder is None else folder.plugins.listPlugins(IAuthenticationPlugin)
        plugin = next((each for _, each in plugins if each.meta_type == PLUGIN), None)
        if plugin is None:
            return None
        found = plugin.authenticateCredentials({"extractor": plugin.getId(), "token": token})
        if plugin.store_tokens:
            plugin.delete_token(token)
        user = folder.getUserById(found[0]) if found else None
        return None if user is None else take_origin(None, user)

    def _refuse(self, status: int, kind: str, message: str) -> dict[str, Any]:
        """Answer with an error, as plone.restapi's own service does."""
        self.request.response.setStatus(status)
        return {"error": {"type": kind, "message": message}}

    def _say(self, refused: WishRefused) -> str:
        return str(translate(refused.message, context=self.request))


def _read_wish(body: dict[str, Any]) -> tuple[Scope, str]:
    """Return the scope and the name that a client wants.

    Raises:
        WishRefused: One is not possible.
    """
    scope, name = body.get("scope"), body.get("name")
    checked = check_name(name) if name is not None else ""
    return whole_scope() if scope is None else read_scope(str(scope)), checked
