"""Refuses a view that is ``async def`` before Zope calls it.

Zope awaits nothing. It would take the coroutine for the answer, whose text looks like a tag: the
client would read 404, or "<coroutine object ...>" if a long name is in it.
"""

from ..kernel.declarations import check_not_async
from Acquisition import aq_base
from typing import Any

#: What the ``__call__`` of forms and REST services calls, and where that is.
_CALLED = ("update", "render", "reply")
_FRAMEWORKS = ("z3c.", "plone.")


def refuse(published: Any) -> None:
    """Refuse *published*, a view or its method, if what is called is ``async def``.

    Raises:
        TypeError: It is.
    """
    base = aq_base(published)
    attribute = getattr(base, "__page_attribute__", "__call__")  # attribute= of <browser:page>
    called = getattr(type(base), attribute, None)
    check_not_async(called)
    if str(getattr(called, "__module__", None)).startswith(_FRAMEWORKS):
        for name in _CALLED:  # a __call__ of a view's own may await them
            check_not_async(getattr(type(base), name, None))
    check_not_async(base)
