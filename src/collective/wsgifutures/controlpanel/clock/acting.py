"""``@@wsgifutures-clock-act``: pauses, resumes and runs timed work, by POST."""

from ...browser.views import View
from ...clock import acts
from ...clock.errors import EntryUnknown
from ...interfaces import _
from ...kernel.errors import FuturesError
from .panel import PANEL
from collections.abc import Callable
from plone import api
from plone.protect import CheckAuthenticator
from typing import Any

#: What can be done, by its name in the form, and what the page says then.
VERBS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "run": (acts.run_now, _("A job was submitted: it is shown with its work.")),
    "pause": (acts.pause, _("The work is paused until somebody resumes it.")),
    "resume": (acts.resume, _("The work goes on. What was due meanwhile is not made up for.")),
}

GONE = _("There is no such work any more, so nothing was changed.")


class Act(View):
    """Does what a button says, and goes back to the page."""

    def __call__(self) -> str:
        """Do it.

        Raises:
            Forbidden: The form was posted without the authenticator of the page.
        """
        if self.request.method == "POST":
            CheckAuthenticator(self.request)
            message, kind = self._do()
            api.portal.show_message(message, self.request, kind)
        self.request.response.redirect(f"{self.context.absolute_url()}/{PANEL}")
        return ""

    def _do(self) -> tuple[Any, str]:
        """Do it; return what the page says then, and how."""
        verb, _colon, name = self.asked("what").partition(":")
        if verb not in VERBS:
            return GONE, "warning"
        act, done = VERBS[verb]
        try:
            act(name)
        except EntryUnknown:
            return GONE, "warning"
        except (FuturesError, TypeError) as error:
            return _("No job was submitted. ${error}", mapping={"error": str(error)}), "error"
        return done, "info"
