"""The page ``@@wsgifutures-workers``: which workers there are, and which keys sign tokens."""

from ...browser.status.seen import may_view
from ...browser.title import ITitled
from ...browser.views import View
from ...interfaces import _
from ...workers.acts import keys_of
from ...workers.held import jobs_by_worker
from ...workers.registry import Worker
from ...workers.registry import workers_of
from ...workers.registry import WorkerState
from .shown import show_key
from .shown import show_queues
from .shown import show_worker
from .shown import ShownQueue
from .shown import ShownSignature
from .shown import ShownWorker
from functools import cached_property
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zope.interface import implementer

import time

PANEL = "@@wsgifutures-workers"
ACT = "@@wsgifutures-workers-act"


@implementer(ITitled)
class WorkersControlPanel(View):
    """The page."""

    page_title = _("Workers elsewhere")
    index = ViewPageTemplateFile("panel.pt")

    def __call__(self) -> str:
        """Render the page."""
        self.prepare()
        return str(self.index())

    @property
    def site_url(self) -> str:
        """Where the site is, as workers reach it."""
        return str(self.context.absolute_url())

    @property
    def act_url(self) -> str:
        """The target of the forms."""
        return f"{self.site_url}/{ACT}"

    def ask_url(self, what: str, id: str = "") -> str:
        """Return the address of the page that asks before *what* is done."""
        return f"{self.act_url}?what={what}:{id}"

    @property
    def may_view_status(self) -> bool:
        """Tell whether the user may open the live status."""
        return may_view(self.context)

    @cached_property
    def _workers(self) -> list[Worker]:
        return workers_of(self.context)

    @cached_property
    def parts(self) -> list[dict[str, Any]]:
        """The workers by their states: those that wait for a person first."""
        return [
            {"name": state.value, "workers": self._in_state(state)}
            for state in (WorkerState.PENDING, WorkerState.APPROVED, WorkerState.WITHDRAWN)
        ]

    def _in_state(self, state: WorkerState) -> list[ShownWorker]:
        now = time.time()
        found = (one for one in self._workers if one.state is state)
        return [show_worker(one, self._jobs.get(one.id, []), self.site_url, now) for one in found]

    @cached_property
    def _jobs(self) -> dict[str, list[Any]]:
        return jobs_by_worker(self.context)

    @property
    def are_none(self) -> bool:
        """Tell whether the site knows no worker."""
        return not self._workers

    @cached_property
    def queues(self) -> list[ShownQueue]:
        """The queues of the tasks elsewhere of this process."""
        return show_queues(self._workers)

    def choices(self, worker: ShownWorker) -> list[tuple[str, bool]]:
        """Return the queues to choose from for *worker*, and whether each is chosen."""
        chosen = worker.queues or worker.wanted
        names = {*(one.name for one in self.queues), *worker.wanted, *worker.queues}
        return [(name, name in chosen) for name in sorted(names)]

    def is_known(self, queue: str) -> bool:
        """Tell whether a task of this process has that queue."""
        return queue in {one.name for one in self.queues}

    @cached_property
    def keys(self) -> list[ShownSignature]:
        """The keys whose tokens may be good, the newest first."""
        return [show_key(key) for key in keys_of(self.context)]

    @property
    def commands(self) -> str:
        """What is typed on the machine of a worker."""
        queues = ",".join(one.name for one in self.queues) or "ocr"
        url, name = self.site_url, "wsgifutures-worker"
        lines = (
            f"pip install {name}",
            f"{name} init --url {url} --queues {_quoted(queues)} --key worker.pem",
            f"{name} check --url {url} --key worker.pem",
        )
        return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return *text* as a shell takes it."""
    return text if text.replace(",", "").replace("-", "").isalnum() else f"'{text}'"
