"""Application tokens: good for what their scope allows, as the user who has them.

At each use it is looked up what holds now: the token is there, was not revoked, has not ended, and
its scope has what is about to be published. Nothing is written but when the use of a day, or a new
address, is noted: see ``acts.note_use``; that is done when the request is about to be committed.
"""

from ..keys.opaque import digest_of
from ..tokens import acts
from ..tokens.failures import failures
from ..tokens.records import AppToken
from ..tokens.refusals import Reason
from .bearer import Bearer
from .published import Published
from .scoped import is_in_scope
from functools import partial

import logging
import time

logger = logging.getLogger(__name__)


def read_application(secret: str, published: Published, folder: str) -> Bearer | None:
    """Return whose request it is, by a well-formed secret; None: nobody's.

    Args:
        secret: What the client has sent.
        published: What is about to be published.
        folder: The path of what has the user folder that asks.
    """
    now = time.time()
    token = acts.find_by_secret(published.site, secret)
    if token is None or token.is_past(now):
        _refuse(secret, token, published, "it is not known" if token is None else "it is past")
        return None
    if token.folder != folder or not is_in_scope(token.scope, published, f"The token {token.id}"):
        return None
    used = partial(acts.note_use, published.site, token, published.address, now)
    why_not = "its user is gone, or has ended all tokens"
    refused = partial(_refuse, secret, token, published, why_not)
    return Bearer(token.origin, token.made, used, refused, within=token.scope.part)


def _refuse(secret: str, token: AppToken | None, published: Published, reason: str) -> None:
    """Count a token that is not good; tell it: once a minute, and of so many from one address."""
    published.refuse(Reason.UNKNOWN if token is None else Reason.ENDED)
    if failures.note(published.address, digest_of(secret), time.time()):
        acts.tell_refused(published.site, token, reason, published.address)
