"""The settings of the process and its upstreams, as the control panel shows them.

They belong to whoever runs the server. A site shows them, so that its managers see what their
own settings start from.
"""

from ..interfaces import _
from ..status.board import folder_of
from ..upstreams.settings import for_site
from ..upstreams.settings import of_environment
from ..upstreams.settings import UpstreamSettings
from ..upstreams.settings import variable
from ..upstreams.upstream import Upstream
from ..upstreams.upstream import upstreams
from ..wsgi.settings import Origin
from ..wsgi.settings import Settings
from ..wsgi.settings import variable_of
from ..wsgi.visit import SETTINGS
from ..wsgi.worker import count_slots
from collections.abc import Callable
from dataclasses import Field
from dataclasses import fields
from typing import Any
from typing import NamedTuple

import logging
import os

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """One setting."""

    name: str
    value: str
    what: Any
    #: Where the value comes from, in words.
    origin: Any
    #: The environment variable that sets it.
    variable: str
    #: What the process uses, where the value does not say so: it is not set, or too high.
    used: str = ""

    @property
    def told(self) -> Any:
        """The value in words, and what the process uses."""
        if self.value and self.used:
            return _("${value}; ${used} used", mapping={"value": self.value, "used": self.used})
        return self.value or self.used


def settings_of(request: Any) -> Settings | None:
    """Return the settings of this process, None if it does not run the hold."""
    return request.environ.get(SETTINGS)  # type: ignore[no-any-return]


def rows(settings: Settings) -> list[Row]:
    """Return the settings of the process."""
    found = []
    for one in fields(settings):
        where = variable_of(one.name)
        row = _row(one, settings, _origin(settings.origin(one.name), where), where)
        used = shown(_USED[one.name](settings)) if one.name in _USED else row.value
        found.append(row if used == row.value else row._replace(used=used))
    return found


#: What the process uses of a setting, where that is not its value.
_USED: dict[str, Callable[[Settings], object]] = {
    "slots": count_slots,
    "max_held_per_client": lambda settings: settings.held_by_one_client,
    "max_processes": lambda settings: settings.max_processes or os.cpu_count(),
    "status_folder": lambda settings: folder_of(settings) or settings.status_folder,
}


def _row(one: Field[Any], settings: Any, origin: Any, variable: str) -> Row:
    what = one.metadata["what"]
    return Row(one.name, shown(getattr(settings, one.name)), _(what), origin, variable)


def _origin(origin: Origin, variable: str) -> Any:
    return _(origin.value, mapping={"variable": variable})


def all_upstreams() -> list[tuple[str, str, list[Row]]]:
    """Return each upstream's name, host and settings, as they are for this site."""
    return [(name, *_rows_of(upstreams[name])) for name in sorted(upstreams)]


def _rows_of(upstream: Upstream) -> tuple[str, list[Row]]:
    try:
        here = for_site(upstream.name, upstream.settings)
    except Exception:  # an override of somebody's own; the page is shown, to mend it
        logger.exception("The settings of %s for this site cannot be read", upstream.name)
        here = upstream.settings
    return here.host, [_row_of(upstream, here, one) for one in fields(UpstreamSettings)]


def _row_of(upstream: Upstream, here: UpstreamSettings, one: Field[Any]) -> Row:
    declared, where = getattr(upstream.settings, one.name), variable(upstream.name, one.name)
    origin = _("code, or default")
    if getattr(here, one.name) != declared:
        origin = _("this site; else ${value}", mapping={"value": shown(declared)})
    elif one.name in of_environment(upstream.name):
        origin = _origin(Origin.VARIABLE, where)
    return _row(one, here, origin, where)


def shown(value: object) -> str:
    """Return *value* as it is written in settings."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):  # names of queues, or names with numbers
        return ", ".join(one if isinstance(one, str) else "=".join(map(str, one)) for one in value)
    return "" if value is None else str(value)
