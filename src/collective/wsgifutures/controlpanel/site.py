"""The settings of the site that is being published, for the kernel and the upstreams.

They are read in the pass, from the site's registry. Without a site, or in a site without the
add-on, the settings of the process apply. A broken record fails no page: it is logged once, and
counts as not set.
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

#: The settings that a site may only lower, since the process bears the load.
_ONLY_LOWER = ("max_calls", "max_queue", "max_size")


def zope_has_started(event: Any) -> None:
    """Let the kernel and the upstreams ask for the settings of sites."""
    if not any(isinstance(one, PloneSites) for one in sites):
        sites.append(PloneSites())


class PloneSites(Sites):
    """Reads the registry of the site that is being published."""

    def settings(self) -> SiteSettings | None:
        """Return what the site wants, None where there is no site."""
        registry = _registry()
        if registry is None:
            return None
        return SiteSettings(
            in_place=setting("enabled", registry) is False,
            timeout=setting("timeout", registry),
            deadline=setting("deadline", registry),
            max_passes=setting("max_passes", registry),
        )

    def of_upstream(self, name: str) -> Mapping[str, object]:
        """Return what the site changes of an upstream."""
        registry = _registry()
        if registry is None:
            return {}
        texts: list[str] = []
        for field in ("upstream_addresses", "upstream_limits"):
            texts += setting(field, registry) or ()
        return _lower(name, _parse(tuple(texts)).get(name, {})) if texts else {}


def setting(name: str, registry: Any = None) -> Any:
    """Return the setting *name* of the site that is being published; None if it is not set.

    A broken record counts as not set.
    """
    try:
        registry = _registry() if registry is None else registry
        if registry is None:
            return None
        value = registry.get(f"{PREFIX}.{name}")
        # The lines of upstreams are checked one by one, in ``_parse``.
        if value is not None and not name.startswith("upstream_"):
            FIELDS[name].validate(value)
        return value
    except TransientError:
        raise
    except Exception as error:
        _log_once(f"The registry record {PREFIX}.{name} is ignored: {_reason(error)}")
        return None


def _registry() -> Any:
    # Asked in each held request, in a site or not: plone.api would look it up for each setting.
    return None if getSite() is None else queryUtility(IRegistry)


def _lower(upstream: str, changes: Mapping[str, Any]) -> Mapping[str, object]:
    known = upstreams.get(upstream)
    names = changes.keys() & set(_ONLY_LOWER)
    if known is None or not names:
        return changes
    return {**changes, **{n: min(changes[n], getattr(known.settings, n)) for n in names}}


@functools.lru_cache(maxsize=100)  # filled when a site's lines are read; a change is a new key
def _parse(texts: tuple[str, ...]) -> Mapping[str, Mapping[str, object]]:
    """Return the settings in the lines *texts*, by upstream."""
    changes: dict[str, dict[str, object]] = {}
    for text in texts:
        try:
            line = lines.parse_line(text, lines.FORMS)
        except Exception as error:
            _log_once(f"A line of {PREFIX}.upstream_* is ignored: {_reason(error)}")
        else:
            changes.setdefault(line.upstream, {})[line.setting] = line.value
    return changes


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Invalid) and error.args else type(error).__name__


@functools.lru_cache(maxsize=1000)  # remembers what was logged, for the life of the process
def _log_once(message: str) -> None:
    logger.error("%s", message)
