"""The page ``@@futures-status``: what visitors wait for right now, and a way to cancel it."""

from ...interfaces import _
from ..title import ITitled
from .asking import Asking
from .parts import Parts
from .seen import may_manage
from collections.abc import Mapping
from functools import cached_property
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zope.interface import implementer


@implementer(ITitled)
class Page(Parts):
    """The page of the live status."""

    page_title = _("Live status")
    name = "@@futures-status"
    lead: Any = _("What visitors wait for right now, in all workers of this host.")

    index = ViewPageTemplateFile("page.pt")

    def __call__(self) -> str:
        """Render the page over the whole width."""
        self.prepare()
        return str(self.index())

    @property
    def may_manage(self) -> bool:
        """Tell whether the user may open the control panel."""
        return may_manage(self.context)

    @property
    def may_handle(self) -> bool:
        """Tell whether the page has buttons for jobs."""
        return False

    @property
    def kept(self) -> dict[str, str]:
        """The part of the query that a refresh repeats."""
        return {name: self.asked(name) for name in ("sort", "cancelled")}

    @property
    def refresh_url(self) -> str:
        """The address of the refresh."""
        return self.url(f"{self.name}-data", **self.kept)

    @property
    def tabs(self) -> list[dict[str, Any]]:
        """The tabs of the status."""
        tabs = {"@@futures-status": _("Responses"), "@@futures-jobs": _("Jobs")}
        return [
            {"title": title, "url": self.url(name), "is_open": name == self.name}
            for name, title in tabs.items()
        ]

    @property
    def here_url(self) -> str:
        """The address of the page, with its query."""
        return self.url(self.name, **self.kept)

    @property
    def login_url(self) -> str:
        """The address of the login form that leads back to this page."""
        return self.url("login", came_from=self.here_url)


class Data(Parts):
    """The refresh that the page fetches every two seconds."""

    def __call__(self) -> str:
        """Return JSON."""
        return self.answer_json({"at": self.overview["at"], "html": self.parts()})


class Cancel(Asking):
    """Asks whether to cancel a hold, and cancels the hold when the answer is posted."""

    index = ViewPageTemplateFile("cancel.pt")

    def act(self) -> str:
        """Cancel the hold, and go back to the page."""
        worker, hold_id = self.asked("worker"), self.asked("hold")
        self.seen.cancel(worker, hold_id)
        return self.url(cancelled=f"{worker}/{hold_id}")

    @property
    def page_title(self) -> Any:
        """The title of the page, in the browser's tab."""
        held = _("Cancel this response?")
        return held if self.hold else _("This response is no longer held")

    @cached_property
    def hold(self) -> Mapping[str, Any] | None:
        """The hold; None if the hold has ended, or if the user does not see it."""
        return self.seen.hold(self.asked("worker"), self.asked("hold"))
