"""Logins with refresh tokens, in a real site, and requests with what they give."""

from apptokens import Tokens
from bearers import PASSWORD
from plone.restapi.pas.plugin import JWTAuthenticationPlugin
from Products.PluggableAuthService.interfaces import plugins
from urllib.parse import urlencode

import json
import transaction

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Logins(Tokens):
    """Logs users in, and renews what they get.

    There is ``jane``, who logs in as ``jane@example.com``, and ``boss`` of Zope's root. Both are
    Managers, and both folders have plone.restapi's plugin.
    """

    def __init__(self, site):
        super().__init__(site)
        portal, root = site.portal, site.portal.aq_parent
        portal.acl_users.source_users.addUser("jane", "jane@example.com", PASSWORD)
        portal.acl_users.portal_role_manager.assignRoleToPrincipal("Manager", "jane")
        root.acl_users.userFolderAddUser("boss", PASSWORD, ["Manager"], [])
        for holder in (portal, root):
            _add_plugin(holder.acl_users)
        root.acl_users.jwt_auth.use_keyring = False  # as plone.restapi installs it
        transaction.commit()

    def log_in(self, login="jane@example.com", password=PASSWORD, **more):
        """Ask ``@login``, for a refresh token if nothing else is said."""
        wish = {"login": login, "password": password, "refresh": True, **more}
        body = json.dumps({name: value for name, value in wish.items() if value is not None})
        return self.ask("@login", None, "POST", body=body.encode(), kind=JSON)

    def start(self, **more):
        """Return what a login gives."""
        answer = self.log_in(**more)
        assert answer.status == 200, answer.body
        return answer.json

    def token(self, accept=JSON, kind=FORM, **form):
        """Ask ``@token``."""
        body = json.dumps(form) if kind == JSON else urlencode(form)
        return self.ask("@token", None, "POST", accept, body=body.encode(), kind=kind)

    def renew(self, secret, **more):
        return self.token(grant_type="refresh_token", refresh_token=secret, **more)

    def revoke(self, token, kind=FORM, **form):
        body = urlencode({"token": token, **form}).encode()
        return self.ask("@token-revoke", None, "POST", body=body, kind=kind)

    def told(self):
        """Return the names of the events, and forget them."""
        names = [type(event).__name__ for event in self.events]
        self.events.clear()
        return names


def _add_plugin(folder):
    if "jwt_auth" not in folder.objectIds():
        folder._setObject("jwt_auth", JWTAuthenticationPlugin("jwt_auth"))
    for kind in ("IExtractionPlugin", "IAuthenticationPlugin"):
        if "jwt_auth" not in folder.plugins.listPluginIds(getattr(plugins, kind)):
            folder.plugins.activatePlugin(getattr(plugins, kind), "jwt_auth")
