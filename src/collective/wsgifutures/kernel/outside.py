"""Adds a note to an error of Zope or Plone inside of a future, which runs outside of Zope.

The note is only for errors that look as if they need a site, a request, a user or a database
connection. Nothing of Zope is imported: its errors are recognized by the names of modules.
"""

from types import CodeType
from types import TracebackType

#: Packages and modules that use a site, a request, a user or a database connection.
_PARTS_OF_ZOPE = (
    *("AccessControl", "Acquisition", "App", "OFS", "persistent", "plone.api", "plone.app"),
    *("plone.base", "plone.dexterity", "plone.i18n", "plone.memoize", "plone.protect"),
    *("plone.registry", "plone.restapi", "Products.CMFCore", "Products.CMFPlone"),
    *("Products.MailHost", "Products.PlonePAS", "Products.PluggableAuthService"),
    *("Products.statusmessages", "Products.ZCatalog", "transaction", "Zope2", "ZODB"),
    *("zope.component", "zope.globalrequest", "zope.i18n", "zope.interface", "zope.security"),
    *("zope.site", "ZPublisher"),
)

#: Functions that return None outside of Zope.
_NONE_OUTSIDE = frozenset(("getRequest", "getSite", "queryAdapter", "queryUtility"))


def explain(name: str, error: BaseException) -> None:
    """Add a note to *error*, which the future *name* raised, if it comes of using Zope."""
    if _is_of_zope(error):
        error.add_note(
            f"{name} ran outside of Zope, as every future does: there is no site, no request, no "
            "user and no database connection. Read what it needs in the view, and pass it as an "
            "argument."
        )


def _is_of_zope(error: BaseException) -> bool:
    if any(_is_part_of_zope(kind.__module__) for kind in type(error).__mro__):
        return True
    trace = _innermost(error.__traceback__)
    if trace is None or error.__traceback__ is None:
        return False
    module, own = _module(trace), _module(error.__traceback__)
    if module != own and _is_part_of_zope(module):  # a future may be declared in such a package
        return True
    return _could_not_adapt(error) or _used_none(error, trace.tb_frame.f_code)


def _is_part_of_zope(module: str) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in _PARTS_OF_ZOPE)


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _module(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", ""))


def _could_not_adapt(error: BaseException) -> bool:
    """Tell whether an interface was called, and found no adapter."""
    return isinstance(error, TypeError) and error.args[:1] == ("Could not adapt",)


def _used_none(error: BaseException, code: CodeType) -> bool:
    """Tell whether *code* used the None that one of these functions gave."""
    try:
        used = isinstance(error, AttributeError | TypeError) and "NoneType" in str(error)
    except Exception:  # its own __str__ fails
        return False
    return used and not _NONE_OUTSIDE.isdisjoint(code.co_names)
