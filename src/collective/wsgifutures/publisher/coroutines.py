"""Refuses a view that is ``async def`` before Zope calls it.

Zope awaits nothing. It would take the coroutine for the answer, whose text looks like a tag: the
client would read 404, or "<coroutine object ...>" if a long name is in it.
"""

from ..kernel.declarations import check_not_async
from Acquisition import aq_base
from typing import Any

#: The methods of a view that Zope, z3c.form and plone.rest call.
_CALLED = ("__call__", "update", "render", "reply")


def refuse(published: Any) -> None:
    """Refuse *published*, a view or its method, if what is called is ``async def``.

    Raises:
        TypeError: It is.
    """
    base = aq_base(published)
    attribute = getattr(base, "__page_attribute__", "__call__")  # attribute= of <browser:page>
    for name in (attribute, *_CALLED):
        check_not_async(getattr(type(base), name, None))
    check_not_async(base)
