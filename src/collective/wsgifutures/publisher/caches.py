"""The functions that keep the results of others, for later requests."""

from collections.abc import Mapping
from types import CodeType

try:
    from plone.memoize import volatile
except ImportError:  # a Zope without Plone
    volatile = None


def of_plone() -> Mapping[CodeType, str]:
    """Return the wrapper that ``plone.memoize.ram``, ``volatile`` and ``forever`` make.

    In the form of ``Publisher.caches``.
    """
    return {volatile.cache(None)(of_plone).__code__: "fun"} if volatile else {}
