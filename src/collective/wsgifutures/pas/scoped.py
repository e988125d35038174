"""Access tokens of logins that are renewed, and of service accounts.

A token names its family, or its account, and nothing else counts: at each use it is looked up what
holds now. The family or the account is there and has not ended, and its scope has what is about to
be published. So all tokens of one are nobody's as soon as it ends. Nothing is written.
"""

from ..keys.places import place_of
from ..tokens.families import find_family
from ..tokens.refusals import Reason
from ..tokens.scope import Scope
from ..tokens.services import find_account
from .bearer import Bearer
from .published import Published
from collections.abc import Mapping
from typing import Any

import logging

logger = logging.getLogger(__name__)


def read_session(claims: Mapping[str, Any], published: Published, now: float) -> Bearer | None:
    """Return whose request it is, by the claims of a token; None: nobody's.

    Args:
        claims: Of a token that the site has signed.
        published: What is about to be published.
        now: In seconds since the epoch.
    """
    family = find_family(place_of(published.site), claims.get("family"), now)
    if family is None or claims["sub"] != family.user:
        published.refuse(Reason.ENDED)
        return None
    if not is_in_scope(family.scope, published, f"A token of the family {family.id}"):
        return None
    return Bearer(family.origin, family.started, within=family.scope.part)


def read_service(claims: Mapping[str, Any], published: Published, now: float) -> Bearer | None:
    """Return whose request it is, by the claims of a token; None: nobody's.

    Args:
        claims: Of a token that the site has signed.
        published: What is about to be published.
        now: In seconds since the epoch.
    """
    account = find_account(published.site, claims.get("client_id"))
    if account is None or account.is_past(now) or claims["sub"] != account.user:
        published.refuse(Reason.ENDED)
        return None
    if not is_in_scope(account.scope, published, f"A token of the account {account.id}"):
        return None
    return Bearer(account.origin, account.made, within=account.scope.part)


def is_in_scope(scope: Scope, published: Published, token: str) -> bool:
    """Tell whether a token is good for what is about to be published; if not, tell the log.

    Args:
        scope: What the token may.
        published: What is about to be published.
        token: The token, in words for the log.
    """
    is_in = scope.allows(published)
    if not is_in:
        method, name = published.method[:20], published.name or "content"
        logger.info("%s is not good for %a of %a.", token, method, name)
        published.refuse(Reason.SCOPE)
    return is_in
