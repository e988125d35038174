"""``@@wsgifutures-workers-act``: asks before workers and keys lose rights, and acts by POST."""

from ...browser.status.asking import Asked
from ...browser.status.asking import Asking
from ...interfaces import _
from ...workers import acts
from ...workers.held import jobs_by_worker
from ...workers.registry import approve
from ...workers.registry import check_queues
from ...workers.registry import find_worker
from ...workers.registry import Worker
from .panel import PANEL
from enum import Enum
from functools import cached_property
from plone import api
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any


class Verb(Enum):
    """What can be done. The value is that in a form."""

    APPROVE = "approve"
    WITHDRAW = "withdraw"
    FORGET = "forget"
    ROTATE = "rotate"
    END_ALL = "end-all"


ASKED = {
    Verb.WITHDRAW: Asked(
        _("Withdraw this worker?"),
        _(
            "It gets no job any more, and what it still sends is refused at once. You can approve "
            "it again."
        ),
        _("Withdraw the worker"),
    ),
    Verb.FORGET: Asked(
        _("Forget this worker?"),
        _(
            "The site knows nothing of it any more, and refuses what it sends. It can introduce "
            "itself again, and then waits for approval."
        ),
        _("Forget the worker"),
    ),
    Verb.ROTATE: Asked(
        _("Change the key now?"),
        _(
            "A new key signs from now on. Nothing ends: tokens that the key of before has signed "
            "are good until they run out, for 31 days at most. The site changes its key every 90 "
            "days by itself."
        ),
        _("Change the key"),
        "primary",
    ),
    Verb.END_ALL: Asked(
        _("End all tokens?"),
        _(
            "A new key signs from now on, and no token of before is good any more: do this if "
            "somebody may have read the database. Workers ask for new tokens by themselves. A "
            "broker's messages that lie there now are worth nothing; the relay sends new ones."
        ),
        _("End all tokens"),
    ),
}

#: What the page says when it is done.
DONE = {
    Verb.APPROVE: _("The worker is approved. It gets jobs within a minute."),
    Verb.WITHDRAW: _("The worker is withdrawn."),
    Verb.FORGET: _("The worker is forgotten."),
    Verb.ROTATE: _("A new key signs from now on."),
    Verb.END_ALL: _("A new key signs from now on, and no token of before is good any more."),
}

OF_KEYS = (Verb.ROTATE, Verb.END_ALL)

GONE = _("There is no such worker any more, so nothing was changed.")
NO_QUEUES = _(
    "Nothing was changed: choose at least one queue. Queues that you type are separated by commas, "
    "and a name has at most 100 characters."
)


class Act(Asking):
    """Asks by GET, and acts by POST."""

    index = ViewPageTemplateFile("asking.pt")

    def __call__(self) -> str:
        """Ask; or act. What is asked in the control panel itself leads there."""
        if self.request.method != "POST" and self.verb in (None, Verb.APPROVE):
            self.request.response.redirect(self.panel_url)
            return ""
        return super().__call__()

    @property
    def panel_url(self) -> str:
        """The address of the control panel."""
        return self.url(PANEL)

    @property
    def verb(self) -> Verb | None:
        """What is to be done; None: there is no such thing."""
        return self.read_what(Verb)[0]

    @cached_property
    def worker(self) -> Worker | None:
        """The worker that it is about; None: it is gone, or it is about a key."""
        return find_worker(self.context, self.read_what(Verb)[1])

    @property
    def asks(self) -> Asked | None:
        """What the page asks; None: there is nothing to ask."""
        if self.verb not in OF_KEYS and self.worker is None:
            return None
        return ASKED.get(self.verb) if self.verb is not None else None

    @property
    def page_title(self) -> Any:
        """The title of the page."""
        return self.asks.title if self.asks else _("There is no such worker any more")

    @property
    def what(self) -> str:
        """What the button posts."""
        id = "" if self.worker is None else self.worker.id
        return "" if self.verb is None else f"{self.verb.value}:{id}"

    @property
    def loses(self) -> int:
        """How many jobs are taken from workers."""
        jobs = jobs_by_worker(self.context)
        if self.verb is Verb.END_ALL:
            return sum(map(len, jobs.values()))
        return 0 if self.worker is None else len(jobs.get(self.worker.id, ()))

    def act(self) -> str:
        """Do it, and go back to the control panel."""
        told, kind = self._do()
        api.portal.show_message(told, self.request, kind)
        return self.panel_url

    def _do(self) -> tuple[Any, str]:
        """Do it; return what the control panel says then, and how."""
        verb, me = self.verb, str(api.user.get_current().getId())
        if verb in OF_KEYS:
            acts.rotate(self.context, me, forget=verb is Verb.END_ALL)
        elif verb is None or self.worker is None:
            return GONE, "warning"
        elif verb is Verb.APPROVE:
            return self._approve(self.worker, me)
        else:
            act = acts.withdraw if verb is Verb.WITHDRAW else acts.forget
            act(self.context, self.worker, me)
        return DONE[verb], "info"

    def _approve(self, worker: Worker, me: str) -> tuple[Any, str]:
        try:
            queues = check_queues(self._queues)
        except ValueError:
            return NO_QUEUES, "error"
        approve(self.context, worker, queues, me)
        return DONE[Verb.APPROVE], "info"

    @property
    def _queues(self) -> list[str]:
        """The queues that were chosen and typed."""
        chosen = self.request.form.get("queues")
        chosen = chosen if isinstance(chosen, list) else []
        typed = [name.strip() for name in self.asked("others").split(",")]
        return [*chosen, *(name for name in typed if name)]
