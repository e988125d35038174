"""Ends a pass at the right moment of Zope's publication.

``ZPublisher.WSGIPublisher.transaction_pubevents`` lets a ``BaseException`` through: the
transaction is aborted, no event of failure is fired, no response is started. So all that
is needed to discard a pass is to raise ``Suspended`` before its commit. Where a pass
suspended and somebody swallowed that, it is raised again here:

- ``IPubBeforeCommit`` is the first look, before transforms and hooks run.
- A before-commit hook, kept the last one, is the second. One that raises is clean:
  nothing is committed, no after-commit hook is called.
- An exception that follows on a swallowed suspension has nobody to tell: the mark
  ``x-wsgiorg.throw_errors``, set when the pass suspends, makes Zope raise it at once,
  without an error page or log entry. A second mark switches plone.transformchain off.
- An error that stands for a suspension, or may come from a fragment's placeholder, suspends
  where Zope reads that mark, before it renders an error page.
- ``IPubBeforeAbort`` is the look at an exception view that suspended, and at a conflict.
"""

from ..kernel.hold import Pass
from ..kernel.names import dotted_name
from ..kernel.passes import current_pass
from ..traces import spans
from . import checks
from AccessControl import getSecurityManager
from Acquisition import aq_base
from transaction._transaction import Status
from typing import Any
from zExceptions import HTTPException
from zExceptions import upgradeException
from zope.component import getSiteManager
from zope.interface import implementedBy
from zope.publisher.interfaces import EndRequestEvent
from ZPublisher.interfaces import IPubBeforeCommit

import random
import sys
import transaction

#: What a pass that is going to be discarded has in its environ.
THROW_ERRORS = "x-wsgiorg.throw_errors"
DISCARD_MARKS = (THROW_ERRORS, "plone.transformchain.disable")

#: How often the second look lets other hooks go before it, so that two that each want
#: to be the last one do not run for ever.
_LAST_LOOKS = 100


def pass_starts(event: Any) -> None:
    """Prepare the discard of this pass."""
    this = current_pass()
    if this is None:
        return
    request = event.request
    request.retry_count = this.hold.conflicts  # Zope gives up where it would without us
    this.view = lambda: _view_name(request)
    this.on_suspend = lambda: _is_discarded(this, request)
    this.is_answer = _is_answer
    request.environ.setdefault(THROW_ERRORS, _SuspendIfItWaits(this))
    if this.hold.watch is not None:
        checks.listen()
    if this.awaited:  # something suspended already, and its suspension was lost
        this.on_suspend()


def pass_is_traversed(event: Any) -> None:
    """Keep the view's name for the span of this pass, which ends after the request is cleared."""
    this = current_pass()
    if this is not None and spans.is_recorded():
        name = _view_name(event.request)
        this.view = lambda: name


class _SuspendIfItWaits:
    """False; where it is looked at while an error is handled that stands for it: suspends."""

    def __init__(self, this: Pass) -> None:
        self._pass = this

    def __bool__(self) -> bool:
        if self._pass.waits_for(sys.exc_info()[1]):
            self._pass.wait()
        return False


def pass_is_about_to_commit(event: Any) -> None:
    """Discard the pass if it waits; else look again when everything else is done."""
    this = current_pass()
    if this is None or not IPubBeforeCommit.providedBy(event):
        return
    response = event.request.response
    this.check(successful=_is_successful(response))
    transaction.get().addBeforeCommitHook(_look_last, (this, response, _LAST_LOOKS))


def pass_has_failed(event: Any) -> None:
    """An error's response is final, unless its exception view suspended.

    After a conflict Zope would sleep and publish again, in this slot. The pass is ended in
    place of that, and its request sleeps without a slot.
    """
    this = current_pass()
    if this is None:
        return
    if event.retry:
        this.conflict(again_in=_pause(this.hold.conflicts))
    if this.waits_for(event.exc_info[1]):
        this.wait()
    this.answer()
    this.check(successful=False)


def _pause(conflicts: int) -> float:
    """Return for how long to wait, as ``ZPublisher.HTTPRequest.delay_retry`` does."""
    return random.uniform(0, 2**conflicts)  # noqa: S311  no secret


def _is_discarded(this: Pass, request: Any) -> None:
    request.environ.update(dict.fromkeys(DISCARD_MARKS, True))
    if this.hold.watch is not None:
        checks.look(this)
    user = getSecurityManager().getUser()
    name = user.getId() if user is not None else None
    this.hold.client = ("user", name) if name else ("address", request.getClientAddr())
    # The request is closed after the connection is, and asks the site who is to be told. A
    # pass that suspends on its way to the view may not have loaded that from the database.
    getSiteManager().adapters.subscriptions([implementedBy(EndRequestEvent)], None)


def _is_answer(error: BaseException) -> bool:
    """Tell whether *error* is what the client is to be told: Unauthorized, NotFound, Redirect."""
    kind, _ = upgradeException(type(error), None)  # as ZPublisher does: by the class's name
    return issubclass(kind, HTTPException) and _status(kind, error) < 500


def _status(kind: type[HTTPException], error: BaseException) -> int:
    return int(error.getStatus() if isinstance(error, HTTPException) else kind.status)


def _view_name(request: Any) -> str:
    """Return the dotted name of the view that is published, as far as it is known."""
    published = request.get("PUBLISHED")
    view = aq_base(getattr(published, "__self__", published))
    if view is None:
        return ""
    # What ZCML makes of a view's class is found in no module.
    classes = [c for c in type(view).__mro__ if _is_in_its_module(c)]
    if classes[0].__module__.startswith("Products.Five."):  # a template and no class
        return f"@@{getattr(view, '__name__', '')}"
    return dotted_name(classes[0])


def _is_in_its_module(one: type) -> bool:
    return getattr(sys.modules.get(one.__module__), one.__name__, None) is one


def _look_last(this: Pass, response: Any, looks: int) -> None:
    txn = transaction.get()
    last_hook = list(txn.getBeforeCommitHooks())[-1][0]
    if looks and last_hook is not _look_last:
        txn.addBeforeCommitHook(_look_last, (this, response, looks - 1))
        return
    this.check(successful=_is_successful(response))
    # Not told by an after-commit hook: where there is one, all data managers are aborted
    # after the commit.
    this.commit(failed=lambda: txn.status is Status.COMMITFAILED)


def _is_successful(response: Any) -> bool:
    return 200 <= int(response.getStatus()) < 300
