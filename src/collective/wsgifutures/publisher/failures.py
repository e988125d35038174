"""Answers 504 where no view catches that a future came too late.

Zope takes an exception's status from the name of its class, where it knows that, and
nothing is inherited there. So the status is set here, when the error has been rendered
by whatever view, for these classes and for those that derive from them (Chameleon makes
one for an exception that leaves a template).

Where no view rendered it Zope raises it on, and the middleware answers.
"""

from ..kernel.errors import FutureTimeout
from ..kernel.errors import HoldExpired
from typing import Any


def pass_came_too_late(event: Any) -> None:
    """Say "Gateway Timeout" where Zope had no status for the exception."""
    response = event.request.response
    too_late = isinstance(event.exc_info[1], FutureTimeout | HoldExpired)
    if too_late and response.getStatus() == 500:
        # plone.transformchain may come later and set it by the class's name once more,
        # plone.rest has locked it already.
        response.setStatus(504, lock=True)
        response.status, response.errmsg = 504, "Gateway Timeout"
