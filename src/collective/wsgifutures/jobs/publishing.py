"""Publishes a job as the user who submitted it, in a request that nobody sent.

What makes a request a job is a ``Run`` in its environ, where HTTP can put strings only.

- ``IPubStart``: the request gets the class ``JobRequest`` and the layer ``ITaskLayer``.
- While Zope traverses, ``BaseRequest.traverse`` looks in ``PARENTS`` for who lets users in, the
  nearest one first. ``JobRequest`` keeps a ``_Door`` there, which lets the job's user in: so
  roles, permissions and owners are theirs from the first check on, without a plugin, a ticket
  or a password. The door is gone when the view runs.
- ``IPubAfterTraversal``: a token for views that ask plone.protect, and no caching.
- The end of the pass is in ``publisher.events``: it calls ``Run`` as a ``Work``.

plone.transformchain is off: nobody looks at the page, and plone.protect's transform aborts.
"""

from ..kernel.passes import current_pass
from ..publisher.work import find_work
from ..publisher.work import WORK
from ..publisher.work import Work
from ..publisher.zope import THROW_ERRORS
from .errors import NotHeld
from .errors import NotItsUser
from .errors import TransactionChanged
from .interfaces import INotCached
from .interfaces import ITaskLayer
from .origin import find_user
from .origin import Origin
from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.ZopeSecurityPolicy import _noroles
from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from collections.abc import Callable
from persistent import Persistent
from plone.keyring.interfaces import IKeyManager
from plone.protect.authenticator import createToken
from Products.Five import BrowserView
from transaction._transaction import Status
from typing import Any
from zExceptions import NotFound
from zope.component import queryUtility
from zope.interface import alsoProvides
from zope.interface import directlyProvidedBy
from zope.interface import directlyProvides
from ZPublisher.BaseRequest import UNSPECIFIED_ROLES
from ZPublisher.HTTPRequest import WSGIRequest
from ZPublisher.interfaces import IPubAfterTraversal

import transaction

#: In the environ of a job: its ``Run``.
JOB = WORK

#: The view that calls a task's function.
TASK_VIEW = "@@wsgifutures-task"

#: plone.transformchain's switch, in the environ.
_NO_TRANSFORMS = "plone.transformchain.disable"


class Run(Work):
    """One job, as it is published. A pass that is published again begins it anew.

    Args:
        origin: Who it runs as.
        done: Called as the last hook before the commit, with the connection of the main
            database and the result. It writes "done"; if it raises, nothing is committed.
        function: Called by ``TASK_VIEW`` with context and request; None for another view.
        view: The view that is published, for messages.
    """

    def __init__(
        self,
        origin: Origin,
        done: Callable[[Any, Any], None],
        *,
        function: Callable[[Any, Any], Any] | None = None,
        view: str = TASK_VIEW,
    ) -> None:
        self.origin = origin
        self.done = done
        self.function = function
        self.view = view
        self._forget()

    def begin(self) -> None:
        """Begin a pass."""
        self._forget()

    def _forget(self) -> None:
        """Forget what an earlier pass left."""
        self.result: Any = None  #: what the function returned
        self.status = 0  #: of the response, when the transaction was about to be committed
        self.error: BaseException | None = None  #: what ended the last pass
        self.transaction: Any = None  #: the one in which all has to happen
        self.is_in_task = False  #: whether the function is being called
        self.is_at_end = False  #: whether the view has returned
        self._doomed_by = "doomed"

    @property
    def committed(self) -> bool:
        """Whether the effects and "done" are in the database."""
        return self.transaction is not None and self.transaction.status is Status.COMMITTED

    def watch(self, txn: Any) -> None:
        """Remember the transaction, and let nothing but Zope end it."""
        self.transaction = txn
        txn.addBeforeCommitHook(self._refuse_the_views_commit)
        txn.addAfterAbortHook(self._refuse_the_tasks_abort)

    def _refuse_the_views_commit(self) -> None:
        if not self.is_at_end:
            self._doomed_by = "committed"
            self.transaction.doom()  # also if the view swallows the error
            raise TransactionChanged(self.view, self._doomed_by)

    def _refuse_the_tasks_abort(self) -> None:
        if self.is_in_task:  # else Zope aborts, or a published view, which is refused at its end
            raise TransactionChanged(self.view, "ended")

    def call(self, context: Any, request: Any) -> None:
        """Do the work of a task, and keep the result."""
        if self.function is None:
            raise NotFound(TASK_VIEW)
        self.is_in_task = True
        try:
            self.result = self.function(context, request)
        finally:
            self.is_in_task = False

    def is_about_to_commit(self) -> None:
        """Refuse a transaction that is doomed or another one."""
        self._check()
        self.is_at_end = True

    def finish(self, request: Any) -> None:
        """Write "done"."""
        self._check()  # again: a hook may have doomed it, which does not stop a commit any more
        self.status = int(request.response.getStatus())
        self.done(request["PARENTS"][-1]._p_jar, self.result)

    def _check(self) -> None:
        now = transaction.get()
        if now is not self.transaction:
            raise TransactionChanged(self.view, "ended")
        if now.isDoomed():
            raise TransactionChanged(self.view, self._doomed_by)

    def fail(self, error: BaseException) -> None:
        """Keep the error: a WSGI filter may make a response of it."""
        self.error = error


def find_run(request: Any) -> Run | None:
    """Return the job that *request* is, or is made by; None if it is none's."""
    found = find_work(getattr(request, "environ", {}))
    return found if isinstance(found, Run) else None


class _Door:
    """Lets the user of a job in, and nobody else. ``BaseRequest.traverse`` asks it."""

    is_passed = False

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    @property
    def __allow_groups__(self) -> "_Door":
        return self

    def validate(self, request: Any, auth: Any = "", roles: Any = UNSPECIFIED_ROLES) -> Any:
        """Return the user, who may do this.

        Raises:
            UserGone: There is no such user.
            Unauthorized: The user may not.
        """
        request.shut_door()
        user = find_user(self._origin, request["PARENTS"][-1])
        newSecurityManager(request, user)
        if not _is_allowed(request, roles):
            text = f"{self._origin.user_name!r} may not publish {request['URL']}."
            raise Unauthorized(text)
        self.is_passed = True
        return user


def _is_allowed(request: Any, roles: Any) -> bool:
    """Ask the security policy, as a user folder does."""
    published, accessed = request["PUBLISHED"], request["PARENTS"][0]
    container = aq_parent(aq_inner(published))
    roles = _noroles if roles is UNSPECIFIED_ROLES else roles
    arguments = (accessed, accessed if container is None else container, request.steps[-1])
    try:
        return bool(getSecurityManager().validate(*arguments, published, roles))
    except Unauthorized:
        return False


class JobRequest(WSGIRequest):  # type: ignore[misc]
    """The request of a job, and those that its view makes of it."""

    def traverse(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """Traverse as the user of the job."""
        self._door = _Door(self.environ[JOB].origin)
        try:
            return super().traverse(path, *args, **kwargs)
        finally:
            self.shut_door()

    def traverseName(self, ob: Any, name: str) -> Any:
        """Take one step; the door goes along, between the last two objects."""
        traverses = "_post_traverse" in vars(self)  # others ask for one step, too
        if traverses:
            self.shut_door()
        found = super().traverseName(ob, name)
        if traverses:
            self["PARENTS"].append(self._door)
        return found

    traverseName__roles__ = ()

    def shut_door(self) -> None:
        """Take the door out of ``PARENTS``."""
        parents = self["PARENTS"]
        parents[:] = [parent for parent in parents if not isinstance(parent, _Door)]

    @property
    def is_its_users(self) -> bool:
        """Whether the user of the job was let in, and not somebody else."""
        return self._door.is_passed

    def clone(self) -> Any:
        """Return a subrequest: as the same user, but no way to the views of tasks."""
        clone = super().clone()
        directlyProvides(clone, directlyProvidedBy(clone) - ITaskLayer)
        return clone


class TaskView(BrowserView):  # type: ignore[misc]
    """Calls the function of a task. Only what is published does, not what looks this view up."""

    def __call__(self) -> str:
        """Keep the result."""
        run = find_run(self.request)
        if run is None or self.request["PUBLISHED"] is not self:
            raise NotFound(TASK_VIEW)
        run.call(self.context, self.request)
        return ""


class NoRuleset:
    """Tells plone.caching of no ruleset."""

    def __init__(self, published: Any, request: Any) -> None:
        """Need nothing."""

    def __call__(self) -> None:
        """Return none."""


def job_starts(event: Any) -> None:
    """Make the request that of a job, if there is a run in its environ.

    Raises:
        NotHeld: Nothing would write "done".
    """
    request = event.request
    run = find_run(request)
    if run is None:
        return
    if current_pass() is None:
        request.environ[THROW_ERRORS] = True  # Zope expects no error this early
        raise NotHeld
    request.__class__ = JobRequest
    alsoProvides(request, ITaskLayer)
    request.environ[_NO_TRANSFORMS] = True
    run.begin()


def job_is_traversed(event: Any) -> None:
    """Prepare what the view needs: its user is known now.

    Raises:
        NotItsUser: Somebody else was let in.
    """
    request = event.request
    run = find_run(request)
    if run is None or not IPubAfterTraversal.providedBy(event):
        return
    if not request.is_its_users:
        raise NotItsUser(run.view, str(getSecurityManager().getUser().getUserName()))
    _give_token(request)
    _let_nothing_cache(request)
    run.watch(transaction.get())


def _give_token(request: Any) -> None:
    """Let the view pass what it asks of plone.protect: nobody can have forged a job."""
    if queryUtility(IKeyManager) is None:  # outside of a site
        return
    token = request.environ["HTTP_X_CSRF_TOKEN"] = createToken()
    if "_authenticator" in request.form:  # of the form as it was submitted
        request.form["_authenticator"] = token


def _let_nothing_cache(request: Any) -> None:
    published = aq_base(getattr(request["PUBLISHED"], "__self__", request["PUBLISHED"]))
    if not isinstance(published, Persistent):
        alsoProvides(published, INotCached)
