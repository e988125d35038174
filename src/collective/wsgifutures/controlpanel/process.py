"""The settings of the process and its upstreams, as the control panel shows them.

They belong to whoever runs the server. A site shows them, so that one can see what its own
settings start from.
"""

from ..interfaces import _
from ..upstreams.settings import for_site
from ..upstreams.settings import UpstreamSettings
from ..upstreams.settings import variable
from ..upstreams.upstream import Upstream
from ..upstreams.upstream import upstreams
from ..wsgi.publication import SETTINGS
from ..wsgi.settings import Origin
from ..wsgi.settings import Settings
from ..wsgi.settings import variable_of
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from typing import NamedTuple

import logging
import os

logger = logging.getLogger(__name__)

#: What each setting of the process is.
WHAT = {
    "slots": _("How many pages are made at a time; not set: what suits the database"),
    "deadline": _("Seconds that a response is held at most"),
    "grace": _("Seconds that the last pass has after that"),
    "max_passes": _("How often a page is started anew at most"),
    "max_held": _("How many responses are held at a time"),
    "max_held_per_client": _("How many of those are one visitor's; not set: a tenth"),
    "max_waiting": _("How many requests wait for a slot"),
    "max_wait": _("Seconds that they wait at most"),
    "max_bodies": _("Bytes of uploads that are kept at a time"),
    "body_in_memory": _("Bytes of one upload that are kept in memory"),
    "body_timeout": _("Seconds that 64 KiB of an upload may take"),
    "max_threads": _("How many threads run calls"),
    "max_processes": _("How many processes run calls; not set: one for each core"),
    "max_queued": _("How many calls wait for a thread or process"),
    "liveness_path": _("A path that is answered without a slot; not set: none"),
    "slow_pass": _("A pass that takes more seconds is logged"),
    "slow_request": _("A response that is held for more seconds is logged at its end"),
    "blocked": _("Code that lets nothing else run for more seconds is logged"),
    "status_folder": _("Where workers tell what they do; not set: in Zope's clienthome"),
    "debug": _("Tell the number of passes in X-Hold-Passes"),
}

#: What each setting of an upstream is.
WHAT_OF_UPSTREAM = {
    "base_url": _("Where it is"),
    "off": _("Its calls fail at once"),
    "connect": _("Seconds that a connection may take"),
    "read": _("Seconds that it may send nothing"),
    "total": _("Seconds that a call may take in all"),
    "max_size": _("Bytes that an answer may have"),
    "max_redirects": _("How many redirects are followed"),
    "max_calls": _("How many calls are made at a time"),
    "keep_alive": _("Seconds that an unused connection is kept"),
    "max_queue": _("How many more wait for their turn"),
    "queue_time": _("Seconds that they wait at most"),
    "failure_rate": _("Share of calls that fail before it is left alone for a while"),
    "failure_window": _("Seconds that are looked back for that"),
    "failure_calls": _("How many calls there have to be in that time"),
    "failure_pause": _("Seconds that it is left alone then"),
    "retries": _("How often a failed call is made again"),
    "retry_share": _("How many of those there may be for each call, on the whole"),
    "idempotency_key": _("Send an Idempotency-Key, so that POST may be made again"),
    "cache": _("Seconds that an answer is kept for everybody"),
    "stale": _("Seconds that it is given after that, while it is renewed"),
    "stale_if_error": _("Seconds that it is given after that where the upstream fails"),
    "ca_file": _("A file of certificates to trust"),
}

_ORIGINS: dict[Origin, Any] = {
    Origin.DEFAULT: _("default"),
    Origin.VARIABLE: _("environment variable ${variable}"),
    Origin.OPTION: _("option of the PasteDeploy filter"),
    Origin.CODE: _("code"),
}


class Row(NamedTuple):
    """One setting."""

    name: str
    value: str
    what: Any
    #: Where the value comes from, for people.
    origin: Any
    #: The environment variable that sets it.
    variable: str


def settings_of(request: Any) -> Settings | None:
    """Return the settings of this process, None where it does not run the hold."""
    return request.environ.get(SETTINGS)  # type: ignore[no-any-return]


def rows(settings: Settings) -> list[Row]:
    """Return the settings of the process."""
    return [
        Row(
            one.name,
            shown(getattr(settings, one.name)),
            WHAT[one.name],
            _origin(settings.origin(one.name), variable_of(one.name)),
            variable_of(one.name),
        )
        for one in fields(settings)
    ]


def _origin(origin: Origin, variable: str) -> Any:
    message = _ORIGINS[origin]
    return _(message, default=message.default, mapping={"variable": variable})


def all_upstreams() -> list[tuple[str, str, list[Row]]]:
    """Return each upstream's name, host and settings, as they are for this site."""
    known = [upstreams[name] for name in sorted(upstreams)]
    return [(one.name, *_rows_of(one)) for one in known]


def _rows_of(upstream: Upstream) -> tuple[str, list[Row]]:
    try:
        here = for_site(upstream.name, upstream.settings)
    except Exception:  # an override of somebody's own; the page is shown, to mend it
        logger.exception("The settings of %s for this site cannot be read", upstream.name)
        here = upstream.settings
    return here.host, [_row(upstream, here, one.name) for one in fields(UpstreamSettings)]


def _row(upstream: Upstream, here: UpstreamSettings, name: str) -> Row:
    value, declared = getattr(here, name), getattr(upstream.settings, name)
    where = variable(upstream.name, name)
    origin = _("code, or default")
    if value != declared:
        origin = _("this site; else ${value}", mapping={"value": shown(declared)})
    elif _has(os.environ, where):
        origin = _origin(Origin.VARIABLE, where)
    return Row(name, shown(value), WHAT_OF_UPSTREAM[name], origin, where)


def _has(environ: Mapping[str, str], name: str) -> bool:
    return any(key.upper() == name for key in environ)


def shown(value: object) -> str:
    """Return *value* as it is written in settings."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
