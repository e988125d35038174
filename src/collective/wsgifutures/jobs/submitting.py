"""Records a job in the transaction that asks for it: it exists exactly if that is committed.

A data manager joins the transaction, for two things after its end: its lane is free for the next
one, and if it was committed, this process's runner looks for jobs at once. A savepoint that is
rolled back takes the jobs with it, as everything else in the ZODB.
"""

from ..kernel.errors import ArgumentRefused
from ..traces import ids
from .allowed import check_may_submit
from .chains import find_depth
from .errors import ContextGone
from .options import Options
from .options import PRIORITIES
from .origin import Origin
from .origin import run_as
from .origin import take_origin
from .records import Job
from .records import Store
from .records import Wanted
from .store import add_job
from .store import lanes
from .store import main_connection
from .store import make_store
from .store import open_lane
from AccessControl import getSecurityManager
from Acquisition import aq_base
from collections.abc import Callable
from plone.uuid.interfaces import IUUID
from typing import Any
from zope.component.hooks import getSite
from zope.globalrequest import getRequest

import logging
import time
import transaction

logger = logging.getLogger(__name__)

#: Called when a transaction with jobs was committed in this process.
listeners: list[Callable[[], None]] = []


def submit(task: Any, options: Options, context: Any, arguments: bytes, lock: str) -> Job:
    """Record a job, or return the one that *options* say is the same.

    Args:
        task: A ``Task``.
        options: Those of this submission.
        context: What the job is about.
        arguments: The packed ones.
        lock: Its lock, if it has one.

    Raises:
        SubmitRefused, ArgumentRefused: See ``Task.submit``.
    """
    check_may_submit(getRequest())
    now = time.time()
    site = _find_site(task.name)
    uid = uid_of(context, task.name)
    store = make_store(main_connection(site._p_jar))
    origin = _origin(options)
    of_site = f"{origin.site} {task.name}"  # another site has other jobs
    unique = f"{of_site} {options.key}" if options.key else ""
    lock = lock or options.lock
    if unique and (known := _find_unique(store, unique, now)):
        return known
    wanted = _wanted(task, options, uid, arguments, origin, now)._replace(
        lock=lock and f"{of_site} {lock}", unique=unique
    )
    job = add_job(open_lane(store, _own_lane(), now), wanted, options.due(now))
    if unique:
        store.unique[unique] = (job, now + (options.unique_for or 0.0))
    return job


def submit_then(task: Any, before: Wanted, arguments: bytes, lock: str, store: Store) -> Job:
    """Record what follows a job that was done elsewhere: about the same object, as the same user.

    Args:
        task: A ``Task``.
        before: What was submitted.
        arguments: The packed ones.
        lock: Its lock, if it has one.
        store: The store that has the job.
    """
    now, options, origin = time.time(), Options(), before.origin
    wanted = _wanted(task, options, before.context, arguments, origin, now)
    wanted = wanted._replace(lock=lock and f"{origin.site} {task.name} {lock}")
    return add_job(open_lane(store, _own_lane(), now), wanted, options.due(now))


def _wanted(
    task: Any, options: Options, uid: str, arguments: bytes, origin: Origin, now: float
) -> Wanted:
    then = options.then or task.then
    return Wanted(
        task=task.name,
        title=task.title,
        arguments=arguments,
        context=uid,
        origin=origin,
        queue=options.queue or task.queue,
        priority=PRIORITIES[options.priority],
        attempts=task.attempts,
        timeout=options.timeout or task.timeout,
        submitted=now,
        deadline=options.due(now) + options.deadline,
        then=then.name if then is not None else "",
        secret=task.secret,
        trace=ids.headers().get("traceparent", ""),
        depth=find_depth((task.name, uid, arguments), options),
        elsewhere=task.elsewhere,
    )


def _find_site(name: str) -> Any:
    site = getSite()
    if getattr(aq_base(site), "_p_jar", None) is None:
        raise ContextGone("", f"(none), since no site is being published where {name} is submitted")
    return site


def uid_of(context: Any, name: str) -> str:
    """Return the UID by which *context* is found again; empty for the site.

    Raises:
        ArgumentRefused: It has none.
    """
    if aq_base(context) is aq_base(getSite()):
        return ""
    uid = IUUID(context, None)
    if uid is None:
        what = f"{type(aq_base(context)).__qualname__} has no UID"
        raise ArgumentRefused(name, "context", f"{what}; pass a content object or the site.")
    return str(uid)


def _origin(options: Options) -> Origin:
    origin = take_origin(getRequest(), getSecurityManager().getUser())
    return run_as(origin, options.run_as) if options.run_as else origin


def _find_unique(store: Store, unique: str, now: float) -> Job | None:
    job, until = store.unique.get(unique, (None, 0.0))
    return job if job is not None and (not job.ended or now < until) else None


# The transaction


def _own_lane() -> str:
    """Return the id of the lane of this transaction."""
    txn = transaction.get()
    try:
        submission = txn.data(_Submission)
    except KeyError:
        submission = None
    if submission is None or not submission.joined:
        submission = _Submission()
        txn.set_data(_Submission, submission)
        txn.join(submission)
    return str(submission.lane)


def _tell(listener: Callable[[], None]) -> None:
    """Tell *listener*; the jobs are committed, so an error is not their submitter's."""
    try:
        listener()
    except Exception:
        logger.exception("A runner could not be told of new jobs; it finds them by itself.")


class _Submission:
    """What a transaction with jobs has to do at its end: an ``ISavepointDataManager``."""

    transaction_manager = transaction.manager

    def __init__(self) -> None:
        self.lane = lanes.take()
        self.joined = True  # until its end, or a rollback to a savepoint before the first job

    def sortKey(self) -> str:
        """Come after the databases."""
        return "~collective.wsgifutures.jobs"

    def tpc_begin(self, txn: Any) -> None:
        """Do nothing: a database keeps the jobs."""

    commit = tpc_vote = tpc_begin

    def tpc_finish(self, txn: Any) -> None:
        """Tell this process's runner."""
        self.tpc_abort(txn)
        for listener in listeners:
            _tell(listener)

    def tpc_abort(self, txn: Any) -> None:
        """Give the lane back, once."""
        if self.joined:
            self.joined = False
            lanes.give_back(self.lane)

    abort = tpc_abort

    def savepoint(self) -> "_Submission":
        """Return what a rollback undoes: nothing, since the database undoes the jobs."""
        return self

    def rollback(self) -> None:
        """Do nothing."""
