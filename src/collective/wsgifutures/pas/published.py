"""What a request is about to publish, as far as a token may be good for it.

A token is good for the services and views of content, and nothing else. So what is published has
to be one of these, found at the content itself:

- the content's own service: plone.rest's without a name, for the method and ``Accept``;
- a named service or view, ``@name`` or ``@@name``. Names behind it are its own, if it takes them
  itself (``publishTraverse``): ``@@images/image/large``. What Zope would find there (views of the
  view, attributes of what it returned, content again) is something else.

Where the content is, its containers tell: not the address, and not what it was acquired through.
"""

from ..tokens.refusals import Reason
from .refused import note_refused
from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from inspect import ismethod
from plone.uuid.interfaces import IUUID
from Products.CMFCore.interfaces import IContentish
from Products.CMFCore.interfaces import ISiteRoot
from typing import Any
from typing import NamedTuple
from zope.browser.interfaces import IBrowserView
from zope.publisher.interfaces import IPublishTraverse
from ZPublisher.xmlrpc import is_xmlrpc_response

try:
    from plone.rest.interfaces import IService
    from plone.rest.traverse import RESTWrapper
except ImportError:  # a Plone without plone.restapi
    IService = RESTWrapper = None

try:
    from plone.app.contenttypes.interfaces import ICollection
except ImportError:  # a Plone with other types
    ICollection = None

#: The name of the content's own service.
OWN = ""


def _nothing(reason: Reason) -> None:
    """Be called, where nobody counts."""


class Published(NamedTuple):
    """A service or a view at content, and how it is asked for."""

    content: Any
    site: Any  #: the Plone site that has the content
    name: str  #: ``OWN``, ``@name`` of a service, ``@@name`` of a view
    method: str  #: as ``GET``
    form: Any  #: of the request
    address: str = ""  #: where it is asked from, as Zope knows it
    refuse: Callable[[Reason], None] = _nothing  #: called if its token is not good

    def is_at_or_below(self, uid: str) -> bool:
        """Tell whether the content is, or is in, the one of that UID; none: in the site."""
        return not uid or any(IUUID(each, None) == uid for each in self.containers)

    @property
    def containers(self) -> list[Any]:
        """The content and what contains it, up to the site."""
        return list(_containers(self.content))

    @property
    def shows_others(self) -> bool:
        """Whether the content's own service is asked to show what is elsewhere in the site."""
        if self.name != OWN:
            return False
        if "expand" in self.form:
            return True
        if ICollection is not None and ICollection.providedBy(self.content):
            return str(self.form.get("include_items", "")).lower() not in ("0", "false")
        return "fullobjects" in self.form and "include_items" in self.form  # also of collections

    @property
    def expands(self) -> tuple[str, ...]:
        """The names of services whose answers are to be part of this one, as plone.restapi reads
        them: ``navigation``."""
        names = self.form.get("expand", [])
        names = names.split(",") if isinstance(names, str) else names
        return tuple(map(str, names)) if isinstance(names, (list, tuple)) else ("",)


def find_published(request: Any) -> Published | None:
    """Return what *request* is about to publish; None if no token is good for it."""
    if IService is None or is_xmlrpc_response(request.response):
        return None
    behind, content = _split(request)
    if not behind or not _is_view_of(behind[-1], content):
        return None
    method = str(request.environ.get("REQUEST_METHOD", "")).upper()
    view, site = behind[-1], find_site(content)
    name = _name_of(view, request)
    if name is None or site is None or not _are_its_own(behind, request):
        return None
    address = str(request.getClientAddr() or "")
    refuse = partial(note_refused, request)
    return Published(content, site, name, method, request.form, address, refuse)


def _split(request: Any) -> tuple[list[Any], Any]:
    """Return what was traversed behind the last content, backwards, and that content."""
    published = request.other.get("PUBLISHED")
    if published is None:  # somebody asks too early
        return [], None
    published = published.__self__ if ismethod(published) else published
    behind: list[Any] = []
    for each in (published, *request.other["PARENTS"]):
        each = each.context if isinstance(each, RESTWrapper) else each
        if IContentish.providedBy(each) or ISiteRoot.providedBy(each):
            return behind, each
        behind.append(each)
    return [], None


def _is_view_of(view: Any, content: Any) -> bool:
    """Tell whether *view* is one, and was found at *content*."""
    return IBrowserView.providedBy(view) and aq_base(view.context) is aq_base(content)


def _name_of(view: Any, request: Any) -> str | None:
    """Return the name by which a task may allow *view*."""
    name = getattr(view, "__name__", None)
    if not isinstance(name, str) or not name:
        return None
    if not IService.providedBy(view):
        return f"@@{name}"
    kind = vars(request).get("_rest_service_id")  # not from the form
    if kind is None or not name.startswith(kind):
        return None
    name = name[len(kind) :]
    return name if name == OWN or name.startswith("@") else None


def _are_its_own(behind: list[Any], request: Any) -> bool:
    """Tell whether the view itself gave what was traversed behind it: one object at most."""
    *inner, view = behind
    if not inner:
        return True
    steps = request.steps[-len(inner) :]
    others = {id(aq_base(each)) for each in inner} - {id(aq_base(view))}
    is_plain = not any(step.startswith(("@@", "++")) for step in steps)
    return IPublishTraverse.providedBy(view) and is_plain and len(others) <= 1


def _containers(content: Any) -> Iterator[Any]:
    """Yield *content* and what contains it, up to the site."""
    while content is not None:
        yield content
        content = None if ISiteRoot.providedBy(content) else aq_parent(aq_inner(content))


def find_site(content: Any) -> Any:
    """Return the site that has *content*; None: none has."""
    return next((each for each in _containers(content) if ISiteRoot.providedBy(each)), None)
