"""Where a job may be submitted: never where it would be lost, or where nobody meant it.

plone.protect looks at the end of a request whether a logged-in user's request has a token. If it
has none, a GET of a page is sent to a question; a GET of JSON and a POST answer 200, and what
they wrote is gone; a HEAD, and what was written before a savepoint, is committed unseen. So the
same question is asked where the job is submitted, and asked of each method.
"""

from ..kernel.passes import current_pass
from .entering import acting_as
from .errors import Refusal
from .errors import SubmitRefused
from .origin import NO_ID
from .origin import take_origin
from .publishing import find_run
from AccessControl import getSecurityManager
from enum import Enum
from plone.protect import auto
from plone.protect.authenticator import _verify_request
from plone.protect.authenticator import isAnonymousUser
from plone.protect.interfaces import IDisableCSRFProtection
from transaction._transaction import Status
from typing import Any
from zope.component import ComponentLookupError
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubFailure
from ZPublisher.interfaces import IPubStart
from ZPublisher.interfaces import IPubSuccess

import transaction

#: In the environ of a request that Zope publishes, and how far it is. Requests that scripts and
#: tests make by hand have no such mark.
_STAGE = "collective.wsgifutures.jobs.stage"


class _Stage(Enum):
    """How far a request is."""

    TRAVERSED = "who sent it is not known yet"
    PUBLISHED = "its user is known"
    OVER = "its transaction is over"


_STAGES = {
    IPubStart: _Stage.TRAVERSED,
    IPubAfterTraversal: _Stage.PUBLISHED,
    IPubSuccess: _Stage.OVER,
    IPubFailure: _Stage.OVER,
}

_OVER = (Status.COMMITTED, Status.COMMITFAILED)


def publication_goes_on(event: Any) -> None:
    """Note how far the publication of a request is."""
    for kind, stage in _STAGES.items():
        if kind.providedBy(event):
            event.request.environ[_STAGE] = stage


def check_may_submit(request: Any) -> None:
    """Refuse to submit where the job would be lost, or where nobody meant it.

    Args:
        request: The current request; None in a script.

    Raises:
        SubmitRefused: Its message says what to do.
    """
    environ = getattr(request, "environ", {})
    method = environ.get("REQUEST_METHOD", "")
    if _is_committed(environ):
        raise SubmitRefused(Refusal.COMMITTED, method)
    if environ.get(_STAGE) is _Stage.TRAVERSED:
        raise SubmitRefused(Refusal.EARLY, method)
    if take_origin(None, getSecurityManager().getUser()).user == NO_ID:
        raise SubmitRefused(Refusal.NO_USER, method)
    if _STAGE not in environ or find_run(request) is not None:
        return
    if IDisableCSRFProtection.providedBy(request):  # a subrequest has its request's mark
        return
    reason = _look_at(_outermost(request))
    if reason is not None:
        raise SubmitRefused(reason, method)


def _is_committed(environ: dict[str, Any]) -> bool:
    this = current_pass()
    if environ.get(_STAGE) is _Stage.OVER or (this is not None and this.committed):
        return True
    return transaction.get().status in _OVER


def _outermost(request: Any) -> Any:
    """Return the request of the client: plone.subrequest makes others, always by GET."""
    while (parent := request.other.get("PARENT_REQUEST")) is not None:
        request = parent
    return request


def _look_at(request: Any) -> Refusal | None:
    user = request.other.get("AUTHENTICATED_USER")  # and not whom a view acts as for a while
    if isAnonymousUser(user):
        reads = request.environ["REQUEST_METHOD"] in ("GET", "HEAD")
        return Refusal.ANONYMOUS if reads else None
    return None if auto.CSRF_DISABLED or _has_token(request, user) else Refusal.UNPROTECTED


def _has_token(request: Any, user: Any) -> bool:
    """Tell whether plone.protect finds a valid token in *request*, which is the user's own."""
    try:
        with acting_as(user):
            return bool(_verify_request(request))
    except ComponentLookupError:  # outside of a site there are no keys
        return False
