"""Tells the kernel which functions keep the results of others, for later requests."""

from ..kernel.placeholders import caches
from plone.memoize import volatile
from typing import Any


def register(event: Any) -> None:
    """Register the wrapper that ``plone.memoize.ram``, ``volatile`` and ``forever`` make."""
    caches[volatile.cache(None)(register).__code__] = "fun"
