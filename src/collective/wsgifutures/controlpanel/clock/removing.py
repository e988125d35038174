"""``@@wsgifutures-clock-remove``: asks before timed work is removed, and removes it by POST."""

from ...browser.status.asking import Asking
from ...clock import acts
from ...clock import changes
from ...clock.entries import Entry
from ...clock.errors import EntryDeclared
from ...clock.errors import EntryUnknown
from ...interfaces import _
from .acting import GONE
from .panel import PANEL
from plone import api
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any

REMOVE = "@@wsgifutures-clock-remove"


class Remove(Asking):
    """Asks by GET, and removes by POST."""

    page_title = _("Remove this timed work?")
    index = ViewPageTemplateFile("remove.pt")

    @property
    def panel_url(self) -> str:
        """The page that lists all."""
        return self.url(PANEL)

    @property
    def entry(self) -> Entry | None:
        """What would be removed; None: it is gone, or declared in ZCML."""
        try:
            found = acts.find_entry(self.asked("entry"))
        except EntryUnknown:
            return None
        return None if found.is_declared else found

    def title_of(self, entry: Entry) -> Any:
        """Return what *entry* does, for people."""
        return acts.title_of(entry)

    def act(self) -> str:
        """Do it, and go back to the page."""
        try:
            changes.remove(self.asked("entry"))
        except (EntryUnknown, EntryDeclared):
            api.portal.show_message(GONE, self.request, "warning")
        else:
            message = _("The timed work is removed. Jobs that it has submitted stay.")
            api.portal.show_message(message, self.request, "info")
        return self.panel_url
