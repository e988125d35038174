"""The page ``@@wsgifutures-clock``: what is done at which times, and what became of it."""

from ...browser.status.seen import may_view
from ...browser.title import ITitled
from ...browser.views import View
from ...clock import acts
from ...clock.offered import offered_tasks
from ...interfaces import _
from .shown import show_entry
from .shown import ShownEntry
from functools import cached_property
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from zope.interface import implementer

PANEL = "@@wsgifutures-clock"
ACT = "@@wsgifutures-clock-act"


@implementer(ITitled)
class ClockControlPanel(View):
    """The page."""

    page_title = _("Timed work")
    index = ViewPageTemplateFile("panel.pt")

    def __call__(self) -> str:
        """Render the page."""
        self.prepare()
        return str(self.index())

    @property
    def site_url(self) -> str:
        """Where the site is."""
        return str(self.context.absolute_url())

    @property
    def act_url(self) -> str:
        """The target of the forms."""
        return f"{self.site_url}/{ACT}"

    @property
    def may_view_status(self) -> bool:
        """Tell whether the user may open the live status."""
        return may_view(self.context)

    @property
    def has_tasks(self) -> bool:
        """Tell whether somebody could add some: a task is offered."""
        return bool(offered_tasks())

    @cached_property
    def entries(self) -> list[ShownEntry]:
        """The timed work of the site, by its names."""
        return [show_entry(entry) for entry in acts.entries()]
