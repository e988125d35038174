"""The PAS plugin that lets the bearer of a token of ours in, where the token is good.

Everywhere else the token is nobody, and the request is an anonymous one: so it cannot be exchanged
for a session (``@login-renew`` asks no more than "not anonymous"), by no service that somebody may
add. Other tokens, plone.restapi's among them, are not looked at.

Zope asks when it knows what it is about to publish. All is decided where credentials are extracted,
since PAS may cache whom credentials belong to, and what is published is no part of these. There
is one plugin in the site's user folder and one in Zope's root; each answers for its own users, who
have to be there. No cookie is set.
"""

from ..keys.opaque import APPLICATION
from ..keys.opaque import is_secret
from ..keys.places import place_of
from ..keys.tokens import find_token
from ..keys.tokens import LARGEST
from ..keys.tokens import TokenRefused
from ..keys.tokens import verify
from ..tokens.refusals import Reason
from ..workers.access import find_login
from .answers import confine
from .applications import read_application
from .bearer import Bearer
from .borders import keep_in
from .kinds import KINDS
from .published import find_published
from .published import Published
from AccessControl.class_init import InitializeClass
from AccessControl.SecurityInfo import ClassSecurityInfo
from Acquisition import aq_inner
from Acquisition import aq_parent
from base64 import urlsafe_b64decode
from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from plone.protect.interfaces import IDisableCSRFProtection
from Products.PluggableAuthService.interfaces.plugins import IAuthenticationPlugin
from Products.PluggableAuthService.interfaces.plugins import IExtractionPlugin
from Products.PluggableAuthService.plugins.BasePlugin import BasePlugin
from typing import Any
from typing import NamedTuple
from zope.interface import alsoProvides
from zope.interface import implementer

import time

#: The id of the plugin in a user folder.
ID = "wsgifutures_tokens"

#: What a request has, if it is a bearer's, to be called before it is committed.
_USED = "_wsgifutures_used"


class Admitted(NamedTuple):
    """The user of a request, as decided. Nobody outside can put that into credentials."""

    id: str
    name: str  #: for the login


@implementer(IExtractionPlugin, IAuthenticationPlugin)
class TokenPlugin(BasePlugin):  # type: ignore[misc]
    """Reads our tokens from ``Authorization: Bearer``."""

    meta_type = "Plugin for tokens of collective.wsgifutures"
    security = ClassSecurityInfo()

    def __init__(self, id: str = ID, title: str = "Tokens of workers elsewhere") -> None:
        self._setId(id)
        self.title = title

    @security.private  # type: ignore[untyped-decorator]
    def extractCredentials(self, request: Any) -> dict[str, Any]:
        """Return who the bearer of the token is here; nothing: nobody, or not a token of ours."""
        reader = _find_reader(find_token(request) or "")
        published = find_published(request) if reader is not None else None
        if reader is None or published is None:
            return {}
        bearer = reader(published, self._find_holder())
        login = None if bearer is None else self._find_login(bearer, published)
        if bearer is None or login is None:
            return {}
        confine(request, published, bearer.within)
        keep_in(request, published.site)
        alsoProvides(request, IDisableCSRFProtection)  # no other site can make a browser send it
        vars(request)[_USED] = bearer.used
        return {"admitted": Admitted(str(bearer.origin.user), login)}

    @security.private  # type: ignore[untyped-decorator]
    def authenticateCredentials(self, credentials: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the id and name of the user that ``extractCredentials`` found."""
        admitted = credentials.get("admitted")
        if credentials.get("extractor") != self.getId() or not isinstance(admitted, Admitted):
            return None
        return admitted.id, admitted.name

    def _find_holder(self) -> str:
        """The path of what has the user folder; that of Zope's root is empty."""
        return "/".join(aq_parent(aq_parent(aq_inner(self))).getPhysicalPath())

    def _find_login(self, bearer: Bearer, published: Published) -> str | None:
        """Return the login name of the user of a token, if this folder has the user now."""
        if self._find_holder() != bearer.origin.folder:
            return None
        login = find_login(bearer.origin, bearer.since, place_of(published.site))
        if login is None:
            published.refuse(Reason.ENDED)
            bearer.refused()
        return login


InitializeClass(TokenPlugin)


def request_is_done(event: Any) -> None:
    """Note that a token was used, if the request is about to be committed."""
    used = vars(event.request).pop(_USED, None)
    if used is not None:
        used()


def _find_reader(token: str) -> Callable[[Published, str], Bearer | None] | None:
    """Return what reads a token that seems to be of ours, which proves nothing; None: it is not."""
    if is_secret(token, APPLICATION):
        return partial(read_application, token)
    typ = _typ_of(token)
    return partial(_read_signed, token, typ) if typ else None


def _typ_of(token: str) -> str:
    """Return the ``typ`` that a token seems to have; nothing: no kind of ours. It proves nothing.

    What has another scope, as a worker's own token, is nobody's here, so it is not verified.
    """
    parts = token.split(".", 2)[:2]
    if len(token) > LARGEST or len(parts) < 2:
        return ""
    try:
        header, claims = (urlsafe_b64decode(part + "==") for part in parts)
    except ValueError:
        return ""
    seem = (typ for typ, scope in KINDS if _says(header, typ) and _says(claims, scope))
    return next(seem, "")


def _says(part: bytes, text: str) -> bool:
    return b'"%s"' % text.encode() in part


def _read_signed(token: str, typ: str, published: Published, folder: str) -> Bearer | None:
    """Return who a token is for, if it is good for what is about to be published."""
    try:
        claims = verify(published.site, token, typ)
    except TokenRefused:
        published.refuse(Reason.INVALID)
        return None
    kind = KINDS.get((typ, str(claims.get("scope", ""))))
    return None if kind is None else kind(claims, published, time.time())
