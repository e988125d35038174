"""Where a deferred part stands, as plain data, and how to find the part again from that data.

The part is found as the page has found it: the view, the manager of a viewlet or the manager of
a portlet is looked up again, and the same permissions are checked. Attributes that the page's
view has set on itself are missing.
"""

from ..kernel.arguments import take
from ..kernel.arguments import Unfit
from ..kernel.names import dotted_name
from ..kernel.placeholders import Fragment
from AccessControl import Unauthorized
from Acquisition import aq_base
from collections.abc import Callable
from plone import api
from plone.portlets.interfaces import IPortletManager
from plone.portlets.interfaces import IPortletRenderer
from plone.portlets.interfaces import IPortletRetriever
from plone.portlets.utils import hashPortletInfo
from typing import Any
from typing import NamedTuple
from zExceptions import NotFound
from zope.component import queryMultiAdapter
from zope.component import queryUtility
from zope.contentprovider.interfaces import BeforeUpdateEvent
from zope.contentprovider.interfaces import IContentProvider
from zope.dottedname.resolve import resolve
from zope.event import notify
from zope.interface import alsoProvides
from zope.interface import directlyProvidedBy
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserView
from zope.viewlet.interfaces import IViewlet

import json

try:
    from plone.tiles.interfaces import ITile
except ImportError:  # a Plone without tiles

    class ITile(Interface):  # type: ignore[misc, no-redef]
        """A tile; nothing provides this interface."""


VIEW = "View"

Data = dict[str, Any]


class NoPlace(Exception):
    """A part cannot be found again; the argument says why, and what to do instead."""


class Place(NamedTuple):
    """Where a part stands."""

    context: Any  #: the object that the part belongs to
    data: Data  #: how to find the part on that object, in types that JSON has


class Found(NamedTuple):
    """A part that was found again."""

    part: Any  #: a new viewlet, portlet, tile or view like that in the page; None for a function
    make: Callable[[], str]  #: returns the markup of the part


def place_of(fragment: Fragment, published: Any) -> Place:
    """Return where *fragment* stands, which is being made by *published*, a view.

    Raises:
        NoPlace: The part cannot be found again.
    """
    if fragment.call is not None:
        return _place_of_call(*fragment.call, published)
    part: Any = fragment.part
    for provided, place in _PLACES:
        if provided(part):
            return place(part)
    raise NoPlace(
        "the part is not a viewlet, a portlet, a tile or a named view; make it a viewlet, say, "
        "or leave out deferred=True"
    )


def path_of(context: Any) -> tuple[str, ...]:
    """Return the path of *context*.

    Raises:
        NoPlace: The request for a part would not find *context* by this path.
    """
    path: tuple[str, ...] = getattr(context, "getPhysicalPath", tuple)()
    if not path or aq_base(context.unrestrictedTraverse(path, None)) is not aq_base(context):
        raise NoPlace("its object has no path in the site; leave out deferred=True")
    return path


def find(context: Any, request: Any, data: Data) -> Found:
    """Return the part that *data* describes, on *context*.

    Raises:
        Unauthorized: The current user may not see *context*, or not the part.
        NotFound: The part does not exist any more.
    """
    if not api.user.has_permission(VIEW, obj=context):
        raise Unauthorized(VIEW)
    return _FINDS[data["kind"]](context, request, data)


# views; the other kinds build on them


def _describe_view(view: Any, context: Any) -> Data:
    name = getattr(view, "__name__", None)
    if not name or aq_base(getattr(view, "context", None)) is not aq_base(context):
        raise NoPlace("its view has no name of its own; leave out deferred=True")
    marks = [mark.__identifier__ for mark in directlyProvidedBy(aq_base(view))]
    return {"view": name, "marks": marks}


def _get_view(context: Any, data: Data) -> Any:
    try:
        view = context.restrictedTraverse(f"@@{data['view']}")
    except (AttributeError, KeyError):
        raise NotFound(data["view"]) from None
    alsoProvides(view, *map(resolve, data["marks"]))  # the view of a page provides IViewView
    return view


def _place_of_view(view: Any) -> Place:
    return Place(view.context, {"kind": "view", **_describe_view(view, view.context)})


def _find_view(context: Any, request: Any, data: Data) -> Found:
    view = _get_view(context, data)
    return Found(view, view)


# tiles


def _place_of_tile(tile: Any) -> Place:
    place = _place_of_view(tile)
    return Place(place.context, {**place.data, "kind": "tile", "id": tile.id})


def _find_tile(context: Any, request: Any, data: Data) -> Found:
    tile = _get_view(context, data)
    if data["id"] is not None:
        tile = tile[data["id"]]
    return Found(tile, tile)


# viewlets


def _place_of_viewlet(viewlet: Any) -> Place:
    manager = getattr(viewlet, "manager", None)
    if manager is None or not getattr(viewlet, "__name__", None):
        raise NoPlace("the viewlet has no manager; register the viewlet in ZCML")
    view = _describe_view(manager.__parent__, viewlet.context)
    data = {"kind": "viewlet", **view, "manager": manager.__name__, "name": viewlet.__name__}
    return Place(viewlet.context, data)


def _find_viewlet(context: Any, request: Any, data: Data) -> Found:
    view, name = _get_view(context, data), data["name"]
    manager = queryMultiAdapter((context, request, view), IContentProvider, data["manager"])
    parts = (context, request, view, manager)
    viewlet = None if manager is None else queryMultiAdapter(parts, IViewlet, name)
    visible = [] if viewlet is None else manager.filter([(name, viewlet)])
    if not visible:  # the viewlet is hidden, or not permitted
        raise NotFound(name)
    viewlet = visible[0][1]
    viewlet.__name__ = name

    def make() -> str:
        notify(BeforeUpdateEvent(viewlet, request))
        viewlet.update()
        return str(viewlet.render())

    return Found(viewlet, make)


# portlets


def _place_of_portlet(renderer: Any) -> Place:
    known = renderer.__portlet_metadata__
    names = {name: known[name] for name in ("manager", "category", "key", "name")}
    view = _describe_view(renderer.__parent__, renderer.context)
    return Place(renderer.context, {"kind": "portlet", **view, **names})


def _find_portlet(context: Any, request: Any, data: Data) -> Found:
    view = _get_view(context, data)
    manager = queryUtility(IPortletManager, data["manager"])
    retriever = manager and queryMultiAdapter((context, manager), IPortletRetriever)
    wanted = {name: data[name] for name in ("category", "key", "name")}
    portlets = retriever.getPortlets() if retriever else []
    known = next((p for p in portlets if wanted.items() <= p.items()), None)
    if known is None or not known["assignment"].available:
        raise NotFound(data["name"])
    parts = (context, request, view, manager, known["assignment"].data)
    renderer = queryMultiAdapter(parts, IPortletRenderer)
    if renderer is None:
        raise NotFound(data["name"])
    renderer.__portlet_metadata__ = {**known, "manager": data["manager"]}
    hashPortletInfo(renderer.__portlet_metadata__)

    def make() -> str:
        if not renderer.available:
            return ""
        renderer.update()
        return str(renderer.render())

    return Found(renderer, make)


# methods of views, and functions


def _place_of_call(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], published: Any
) -> Place:
    view: Any = args[0] if args and IBrowserView.providedBy(args[0]) else None
    name = function.__name__
    if view is not None and getattr(type(aq_base(view)), name, None) is function:
        data = {"kind": "method", "method": name}
        args = args[1:]
    else:
        view, data = published, {"kind": "function", "function": dotted_name(function)}
    if not IBrowserView.providedBy(view):
        raise NoPlace("the page has no view to find the part by; leave out deferred=True")
    arguments = {"args": list(args), "kwargs": kwargs}
    if not _is_json(arguments):
        raise NoPlace(
            "its arguments are not plain data; pass only None, bool, numbers, str, and lists "
            "and dicts of these"
        )
    return Place(view.context, {**data, **_describe_view(view, view.context), **arguments})


def _is_json(value: Any) -> bool:
    try:
        return take(json.loads(json.dumps(value)), "").identity == take(value, "").identity
    except (TypeError, ValueError, Unfit):
        return False


def _find_method(context: Any, request: Any, data: Data) -> Found:
    view = _get_view(context, data)
    function = getattr(type(aq_base(view)), data["method"], None)
    return _find_call(function, [view, *data["args"]], data["kwargs"])


def _find_function(context: Any, request: Any, data: Data) -> Found:
    _get_view(context, data)  # raises Unauthorized for a user who may not see the page
    try:
        function = resolve(data["function"])
    except ImportError:
        raise NotFound(data["function"]) from None
    return _find_call(function, data["args"], data["kwargs"])


def _find_call(function: Any, args: list[Any], kwargs: dict[str, Any]) -> Found:
    if not getattr(function, "is_deferred", False):
        raise NotFound("not a deferred part")
    # The plain function, without placeholders: the request for the part waits for its calls.
    return Found(None, lambda: str(function.__wrapped__(*args, **kwargs)))


_PLACES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Place]], ...] = (
    (lambda part: hasattr(part, "__portlet_metadata__"), _place_of_portlet),
    (IViewlet.providedBy, _place_of_viewlet),
    (ITile.providedBy, _place_of_tile),
    (IBrowserView.providedBy, _place_of_view),
)

_FINDS: dict[str, Callable[[Any, Any, Data], Found]] = {
    "portlet": _find_portlet,
    "viewlet": _find_viewlet,
    "tile": _find_tile,
    "view": _find_view,
    "method": _find_method,
    "function": _find_function,
}
