"""Ends a pass at the right moment of Zope's publication.

``ZPublisher.WSGIPublisher.transaction_pubevents`` lets a ``BaseException`` through: the
transaction is aborted, no event of failure is fired, no response is started. So ``Suspended``,
raised before the commit, discards a pass. If a pass suspended and its code swallowed the
exception, these raise it again:

- ``IPubBeforeCommit`` is the first look, before transforms and hooks run.
- A before-commit hook, kept the last one, is the second. If it raises, nothing is committed
  and no after-commit hook is called.
- If another exception follows a swallowed suspension, the mark ``x-wsgiorg.throw_errors``, set
  when the pass suspends, makes Zope raise that exception at once, without an error page or log
  entry. A second mark switches plone.transformchain off.
- If an error stands for a suspension, or may come from a fragment's placeholder, the pass
  suspends where Zope reads that mark, before Zope renders an error page.
- ``IPubBeforeAbort`` is the look at an exception view that suspended, and at a conflict.

The error of a job leaves Zope there as it is: nobody reads an error page. And a job writes
"done" in the hook that is kept the last one, if the pass does not suspend.
"""

from .. import compat
from ..kernel.keep import keep
from ..kernel.passes import current_pass
from ..kernel.passes import Pass
from ..traces import spans
from . import at_once
from . import coroutines
from . import in_place
from .work import find_work
from .work import Work
from .zope import load_what_the_end_needs
from .zope import THROW_ERRORS
from .zope import ZopePublisher
from transaction._transaction import Status
from transaction.interfaces import TransientError
from typing import Any
from ZPublisher.interfaces import IPubBeforeCommit

import random
import sys
import transaction

#: How often the second look lets other hooks go before it. Two hooks that both want to be the
#: last one would run for ever.
_LAST_LOOKS = 100


def pass_starts(event: Any) -> None:
    """Prepare the discard of this pass; say that there is none if the server holds nothing."""
    this, request = current_pass(), event.request
    if this is None:
        in_place.request_starts(request)
        return
    request.retry_count = this.hold.conflicts  # Zope gives up as early as without this package
    publisher = this.publisher = ZopePublisher(this, request)
    request.environ.setdefault(THROW_ERRORS, _look_at_errors(this, request))
    at_once.listen_for_mail()
    transaction.get().addBeforeCommitHook(_keep_if_the_view_commits, (this,))
    publisher.later_commits = _LaterCommits(this)  # known to the transactions for so long
    transaction.manager.registerSynch(publisher.later_commits)
    if this.awaited:  # something suspended already, and its suspension was lost
        publisher.discard()


def pass_is_traversed(event: Any) -> None:
    """Refuse a view that is ``async def``, and keep a pass whose view acts at once.

    Keep the view's name, for what is told of this pass after the request is cleared.
    """
    coroutines.refuse(event.request.get("PUBLISHED"))
    this = current_pass()
    if this is None:
        return
    if spans.is_recorded() and isinstance(this.publisher, ZopePublisher):
        this.publisher.keep_view_name()
    if this.hold.watch is not None:
        this.hold.watch.view = this.publisher.view_name()
    at_once.keep_uploads(event.request)


def _keep_if_the_view_commits(this: Pass) -> None:
    hooks = [hook for hook, *_ in transaction.get().getBeforeCommitHooks()]
    if not this.closed and _look_last not in hooks:  # else Zope commits
        keep(this)


def _look_at_errors(this: Pass, request: Any) -> "_SuspendIfItWaits":
    work = find_work(request.environ)
    if work is None:
        return _SuspendIfItWaits(this)
    return _LeaveAsItIs(this, work, may_retry=request.supports_retry())


class _LaterCommits:
    """Keeps the pass if its view commits after ``transaction.abort()`` or ``begin()``.

    No hook of a transaction is left then, and nobody is told of the next one, which may begin when
    it is first used. But all are told of its end: this joins what ends, and a commit begins here.
    """

    def __init__(self, this: Pass) -> None:
        self._pass = this

    def beforeCompletion(self, txn: Any) -> None:
        if txn.status is Status.ACTIVE and not self._pass.closed:
            txn.join(self)

    def tpc_begin(self, _txn: Any) -> None:
        keep(self._pass)

    def sortKey(self) -> str:
        return ""  # before all others: nothing is written yet

    def _do_nothing(self, _txn: Any) -> None: ...

    newTransaction = afterCompletion = _do_nothing
    commit = tpc_vote = tpc_finish = abort = tpc_abort = _do_nothing


class _SuspendIfItWaits:
    """False; but suspends if it is read while Zope handles an error that stands for a wait."""

    def __init__(self, this: Pass) -> None:
        self._pass = this

    def __bool__(self) -> bool:
        if self._pass.waits_for(sys.exc_info()[1]):
            self._pass.suspend()
        return False


class _LeaveAsItIs(_SuspendIfItWaits):
    """True for an error that ends a job; a conflict ends no job that may be published again."""

    def __init__(self, this: Pass, work: Work, *, may_retry: bool) -> None:
        super().__init__(this)
        self._work = work
        self._may_retry = may_retry

    def __bool__(self) -> bool:
        error = sys.exc_info()[1]
        if super().__bool__() or error is None:
            return False
        if self._may_retry and isinstance(error, TransientError):
            return False
        load_what_the_end_needs()
        self._work.fail(error)
        return True


def pass_is_about_to_commit(event: Any) -> None:
    """Discard the pass if it waits; else look again after all other hooks."""
    this = current_pass()
    if this is None or not IPubBeforeCommit.providedBy(event):
        return
    _suspend_if_it_waits(this, event.request)
    if work := find_work(event.request.environ):
        work.is_about_to_commit()
    transaction.get().addBeforeCommitHook(_look_last, (this, event.request, _LAST_LOOKS))


def pass_has_failed(event: Any) -> None:
    """Make an error's response final, unless its exception view suspended.

    After a conflict Zope would sleep in this slot, and publish again. Instead the pass ends
    here, and its request sleeps without a slot.
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
    """Return how long to wait, in seconds, as ``ZPublisher.HTTPRequest.delay_retry`` does."""
    return random.uniform(0, 2**conflicts)  # noqa: S311  no secret


def _look_last(this: Pass, request: Any, looks: int) -> None:
    txn = transaction.get()
    last_hook = list(txn.getBeforeCommitHooks())[-1][0]
    if looks and last_hook is not _look_last:
        txn.addBeforeCommitHook(_look_last, (this, request, looks - 1))
        return
    _suspend_if_it_waits(this, request)
    if work := find_work(request.environ):
        work.finish(request)
    # An after-commit hook could tell as well, but if there is one, the transaction aborts all
    # data managers after the commit.
    this.mark_committed(failed=lambda: txn.status is Status.COMMITFAILED)


def _suspend_if_it_waits(this: Pass, request: Any) -> None:
    compat.cancel_if_opted_out(this, request)
    this.suspend_if_it_waits(successful=200 <= int(request.response.getStatus()) < 300)
