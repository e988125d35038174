"""What can go wrong with a job, as one small tree::

    FuturesError
     └ JobError
        ├ SubmitRefused                  in the view that submits
        ├ ContextGone, UserGone, ArgumentsLost, TooLate, StreamLost   nobody can do it: dead at once
        ├ TaskUnknown                    another process may know it
        ├ ClaimLost                      a runner was too late: what it did is not committed
        ├ TransactionChanged             the task committed, aborted or doomed by itself
        ├ NotItsUser, NotHeld            it would run as somebody else; or outside of a runner
        ├ AttemptTimeout                 also TimeoutError
        ├ AttemptFailed                  the published view answered with another status than 2xx
        ├ FailedElsewhere                a worker elsewhere says so
        │  └ GivenUpElsewhere            and that no attempt would help
        └ NotInThatState                 a person was too late
    Retry                                raised by a task

An error carries its facts as attributes and survives pickling.
"""

from ..kernel.errors import FuturesError
from .options import check_seconds
from collections.abc import Sequence
from enum import Enum


class JobError(FuturesError):
    """Something is wrong with a job."""


class Retry(Exception):
    """Raised by a task: this attempt failed, and the next one begins then.

    Args:
        after: Seconds until the next attempt.
        reason: What people see meanwhile.

    Raises:
        ValueError: *after* is not a number of 0 or more.
    """

    def __init__(self, after: float, reason: str = "") -> None:
        super().__init__(after, reason)
        self.after = check_seconds("after", after, zero=True)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason or f"The task wants another attempt in {self.after:g} s."


class TaskUnknown(JobError):
    """There is no task of that name in this process."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"There is no task {self.name!r} here. Was it renamed or removed? Declare it again "
            "under this name, @task(name=...), and retry the job."
        )


class ContextGone(JobError):
    """The object that the job is about is no longer there."""

    def __init__(self, uid: str, site: str) -> None:
        super().__init__(uid, site)
        self.uid = uid  #: of the object; empty for the site
        self.site = site  #: the path of the site

    def __str__(self) -> str:
        if not self.uid:
            return f"The site at {self.site} is gone, or is another one now."
        return f"The object with the UID {self.uid} was deleted from the site at {self.site}."


class TooLate(JobError):
    """A job was not done before its deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds  #: how long it had, in seconds

    def __str__(self) -> str:
        return (
            f"The job was not done within the {self.seconds:g} s that it had. Is its queue paused, "
            "or does no runner serve it? Retry the job, or submit it with a later deadline=."
        )


class ArgumentsLost(JobError):
    """The arguments of a job cannot be read any more."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The arguments of {self.name} cannot be read: {self.reason}. Was a class that they "
            "use moved or removed? Bring it back and retry the job."
        )


class StreamLost(JobError):
    """The process that made the stream has ended, and so there is no text for the job."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"The stream whose text {self.name} gets has never ended: its process did before. "
            "Ask for the stream again."
        )


class ClaimLost(JobError):
    """The job was given to another runner, or ended, while this one worked on it."""

    def __init__(self, job: str, state: str) -> None:
        super().__init__(job, state)
        self.job = job
        self.state = state  #: the state of the job now

    def __str__(self) -> str:
        return (
            f"The job {self.job} is {self.state}, and the claim is not its last one: what was done "
            "under it is not committed."
        )


class NotInThatState(JobError):
    """A job is not in a state in which that can be done."""

    def __init__(self, job: str, state: str, wanted: Sequence[str]) -> None:
        super().__init__(job, state, wanted)
        self.job = job
        self.state = state
        self.wanted = wanted

    def __str__(self) -> str:
        return (
            f"The job {self.job} is {self.state}. That can only be done while it is "
            f"{' or '.join(self.wanted)}."
        )


class AttemptTimeout(JobError, TimeoutError):
    """An attempt took too long; nothing of it is committed."""

    def __init__(self, task: str, timeout: float) -> None:
        super().__init__(task, timeout)
        self.task = task
        self.timeout = timeout  #: the limit that ran out, in seconds

    def __str__(self) -> str:
        return (
            f"{self.task} took longer than {self.timeout:g} s, and nothing of it is committed. "
            "Do less in one job, or raise timeout= where the task is declared."
        )


class AttemptFailed(JobError):
    """The view that a job publishes answered with another status than 2xx."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return (
            f"The view answered {self.status}, and nothing of it is committed. A job is done when "
            "its view answers 2xx; a redirect often leads to a login."
        )


class FailedElsewhere(JobError):
    """A worker elsewhere could not do the job."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text  #: what the worker says

    def __str__(self) -> str:
        return self.text or "The worker said that the job failed, and not why."


class GivenUpElsewhere(FailedElsewhere):
    """A worker elsewhere could not do the job, and says that nobody can."""


class Refusal(Enum):
    """Why nothing may be submitted where it was tried."""

    COMMITTED = (
        "the transaction is over, so the job would never be recorded. Submit in the view or in a "
        "before-commit hook, not in IPubSuccess, IPubFailure or an after-commit hook."
    )
    EARLY = (
        "nobody knows yet who sent the request, so the job would run as nobody. Submit in the view "
        "or in a subscriber to IPubAfterTraversal, not on the way to the view."
    )
    UNPROTECTED = (
        "the request is a logged-in user's and has no valid token of plone.protect, so another "
        "site may have sent it, and plone.protect may drop the job in silence. Send the request "
        "by POST with a token: in a form {view}, from a script the header X-CSRF-TOKEN with what "
        "@@authenticator/token returns, or call a service of plone.restapi that is made for this. "
        "If the request is safe all the same, say so before submit: "
        "alsoProvides(request, IDisableCSRFProtection)."
    )
    ANONYMOUS = (
        "the request is anonymous and only reads, so each crawler would submit a job. Let the "
        "page send a form by POST. If the request is meant to change something all the same, "
        "say so before submit: alsoProvides(request, IDisableCSRFProtection)."
    )
    NO_USER = (
        "the user has no id, as the emergency user has none, so no job could run as that user. "
        "Log in as a user of the site or of Zope's root."
    )


class SubmitRefused(JobError):
    """No job may be submitted here: it would be lost, or nobody meant it."""

    def __init__(self, reason: Refusal, method: str) -> None:
        super().__init__(reason, method)
        self.reason = reason
        self.method = method  #: of the request; empty if there is none

    def __str__(self) -> str:
        how = f" in a {self.method} request" if self.method else ""
        text = self.reason.value.replace("{view}", "context/@@authenticator/authenticator")
        return f"A job was submitted{how}, and refused: {text}"


class UserGone(JobError):
    """The user who submitted the job is not there any more."""

    def __init__(self, user: str, folder: str) -> None:
        super().__init__(user, folder)
        self.user = user  #: the id
        self.folder = folder  #: the path of the site or folder that had the user

    def __str__(self) -> str:
        where = self.folder or "Zope's root"
        return (
            f"There is no user {self.user!r} in {where} any more, and a job runs as nobody else. "
            "Bring the user back and retry the job, or submit it again as somebody else."
        )


class NotItsUser(JobError):
    """A job was not published as its user: something else answered for who is logged in."""

    def __init__(self, view: str, user: str) -> None:
        super().__init__(view, user)
        self.view = view  #: what was published
        self.user = user  #: whom it would have run as

    def __str__(self) -> str:
        return (
            f"{self.view} would have run as {self.user!r}, and not as who submitted the job: it "
            "has a user folder of its own (__allow_groups__). Publish another view."
        )


class NotHeld(JobError):
    """A job was published without a hold, which commits "done" with its effects."""

    def __str__(self) -> str:
        return "A job was published without a hold. Let a runner publish it."


class TransactionChanged(JobError):
    """A job's view ended or doomed its transaction, which has to be committed with "done"."""

    def __init__(self, view: str, how: str) -> None:
        super().__init__(view, how)
        self.view = view  #: what was published
        self.how = how  #: ``committed``, ``ended`` or ``doomed``

    def __str__(self) -> str:
        return f"{self.view} {_CHANGED[self.how]}"


_CHANGED = {
    "committed": (
        "called transaction.commit(). That was refused, and nothing is committed: what a job "
        'does is committed together with "done", once. Leave the commit to the runner.'
    ),
    "ended": (
        "called transaction.abort() or begin(), so what it did is not in the transaction in which "
        '"done" is recorded. The job is not done. Leave the transaction to the runner; to undo a '
        "part, use a savepoint."
    ),
    "doomed": (
        "doomed the transaction, so nothing is committed, and the job is not done. Raise an "
        "error instead; Retry says when to try again."
    ),
}
