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

from .. import compat
from ..kernel.names import dotted_name
from ..kernel.passes import current_pass
from ..kernel.passes import Pass
from ..kernel.passes import Publisher
from ..kernel.placeholders import Fragment
from ..traces import spans
from . import caches
from . import early_writes
from .interfaces import IDeferral
from AccessControl import getSecurityManager
from Acquisition import aq_base
from transaction._transaction import Status
from typing import Any
from zExceptions import HTTPException
from zExceptions import upgradeException
from zope.component import getSiteManager
from zope.component import queryAdapter
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


class ZopePublisher(Publisher):
    """Zope's, of one pass.

    Args:
        this: The pass.
        request: What Zope publishes in it.
    """

    caches = caches.of_plone()

    def __init__(self, this: Pass, request: Any) -> None:
        self._pass = this
        self._request = request
        self._name = ""

    def view_name(self) -> str:
        """Return the dotted name of the view that is published, as far as it is known."""
        return self._name or _view_name(self._request)

    def keep_view_name(self) -> None:
        """Know it also when the request is cleared."""
        self._name = _view_name(self._request)

    def is_answer(self, error: BaseException) -> bool:
        """Tell whether *error* is what the client is to get: Unauthorized, NotFound, Redirect."""
        kind, _ = upgradeException(type(error), None)  # as ZPublisher does: by the class's name
        return issubclass(kind, HTTPException) and _status(kind, error) < 500

    def discard(self) -> None:
        """Mark the request, note whose it is, and look for what is careless."""
        hold, request = self._pass.hold, self._request
        request.environ.update(dict.fromkeys(DISCARD_MARKS, True))
        if hold.watch is not None:
            early_writes.look(self._pass)
        user = getSecurityManager().getUser()
        name = user.getId() if user is not None else None
        hold.client = ("user", name) if name else ("address", request.getClientAddr())
        # The request is closed after the connection is, and asks the site who is to be told. A
        # pass that suspends on its way to the view may not have loaded that from the database.
        getSiteManager().adapters.subscriptions([implementedBy(EndRequestEvent)], None)

    @property
    def defers(self) -> bool:
        """Tell whether a browser gets this page, and fetches its deferred parts."""
        return self._deferral() is not None

    def defer(self, fragment: Fragment) -> str | None:
        """Return what is sent in place of *fragment*, None where it has to be waited for."""
        deferral = self._deferral()
        return None if deferral is None else deferral.defer(fragment)

    def _deferral(self) -> Any:
        # Who makes it looks at the view, and so after the traversal.
        return queryAdapter(self._request, IDeferral)


def pass_starts(event: Any) -> None:
    """Prepare the discard of this pass."""
    this = current_pass()
    if this is None:
        return
    request = event.request
    request.retry_count = this.hold.conflicts  # Zope gives up where it would without us
    publisher = this.publisher = ZopePublisher(this, request)
    request.environ.setdefault(THROW_ERRORS, _SuspendIfItWaits(this))
    if this.hold.watch is not None:
        early_writes.listen()
    if this.awaited:  # something suspended already, and its suspension was lost
        publisher.discard()


def pass_is_traversed(event: Any) -> None:
    """Keep the view's name for the span of this pass, which ends after the request is cleared."""
    this = current_pass()
    if this is not None and spans.is_recorded() and isinstance(this.publisher, ZopePublisher):
        this.publisher.keep_view_name()


class _SuspendIfItWaits:
    """False; where it is looked at while an error is handled that stands for it: suspends."""

    def __init__(self, this: Pass) -> None:
        self._pass = this

    def __bool__(self) -> bool:
        if self._pass.waits_for(sys.exc_info()[1]):
            self._pass.suspend()
        return False


def pass_is_about_to_commit(event: Any) -> None:
    """Discard the pass if it waits; else look again when everything else is done."""
    this = current_pass()
    if this is None or not IPubBeforeCommit.providedBy(event):
        return
    response = event.request.response
    compat.cancel_if_opted_out(this, event.request)
    this.suspend_if_it_waits(successful=_is_successful(response))
    transaction.get().addBeforeCommitHook(_look_last, (this, event.request, _LAST_LOOKS))


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
        this.suspend()
    compat.cancel_if_opted_out(this, event.request)
    this.mark_answered()
    this.suspend_if_it_waits(successful=False)


def _pause(conflicts: int) -> float:
    """Return for how long to wait, as ``ZPublisher.HTTPRequest.delay_retry`` does."""
    return random.uniform(0, 2**conflicts)  # noqa: S311  no secret


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


def _look_last(this: Pass, request: Any, looks: int) -> None:
    txn = transaction.get()
    last_hook = list(txn.getBeforeCommitHooks())[-1][0]
    if looks and last_hook is not _look_last:
        txn.addBeforeCommitHook(_look_last, (this, request, looks - 1))
        return
    compat.cancel_if_opted_out(this, request)
    this.suspend_if_it_waits(successful=_is_successful(request.response))
    # Not told by an after-commit hook: where there is one, all data managers are aborted
    # after the commit.
    this.mark_committed(failed=lambda: txn.status is Status.COMMITFAILED)


def _is_successful(response: Any) -> bool:
    return 200 <= int(response.getStatus()) < 300
