"""``@futures``: the live status for scripts, and for Volto.

::

    GET    @futures                    what all workers of the host do
    GET    @futures/<worker>/<hold>    one held response
    DELETE @futures/<worker>/<hold>    asks its worker to cancel it

What one may see is what the page ``@@futures-status`` shows.
"""

from ..browser.status.seen import Seen
from ..interfaces import _
from collections.abc import Mapping
from functools import cached_property
from plone.restapi.services import Service
from typing import Any
from zExceptions import NotFound
from zope.i18n import translate
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse


@implementer(IPublishTraverse)
class FuturesService(Service):  # type: ignore[misc]
    """What the services have in common: the status, and which hold is meant."""

    def __init__(self, context: Any, request: Any) -> None:
        super().__init__(context, request)
        self.names: list[str] = []

    def publishTraverse(self, request: Any, name: str) -> "FuturesService":
        """Take the names behind ``@futures``: those of a worker and of a hold."""
        self.names.append(name)
        return self

    @cached_property
    def seen(self) -> Seen:
        """The status, for the current user."""
        return Seen(self.context, self.request)

    @property
    def url(self) -> str:
        """Where all of it is."""
        return f"{self.context.absolute_url()}/@futures"

    @property
    def hold(self) -> Mapping[str, Any]:
        """The hold that is meant.

        Raises:
            NotFound: It has ended, or there is nothing of that name.
        """
        hold = self.seen.hold(*self.names) if len(self.names) == 2 else None
        if hold is None:
            raise NotFound("/".join(["@futures", *self.names]))
        return hold

    def told(self, hold: Mapping[str, Any]) -> dict[str, Any]:
        """Return *hold* with where it is."""
        return {"@id": f"{self.url}/{hold['worker']}/{hold['id']}", **hold}

    def render(self) -> Any:
        """Answer; nobody keeps it."""
        self.request.response.setHeader("Cache-Control", "no-store")
        return super().render()


class Get(FuturesService):
    """Tells it."""

    def reply(self) -> dict[str, Any]:
        """Return all, or one hold."""
        if self.names:
            return self.told(self.hold)
        overview = self.seen.overview
        holds = [self.told(hold) for hold in overview["holds"]]
        return {"@id": self.url, "state": self.seen.state.value, **overview, "holds": holds}


class Delete(FuturesService):
    """Cancels a hold."""

    def reply(self) -> dict[str, Any]:
        """Ask its worker to; that takes up to a second."""
        hold = self.hold
        self.seen.cancel(hold["worker"], hold["id"])
        self.request.response.setStatus(202)
        message = _(
            "The worker has been asked to cancel this response. Cancelling takes up to a second."
        )
        return {"message": translate(message, context=self.request), **self.told(hold)}
