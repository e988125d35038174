"""Which functions keep what they call gives, for later requests."""

from collections.abc import Mapping
from types import CodeType

try:
    from plone.memoize import volatile
except ImportError:  # a Zope without Plone
    volatile = None


def of_plone() -> Mapping[CodeType, str]:
    """Return what ``plone.memoize.ram``, ``volatile`` and ``forever`` make of a function.

    As ``Publisher.caches`` has it.
    """
    return {volatile.cache(None)(of_plone).__code__: "fun"} if volatile else {}
