"""What the site that is being published wants, as the kernel and the upstreams ask for it.

Read in the pass, from the site's registry. Where there is no site, or the add-on is not
installed in it, the process is as it is set. No page fails for what is wrong in a registry:
it is logged once, and counts as not set.
"""

from ..kernel.sites import Sites
from ..kernel.sites import sites
from ..kernel.sites import SiteSettings
from ..upstreams.upstream import upstreams
from . import lines
from .interfaces import FIELDS
from .interfaces import PREFIX
from collections.abc import Mapping
from plone.registry.interfaces import IRegistry
from transaction.interfaces import TransientError
from typing import Any
from zope.component import queryUtility
from zope.component.hooks import getSite
from zope.interface import Invalid

import functools
import logging

logger = logging.getLogger(__name__)

#: What a site may only lower: it is the process that has to bear it.
_ONLY_LOWER = ("max_calls", "max_queue", "max_size")


def zope_has_started(event: Any) -> None:
    """Let the kernel and the upstreams ask."""
    if not any(isinstance(one, PloneSites) for one in sites):
        sites.append(PloneSites())


class PloneSites(Sites):
    """Reads the registry of the site that is being published."""

    def settings(self) -> SiteSettings | None:
        """Return what the site wants, None where there is no site."""
        return wanted()

    def of_upstream(self, name: str) -> Mapping[str, object]:
        """Return what the site changes of an upstream."""
        return overrides(name)


def wanted() -> SiteSettings | None:
    """Return what the site that is being published wants, None where there is none."""
    registry = _registry()
    if registry is None:
        return None
    return SiteSettings(
        in_place=setting("enabled", registry) is False,
        timeout=setting("timeout", registry),
        deadline=setting("deadline", registry),
        max_passes=setting("max_passes", registry),
    )


def overrides(upstream: str) -> Mapping[str, object]:
    """Return what the site that is being published changes of *upstream*."""
    registry = _registry()
    if registry is None:
        return {}
    texts: list[str] = []
    for name in ("upstream_addresses", "upstream_limits"):
        texts += setting(name, registry) or ()
    return _lowered(upstream, _understood(tuple(texts)).get(upstream, {})) if texts else {}


def setting(name: str, registry: Any = None) -> Any:
    """Return the setting *name* of the site that is being published, None where it has none.

    A record that is broken counts as none.
    """
    try:
        registry = _registry() if registry is None else registry
        if registry is None:
            return None
        value = registry.get(f"{PREFIX}.{name}")
        if value is not None and not name.startswith("upstream_"):  # those are looked at apart
            FIELDS[name].validate(value)
        return value
    except TransientError:
        raise
    except Exception as error:
        _log_once(f"The registry record {PREFIX}.{name} is ignored: {_told(error)}")
        return None


def _registry() -> Any:
    return None if getSite() is None else queryUtility(IRegistry)


def _lowered(upstream: str, changes: Mapping[str, Any]) -> Mapping[str, object]:
    known = upstreams.get(upstream)
    names = changes.keys() & set(_ONLY_LOWER)
    if known is None or not names:
        return changes
    return {**changes, **{n: min(changes[n], getattr(known.settings, n)) for n in names}}


@functools.lru_cache(maxsize=100)
def _understood(texts: tuple[str, ...]) -> Mapping[str, Mapping[str, object]]:
    """Return the settings that *texts* have for each upstream."""
    changes: dict[str, dict[str, object]] = {}
    for text in texts:
        try:
            line = lines.line_of(text, lines.FORMS)
        except Exception as error:
            _log_once(f"A line of {PREFIX}.upstream_* is ignored: {_told(error)}")
        else:
            changes.setdefault(line.upstream, {})[line.setting] = line.value
    return changes


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, Invalid) and error.args else type(error).__name__


@functools.lru_cache(maxsize=1000)
def _log_once(message: str) -> None:
    logger.error("%s", message)
