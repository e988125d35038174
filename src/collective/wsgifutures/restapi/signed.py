"""What the addresses have in common that programs call which are nobody in Plone.

They are pages, and no services of plone.rest: it finds a service only for a client that accepts
JSON and says nothing else, while clients of OAuth, curl among them, accept anything. A page is
found for both. So no permission to use the REST API is asked for. Sites that close it to
anonymous visitors have workers all the same, and these prove who they are.
"""

from plone import api
from Products.Five import BrowserView
from typing import Any

import json


class Refused(Exception):
    """The answer to a request that is refused.

    Args:
        status: Of the answer.
        message: For the client.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


#: The types of errors, as plone.restapi has them.
TYPES = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    429: "TooManyRequests",
}


class SignedPage(BrowserView):  # type: ignore[misc]
    """One address. A method of the class, with its name in lower case, is one of HTTP."""

    methods: tuple[str, ...] = ()

    def __call__(self) -> str:
        """Answer, in JSON whatever happens."""
        self.request.response.setHeader("Content-Type", "application/json")
        self.request.response.setHeader("Cache-Control", "no-store")
        try:
            found = self.answer()
        except Refused as refused:
            self.request.response.setStatus(refused.status, lock=1)
            found = self.describe(refused)
        return "" if found is None else json.dumps(found)

    def describe(self, refused: Refused) -> dict[str, Any]:
        """Return the body of a refusal, as plone.restapi has it."""
        return {"type": TYPES[refused.status], "message": refused.message}

    def answer(self) -> Any:
        """Let the method of the request answer; None if there is no body.

        Raises:
            Refused: It is not one of this address.
        """
        method = str(self.request.environ.get("REQUEST_METHOD", "")).upper()
        if method not in self.methods:
            self.request.response.setHeader("Allow", ", ".join(self.methods))
            raise Refused(405, f"The methods here are: {', '.join(self.methods)}.")
        return getattr(self, method.lower())()

    @property
    def site(self) -> Any:
        """The site."""
        return api.portal.get()

    @property
    def site_path(self) -> str:
        """The path of the site."""
        return "/".join(self.site.getPhysicalPath())

    @property
    def address(self) -> str:
        """Where the request comes from, as Zope knows it."""
        return str(self.request.getClientAddr() or "")
