"""``@futures``: the live status for scripts, and for Volto.

::

    GET    @futures                    what all workers of the host do
    GET    @futures/<worker>/<hold>    one held response
    DELETE @futures/<worker>/<hold>    asks the worker to cancel that response

A user sees here what the page ``@@futures-status`` shows to this user.
"""

from ..browser.status.seen import Seen
from ..interfaces import _
from .services import PathService
from collections.abc import Mapping
from functools import cached_property
from typing import Any


class FuturesService(PathService):
    """The status, and the hold that the address names: what both services need."""

    own_name = "@futures"

    @cached_property
    def seen(self) -> Seen:
        """The status, for the current user."""
        return Seen(self.context, self.request)

    @property
    def url(self) -> str:
        """The address of the whole status."""
        return f"{self.context.absolute_url()}/@futures"

    @property
    def hold(self) -> Mapping[str, Any]:
        """The hold that the address names.

        Raises:
            NotFound: The hold has ended, or no hold has that name.
        """
        hold = self.seen.hold(*self.names) if len(self.names) == 2 else None
        if hold is None:
            raise self.not_found()
        return hold

    def describe(self, hold: Mapping[str, Any]) -> dict[str, Any]:
        """Return *hold* with its address."""
        return {"@id": f"{self.url}/{hold['worker']}/{hold['id']}", **hold}


class Get(FuturesService):
    """Returns the status, or one hold."""

    def reply(self) -> dict[str, Any]:
        """Return the hold that the address names; without a name, the whole status."""
        if self.names:
            return self.describe(self.hold)
        overview = self.seen.overview
        holds = [self.describe(hold) for hold in overview["holds"]]
        return {"@id": self.url, "state": self.seen.state.value, **overview, "holds": holds}


class Delete(FuturesService):
    """Cancels a hold."""

    def reply(self) -> dict[str, Any]:
        """Ask the worker to cancel the hold. That takes up to a second."""
        hold = self.hold
        self.seen.cancel(hold["worker"], hold["id"])
        self.request.response.setStatus(202)
        message = _(
            "The worker has been asked to cancel this response. Cancelling takes up to a second."
        )
        return {"message": self.translate(message), **self.describe(hold)}
