"""``@token``, ``@token-revoke``, ``@jwks``: how programs get tokens of a site and give them back.

::

    POST @token          RFC 6749; the grants are in ``tokens/grants.py``
    POST @token-revoke   RFC 7009; token=…, of whatever kind
    GET  @jwks           RFC 7517; for whoever wants to check a token without asking the site, or to
                         know the site's name: its queues at a broker have it
"""

from ..keys.addresses import note_address
from ..keys.places import place_of
from ..keys.ring import published
from ..tokens.failures import failures
from ..tokens.grants import grant
from ..tokens.revoking import revoke_any
from ..workers.events import TokenDenied
from ..workers.events import TokenIssued
from ..workers.grants import GrantRefused
from ..workers.grants import Question
from ..workers.grants import shorten
from .bodies import BodyRefused
from .bodies import read_texts
from .signed import Refused
from .signed import SignedPage
from plone.protect.interfaces import IDisableCSRFProtection
from typing import Any
from zope.event import notify
from zope.interface import alsoProvides

import hashlib
import logging
import time

logger = logging.getLogger(__name__)

#: How long others may keep the public keys, in seconds.
KEYS_KEPT = 3600


class OAuthPage(SignedPage):
    """What the addresses of OAuth have in common."""

    methods = ("POST",)

    def prepare(self) -> None:
        """Let whoever has no session write, and no cache keep the answer."""
        alsoProvides(self.request, IDisableCSRFProtection)  # no cookie says who asks
        self.request.response.setHeader("Pragma", "no-cache")

    def describe(self, refused: Refused) -> dict[str, Any]:
        """Return the body of a refusal, as OAuth has all of them."""
        return {"error": "invalid_request", "error_description": refused.message}


class Token(OAuthPage):
    """Gives tokens."""

    def post(self) -> dict[str, Any]:
        """Return a token, or an error as RFC 6749 has it (5.2)."""
        self.prepare()
        form: dict[str, str] = {}
        try:
            form = read_texts(self.request)
            return self._give(form)
        except BodyRefused as refused:
            return self._refuse(form, GrantRefused("invalid_request", str(refused)))
        except GrantRefused as refused:
            return self._refuse(form, refused)

    def _give(self, form: dict[str, str]) -> dict[str, Any]:
        place, url = place_of(self.site), self.site.absolute_url()
        question = Question(place, url, form, time.time(), self.address)
        issued = grant(question)
        note_address(question.place, question.url, question.now)
        logger.info("A token was issued to %s.", issued.subject)
        notify(TokenIssued(self.site_path, form["grant_type"], issued.subject, issued.jti))
        return issued.answer

    def _refuse(self, form: dict[str, str], refused: GrantRefused) -> dict[str, Any]:
        """Answer that there is no token."""
        if self._is_told(form):
            kind = shorten(form.get("grant_type", ""))
            logger.info("No token for %s: %s", refused.subject or "a client", refused.reason)
            notify(TokenDenied(self.site_path, kind, refused.subject, refused.reason, self.address))
        self.request.response.setStatus(refused.status, lock=1)
        return {"error": refused.error, "error_description": refused.description}

    def _is_told(self, form: dict[str, str]) -> bool:
        """Count a refresh token that is not good; tell whether logs and audits are to know."""
        if form.get("grant_type") != "refresh_token":
            return True
        shown = form.get("refresh_token", "").encode("utf-8", "surrogatepass")
        return failures.note(self.address, hashlib.sha256(shown).digest(), time.time())


class Revoke(OAuthPage):
    """Takes tokens back."""

    def post(self) -> dict[str, Any] | None:
        """Return nothing: a token that is not known is as good as one that was revoked."""
        self.prepare()
        try:
            form = read_texts(self.request)
        except BodyRefused as refused:
            raise Refused(400, str(refused)) from None
        if "token" not in form:
            raise Refused(400, "token is missing.")
        revoke_any(self.site, form["token"], time.time())
        return None


class Keys(SignedPage):
    """Tells the public keys."""

    methods = ("GET", "HEAD")

    def get(self) -> dict[str, Any]:
        """Return the keys whose tokens may be good, and the name of the site in them."""
        self.request.response.setHeader("Cache-Control", f"public, max-age={KEYS_KEPT}")
        place = place_of(self.site)
        return {"keys": published(place, time.time()), "issuer": place.urn}

    head = get
