"""Where a deferred part stands, told in plain data, and how it is found again there.

It is found as the page found it: the view, the viewlet's manager or the portlet's are looked
up anew, and the same permissions are asked for. What a page's view had found out by itself is
not there.
"""

from ..kernel.arguments import take
from ..kernel.arguments import Unfit
from ..kernel.names import dotted_name
from ..kernel.placeholders import Fragment
from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from Acquisition import aq_base
from collections.abc import Callable
from dataclasses import dataclass
from plone.portlets.interfaces import IPortletManager
from plone.portlets.interfaces import IPortletRenderer
from plone.portlets.interfaces import IPortletRetriever
from plone.portlets.utils import hashPortletInfo
from typing import Any
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
        """Nothing provides this."""


VIEW = "View"

Told = dict[str, Any]


class NoPlace(Exception):
    """A part cannot be found again; the argument says why, and what to do."""


@dataclass
class Place:
    """Where a part stands.

    Args:
        context: What it is of.
        told: How to find it there, as JSON has it.
    """

    context: Any
    told: Told


@dataclass
class Found:
    """A part that was found again.

    Args:
        part: A new one like that in the page, None where it is a function.
        make: Gives what stands in the page.
    """

    part: Any
    make: Callable[[], str]


def place_of(fragment: Fragment, published: Any) -> Place:
    """Return where *fragment* stands.

    Args:
        fragment: It is being made.
        published: The view that is being published.

    Raises:
        NoPlace: It cannot be found again.
    """
    if fragment.call is not None:
        return _place_of_call(*fragment.call, published)
    part: Any = fragment.part
    for provided, place in _PLACES:
        if provided(part):
            return place(part)
    raise NoPlace(
        "the part is not a viewlet, a portlet, a tile or a named view; turn it into one of "
        "these, or leave out deferred=True"
    )


def path_of(context: Any) -> tuple[str, ...]:
    """Return the path of *context*.

    Raises:
        NoPlace: It is not found there, by who fetches a part of it.
    """
    path: tuple[str, ...] = getattr(context, "getPhysicalPath", tuple)()
    if not path or aq_base(context.unrestrictedTraverse(path, None)) is not aq_base(context):
        raise NoPlace("its object has no path in the site; leave out deferred=True")
    return path


def find(context: Any, request: Any, told: Told) -> Found:
    """Return what stands there.

    Raises:
        Unauthorized: The current user may not see it.
        NotFound: It is not there any more.
    """
    if not getSecurityManager().checkPermission(VIEW, context):
        raise Unauthorized(VIEW)
    return _FINDS[told["kind"]](context, request, told)


# views, which the others need


def _told_view(view: Any, context: Any) -> Told:
    name = getattr(view, "__name__", None)
    if not name or aq_base(getattr(view, "context", None)) is not aq_base(context):
        raise NoPlace("its view has no name of its own; leave out deferred=True")
    marks = [mark.__identifier__ for mark in directlyProvidedBy(aq_base(view))]
    return {"view": name, "marks": marks}


def _find_view(context: Any, told: Told) -> Any:
    try:
        view = context.restrictedTraverse(f"@@{told['view']}")
    except (AttributeError, KeyError):
        raise NotFound(told["view"]) from None
    alsoProvides(view, *map(resolve, told["marks"]))  # a page's own view has IViewView
    return view


def _place_of_view(view: Any) -> Place:
    return Place(view.context, {"kind": "view", **_told_view(view, view.context)})


def _found_view(context: Any, request: Any, told: Told) -> Found:
    view = _find_view(context, told)
    return Found(view, view)


# tiles


def _place_of_tile(tile: Any) -> Place:
    place = _place_of_view(tile)
    return Place(place.context, {**place.told, "kind": "tile", "id": tile.id})


def _found_tile(context: Any, request: Any, told: Told) -> Found:
    tile = _find_view(context, told)
    if told["id"] is not None:
        tile = tile[told["id"]]
    return Found(tile, tile)


# viewlets


def _place_of_viewlet(viewlet: Any) -> Place:
    manager = getattr(viewlet, "manager", None)
    if manager is None or not getattr(viewlet, "__name__", None):
        raise NoPlace("the viewlet has no manager; register the viewlet in ZCML")
    view = _told_view(manager.__parent__, viewlet.context)
    told = {"kind": "viewlet", **view, "manager": manager.__name__, "name": viewlet.__name__}
    return Place(viewlet.context, told)


def _found_viewlet(context: Any, request: Any, told: Told) -> Found:
    view, name = _find_view(context, told), told["name"]
    manager = queryMultiAdapter((context, request, view), IContentProvider, told["manager"])
    parts = (context, request, view, manager)
    viewlet = None if manager is None else queryMultiAdapter(parts, IViewlet, name)
    shown = [] if viewlet is None else manager.filter([(name, viewlet)])
    if not shown:  # it is hidden, or not permitted
        raise NotFound(name)
    viewlet = shown[0][1]
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
    view = _told_view(renderer.__parent__, renderer.context)
    return Place(renderer.context, {"kind": "portlet", **view, **names})


def _found_portlet(context: Any, request: Any, told: Told) -> Found:
    view = _find_view(context, told)
    manager = queryUtility(IPortletManager, told["manager"])
    retriever = manager and queryMultiAdapter((context, manager), IPortletRetriever)
    wanted = {name: told[name] for name in ("category", "key", "name")}
    shown = retriever.getPortlets() if retriever else []
    known = next((one for one in shown if wanted.items() <= one.items()), None)
    if known is None or not known["assignment"].available:
        raise NotFound(told["name"])
    data = known["assignment"].data
    renderer = queryMultiAdapter((context, request, view, manager, data), IPortletRenderer)
    if renderer is None:
        raise NotFound(told["name"])
    renderer.__portlet_metadata__ = {**known, "manager": told["manager"]}
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
        told = {"kind": "method", "method": name}
        args = args[1:]
    else:
        view, told = published, {"kind": "function", "function": dotted_name(function)}
    if not IBrowserView.providedBy(view):
        raise NoPlace("the page has no view to find the part by; leave out deferred=True")
    arguments = {"args": list(args), "kwargs": kwargs}
    if not _is_json(arguments):
        raise NoPlace(
            "its arguments are not plain data; pass only None, bool, numbers, str, and lists "
            "and dicts of these"
        )
    return Place(view.context, {**told, **_told_view(view, view.context), **arguments})


def _is_json(value: Any) -> bool:
    try:
        return take(json.loads(json.dumps(value)), "").identity == take(value, "").identity
    except (TypeError, ValueError, Unfit):
        return False


def _found_method(context: Any, request: Any, told: Told) -> Found:
    view = _find_view(context, told)
    function = getattr(type(aq_base(view)), told["method"], None)
    return _found_call(function, [view, *told["args"]], told["kwargs"])


def _found_function(context: Any, request: Any, told: Told) -> Found:
    _find_view(context, told)  # who may not see the page may not have it
    try:
        function = resolve(told["function"])
    except ImportError:
        raise NotFound(told["function"]) from None
    return _found_call(function, told["args"], told["kwargs"])


def _found_call(function: Any, args: list[Any], kwargs: dict[str, Any]) -> Found:
    if not getattr(function, "is_deferred", False):
        raise NotFound("not a deferred part")
    # Without its guard: what it asks for is waited for by who fetches it.
    return Found(None, lambda: str(function.__wrapped__(*args, **kwargs)))


_PLACES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Place]], ...] = (
    (lambda part: hasattr(part, "__portlet_metadata__"), _place_of_portlet),
    (IViewlet.providedBy, _place_of_viewlet),
    (ITile.providedBy, _place_of_tile),
    (IBrowserView.providedBy, _place_of_view),
)

_FINDS: dict[str, Callable[[Any, Any, Told], Found]] = {
    "portlet": _found_portlet,
    "viewlet": _found_viewlet,
    "tile": _found_tile,
    "view": _found_view,
    "method": _found_method,
    "function": _found_function,
}
