"""What a client of plone.restapi reads when a service was late or is unavailable.

plone.rest answers everybody with the text of an error, which names futures and hosts. Only
managers get it from here; others get the sentence that a visitor of the site reads.
"""

from ..browser.apology import apology_for
from ..browser.apology import may_see_inside
from ..interfaces import _
from ..wsgi import apologies
from plone.rest.errors import ErrorHandling
from typing import Any
from zope.i18n import translate


class ErrorAnswer(ErrorHandling):  # type: ignore[misc]
    """The answer to one error."""

    def __call__(self) -> None:
        """Answer in JSON, which no cache may keep."""
        self.request.response.setHeader("Cache-Control", "no-store")
        super().__call__()

    def render_exception(self, error: Exception) -> dict[str, Any]:
        """Return plone.rest's members, and ``retry_after``: seconds, as in the header."""
        answer: dict[str, Any] = super().render_exception(error)
        if not may_see_inside():
            sentences = apology_for(error).text, apologies.AGAIN
            answer["message"] = " ".join(
                translate(_(sentence), context=self.request) for sentence in sentences
            )
        seconds = getattr(error, "headers", {}).get("Retry-After")
        return answer if seconds is None else {**answer, "retry_after": int(seconds)}
