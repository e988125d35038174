"""The page ``@@futures-status``: what everybody waits for right now, and how to end that."""

from .parts import Parts
from .parts import StatusView
from AccessControl import getSecurityManager
from collections.abc import Mapping
from functools import cached_property
from plone.protect import CheckAuthenticator
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any

import json

MANAGE_SETTINGS = "collective.wsgifutures: Manage settings"


class Page(Parts):
    """The page."""

    index = ViewPageTemplateFile("page.pt")

    def __call__(self) -> str:
        """Render it, over the whole width."""
        self.request.response.setHeader("Cache-Control", "no-store")
        for column in ("plone.leftcolumn", "plone.rightcolumn"):
            self.request.set(f"disable_{column}", 1)
        return str(self.index())

    @property
    def may_manage(self) -> bool:
        """Tell whether the user may open the control panel."""
        return bool(getSecurityManager().checkPermission(MANAGE_SETTINGS, self.context))

    @property
    def kept(self) -> dict[str, str]:
        """What of the request its refresh asks for too."""
        return {name: self.asked(name) for name in ("sort", "cancelled")}

    @property
    def refresh_url(self) -> str:
        """Where the refresh is."""
        return self.url("@@futures-status-data", **self.kept)

    @property
    def here_url(self) -> str:
        """Where the page is, as it is."""
        return self.url(**self.kept)

    @property
    def login_url(self) -> str:
        """Where to log in to come back here."""
        return self.url("login", came_from=self.here_url)


class Data(Parts):
    """What the page fetches every two seconds."""

    def __call__(self) -> str:
        """Return JSON: nothing looks for a page to decorate in it."""
        response = self.request.response
        response.setHeader("Cache-Control", "no-store")
        response.setHeader("Content-Type", "application/json; charset=utf-8")
        return json.dumps({"at": self.overview["at"], "html": self.parts()})


class Cancel(StatusView):
    """Asks whether to cancel a hold, and does so where that is posted."""

    index = ViewPageTemplateFile("cancel.pt")

    def __call__(self) -> str:
        """Ask, or do it and go back to the page.

        Raises:
            Forbidden: It is posted without the authenticator of the page.
        """
        self.request.response.setHeader("Cache-Control", "no-store")
        if self.request.method != "POST":
            return str(self.index())
        CheckAuthenticator(self.request)
        worker, hold_id = self.asked("worker"), self.asked("hold")
        self.seen.cancel(worker, hold_id)
        self.request.response.redirect(self.url(cancelled=f"{worker}/{hold_id}"))
        return ""

    @cached_property
    def hold(self) -> Mapping[str, Any] | None:
        """The hold, None where it has ended, or is none that the user sees."""
        return self.seen.hold(self.asked("worker"), self.asked("hold"))
