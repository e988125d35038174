"""Tells the kernel which functions keep what they call gives, for later requests."""

from ..kernel.placeholders import caches
from plone.memoize import volatile
from typing import Any


def register(event: Any) -> None:
    """Name what ``plone.memoize.ram``, ``volatile`` and ``forever`` make of a function."""
    caches[volatile.cache(None)(register).__code__] = "fun"
