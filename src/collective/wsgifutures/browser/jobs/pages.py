"""The pages: ``@@wsgifutures-job/<id>``, which follows a job, and ``@@wsgifutures-my-jobs``.

A job that the user may not see does not exist for them: 404. Somebody who is not logged in is
sent to the login form, whatever the id is.
"""

from ...interfaces import _
from ...jobs import looking
from ...jobs.errors import NotInThatState
from ...jobs.records import Job
from ...jobs.store import find_store
from ...jobs.store import main_connection
from ..title import ITitled
from ..views import asked
from ..views import View
from . import acts
from . import following
from .accepted import ACCEPTED
from .accepted import FOLLOW
from .accepted import message_of
from .shown import LIST
from .shown import Shown
from .shown import site_url
from functools import cached_property
from plone import api
from plone.app.layout.viewlets.common import ViewletBase
from plone.protect import CheckAuthenticator
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zExceptions import MethodNotAllowed
from zExceptions import NotFound
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse

import time

#: Seconds that people have to read the end of a job before they are led on.
READING = 4

#: Seconds until the page loads anew where there is no JavaScript.
RELOAD = 5

#: How many jobs the list has.
MOST = 50


class JobsView(View):
    """What the pages have in common."""

    icon_class = "wsgifutures-icon"

    site_url = property(lambda self: site_url())
    list_url = property(lambda self: f"{site_url()}/{LIST}")


@implementer(IPublishTraverse)
class JobView(JobsView):
    """A view of the job that the rest of the path names."""

    part = ViewPageTemplateFile("part.pt")
    job_id = ""

    def publishTraverse(self, request: Any, name: str) -> "JobView":
        """Take the id from the path.

        Raises:
            NotFound: There is something behind the id.
        """
        if self.job_id:
            raise NotFound(name)
        self.job_id = name
        return self

    @cached_property
    def shown(self) -> Shown:
        """The job.

        Raises:
            Unauthorized: Nobody is logged in.
            NotFound: There is no such job, or the user may not see it.
        """
        return Shown(acts.find_job(self.job_id))

    @property
    def version(self) -> str:
        """The version of the job that is shown."""
        return following.version_of(self.shown.job)


@implementer(ITitled)
class Page(JobView):
    """The page that follows a job."""

    index = ViewPageTemplateFile("job.pt")
    reading = READING
    reload = RELOAD

    def __call__(self) -> str:
        """Render the page as the job is now."""
        self.prepare()
        self.shown  # noqa: B018  before anything is rendered
        return str(self.index())

    @property
    def page_title(self) -> Any:
        """What the task is called."""
        return self.shown.label

    @property
    def data_url(self) -> str:
        """Where the page asks for what is new."""
        return f"{self.site_url}/@@wsgifutures-job-data/{self.shown.id}"

    @property
    def leads_on(self) -> bool:
        """Whether the page leads on also if the job is done already: it was just submitted."""
        return self.asked(FOLLOW) == "1"

    @property
    def refresh(self) -> str:
        """What a browser without JavaScript does next; empty if it stays."""
        if not self.shown.job.ended:
            return str(self.reload)
        if self.leads_on and self.shown.leads_to:
            return f"{self.reading}; url={self.shown.leads_to}"
        return ""


class Data(JobView):
    """What is new of a job, as soon as there is something: the page fetches it."""

    def __call__(self) -> str:
        """Return JSON; wait before if the page has ``since`` already."""
        job = self.shown.job
        following.wait_for_change(job, self.asked("since"))
        return self.answer_json(
            {
                "version": self.version,
                "html": self.part(),
                "ended": job.ended,
                "goes_to": self.shown.leads_to,
                "again": following.seconds_to_pause(job, time.time()),
            }
        )


class Cancel(JobView):
    """Cancels a job, and goes back to its page: the target of a form."""

    def __call__(self) -> str:
        """Do it.

        Raises:
            MethodNotAllowed: It was not a POST.
            Forbidden: The form has no authenticator.
        """
        self.request.response.setHeader("Cache-Control", "no-store")
        shown = self.shown
        if self.request.method != "POST":
            raise MethodNotAllowed("Send the form of the page.")
        CheckAuthenticator(self.request)
        try:
            self.act(shown.job)
        except NotInThatState:
            text = _("It was too late: the job is in another state by now.")
            api.portal.show_message(text, self.request, type="warning")
        self.request.response.redirect(shown.url, status=303)
        return ""

    def act(self, job: Job) -> None:
        """Cancel *job*, or ask it to end."""
        acts.cancel(job)


class Retry(Cancel):
    """Lets a job be tried again."""

    def act(self, job: Job) -> None:
        """Let *job* wait again.

        Raises:
            Unauthorized: The user does not manage jobs.
        """
        acts.retry(job)


@implementer(ITitled)
class Mine(JobsView):
    """The list of the user's own jobs."""

    page_title = _("My jobs")
    index = ViewPageTemplateFile("mine.pt")
    most = MOST

    def __call__(self) -> str:
        """Render the list.

        Raises:
            Unauthorized: Nobody is logged in.
        """
        self.prepare()
        acts.check_logged_in()
        return str(self.index())

    @cached_property
    def jobs(self) -> list[Shown]:
        """The jobs, the newest first."""
        return [Shown(job) for job in looking.mine(MOST)]

    @property
    def is_offered(self) -> bool:
        """Whether the user menu has a line for this list: there was a job in this database.

        Asked for each page that a member opens, so it looks into the root and no further.
        """
        if api.user.is_anonymous():
            return False
        return find_store(main_connection(api.portal.get()._p_jar)) is not None


class AcceptedViewlet(ViewletBase):  # type: ignore[misc]
    """Tells that a job was accepted, where a browser was sent to another page than the job's."""

    index = ViewPageTemplateFile("accepted.pt")
    shown: Shown | None = None

    def update(self) -> None:
        """Find the job that the address names: on each page, so it looks into the query first."""
        id = asked(self.request, ACCEPTED)
        job = looking.get(id) if id and not api.user.is_anonymous() else None
        if job is not None:
            self.shown = Shown(job)
            self.text = message_of(self.shown)

    def render(self) -> str:
        """Render nothing where there is no such job."""
        return "" if self.shown is None else str(self.index())
