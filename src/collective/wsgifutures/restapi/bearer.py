"""The answer to whoever comes with no token of ours, or with one that is not good."""

from ..keys.tokens import find_token
from ..keys.tokens import TokenRefused
from ..tokens.refusals import Reason
from ..tokens.refusals import refusals
from ..workers.events import TokenDenied
from plone import api
from typing import Any
from zope.event import notify

import logging

logger = logging.getLogger(__name__)


def refuse(request: Any, refused: TokenRefused) -> dict[str, Any]:
    """Answer 401 (RFC 6750, 3.1); return the body. Why stands in the log."""
    has_token = find_token(request) is not None
    challenge = 'Bearer error="invalid_token"' if has_token else "Bearer"
    if has_token:
        refusals.count(Reason.INVALID)
    request.response.setStatus(401, lock=1)
    request.response.setHeader("WWW-Authenticate", challenge)
    request.response.setHeader("Cache-Control", "no-store")
    logger.info("A token was refused: %s.", refused.reason)
    site = "/".join(api.portal.get().getPhysicalPath())
    notify(TokenDenied(site, "bearer", "", refused.reason, request.getClientAddr()))
    return {"type": "Unauthorized", "message": str(refused)}
