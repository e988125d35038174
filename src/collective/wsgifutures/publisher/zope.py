"""What a pass has to know of Zope: the view, the user, the answers that are meant for clients."""

from ..kernel.names import dotted_name
from ..kernel.passes import Pass
from ..kernel.passes import Publisher
from ..kernel.placeholders import Fragment
from ..kernel.streams.answers import StreamAnswer
from ..wsgi.clients import find_client
from . import early_writes
from . import streams
from .interfaces import IDeferral
from .work import find_work
from AccessControl import getSecurityManager
from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from typing import Any
from zExceptions import HTTPException
from zExceptions import upgradeException
from zope.component import getSiteManager
from zope.component import queryAdapter
from zope.interface import implementedBy
from zope.publisher.interfaces import EndRequestEvent
from ZPublisher import HTTPRequest

import sys

#: In the environ of a pass that is going to be discarded.
THROW_ERRORS = "x-wsgiorg.throw_errors"
#: Letters of ``X-Forwarded-For`` that are read, from its end: more than twenty addresses.
_FORWARDED = 1000

DISCARD_MARKS = (THROW_ERRORS, "plone.transformchain.disable")


class ZopePublisher(Publisher):
    """Zope, as it publishes one pass.

    Args:
        this: The pass.
        request: Zope's request.
    """

    def __init__(self, this: Pass, request: Any) -> None:
        self._pass = this
        self._request = request
        self._name = ""
        self.later_commits: object = None  #: looks at the pass's transactions while it lives

    def view_name(self) -> str:
        """Return the dotted name of the view that is published, empty if it is not known yet."""
        return self._name or _view_name(self._request)

    def keep_view_name(self) -> None:
        """Keep the view's name for when the request is cleared."""
        self._name = _view_name(self._request)

    def is_answer(self, error: BaseException) -> bool:
        """Tell whether *error* is meant for the client: Unauthorized, NotFound, Redirect."""
        kind, _ = upgradeException(type(error), None)  # as ZPublisher does: by the class's name
        return issubclass(kind, HTTPException) and _status(kind, error) < 500

    def discard(self) -> None:
        """Mark the request, note whose it is, and check the view for carelessness."""
        hold, request = self._pass.hold, self._request
        request.environ.update(dict.fromkeys(DISCARD_MARKS, True))
        if hold.watch is not None:
            early_writes.look(self._pass)
        self._note_client()
        load_what_the_end_needs()

    def stream(self, answer: StreamAnswer) -> None:
        """Prepare the response for *answer*, and note whose request it is."""
        self._note_client()
        streams.prepare(answer, self._request)

    def public_url(self) -> str:
        """Return where visitors have the site, as a proxy has written it into the address."""
        return str(self._request["SERVER_URL"])

    def _note_client(self) -> None:
        hold = self._pass.hold
        if not hold.is_for_work:
            hold.client = _user() or ("address", _address(self._request.environ))

    @property
    def defers(self) -> bool:
        """Tell whether a browser gets this page, and fetches its deferred parts."""
        return self._deferral() is not None

    def defer(self, fragment: Fragment) -> str | None:
        """Return what is sent in place of *fragment*, None if the pass has to wait for it."""
        deferral = self._deferral()
        return None if deferral is None else deferral.defer(fragment)

    def _deferral(self) -> Any:
        if find_work(self._request.environ) is not None:  # no browser will fetch anything
            return None
        # Not kept: the adapter depends on the view, which is known after the traversal.
        return queryAdapter(self._request, IDeferral)


def load_what_the_end_needs() -> None:
    """Load from the database what Zope needs when it closes the request, after the connection.

    It asks the site for subscribers then. If the pass ends on its way to the view, they may not
    be loaded.
    """
    getSiteManager().adapters.subscriptions([implementedBy(EndRequestEvent)], None)


def _user() -> tuple[str, str, str] | None:
    """Return who is logged in: one id in two user folders is two users."""
    user = getSecurityManager().getUser()
    name = None if user is None else user.getId()
    if not name:
        return None
    folder = aq_parent(aq_inner(user))
    path = "" if folder is None else "/".join(folder.getPhysicalPath())
    return ("user", path, name)


def _address(environ: dict[str, Any]) -> str:
    """Return the address of a visitor; ``trusted-proxy`` of ``zope.conf`` has who is believed."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")[-_FORWARDED:]
    trusted = tuple(HTTPRequest.trusted_proxies)
    return find_client(str(environ.get("REMOTE_ADDR", "")), forwarded, trusted)


def _status(kind: type[HTTPException], error: BaseException) -> int:
    return int(error.getStatus() if isinstance(error, HTTPException) else kind.status)


def _view_name(request: Any) -> str:
    published = request.get("PUBLISHED")
    view = aq_base(getattr(published, "__self__", published))
    if view is None:
        return ""
    # A class that ZCML makes of a view's class is in no module.
    classes = [c for c in type(view).__mro__ if _is_in_its_module(c)]
    if classes[0].__module__.startswith("Products.Five."):  # a template without a class
        return f"@@{getattr(view, '__name__', '')}"
    return dotted_name(classes[0])


def _is_in_its_module(cls: type) -> bool:
    return getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls
