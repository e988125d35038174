"""The settings of a site: what the control panel shows and the registry keeps.

What is not set is as the process is set, so that the add-on, when it is installed, changes
nothing by itself.
"""

from ..interfaces import _
from . import lines
from plone.autoform import directives
from zope import schema
from zope.interface import Interface

import math

PREFIX = "wsgifutures"

_SECONDS = _("This takes a number of seconds above 0, or nothing.")
_COUNT = _("This takes a whole number, 1 or more, or nothing.")
_SWITCH = _("This takes on or off.")

#: What each setting takes, for refusals.
TAKES = {
    "enabled": _SWITCH,
    "timeout": _SECONDS,
    "deadline": _SECONDS,
    "max_passes": _COUNT,
    "server_timing": _SWITCH,
    "upstream_limits": _("This takes lines, as “weather.total = 5”."),
    "upstream_addresses": _("This takes lines, as “weather.base_url = https://example.com”."),
}


def _seconds(value: float) -> bool:
    if not 0 < value < math.inf:
        raise lines.refused(_SECONDS)
    return True


def _count(value: int) -> bool:
    if value < 1:
        raise lines.refused(_COUNT)
    return True


class IWSGIFuturesSettings(Interface):  # type: ignore[misc]
    """What one site is set to."""

    enabled = schema.Bool(
        title=_("Hold responses"),
        description=_(
            "While a page waits for an external service, the visitor waits, and the server "
            "keeps neither a thread nor a database connection for the page. Switched off, "
            "the server waits too, as it does without this add-on: calls run one after the "
            "other while their page is made. Switch it off to find out whether a fault comes "
            "from here."
        ),
        default=True,
        required=False,
    )

    timeout = schema.Float(
        title=_("Time limit of a call"),
        description=_(
            "In seconds. How long a call to an external service may take, where its developer "
            "has set no limit. Empty: 30 seconds."
        ),
        required=False,
        constraint=_seconds,
    )

    deadline = schema.Float(
        title=_("Time limit of a page"),
        description=_(
            "In seconds. How long a visitor waits at most for all the calls of a page. After "
            "that the page is made without what is still missing. Empty: what the server is "
            "set to. It can be lowered here, not raised."
        ),
        required=False,
        constraint=_seconds,
    )

    max_passes = schema.Int(
        title=_("Limit of passes"),
        description=_(
            "How often a page may be started anew: each time that it finds a result and then "
            "asks for something else, it waits again. A page that needs more ends with an "
            "error. Empty: what the server is set to. It can be lowered here, not raised."
        ),
        required=False,
        constraint=_count,
    )

    server_timing = schema.Bool(
        title=_("Show times in the browser"),
        description=_(
            "Adds a header (Server-Timing) to pages that waited, from which the developer tools "
            "of the browser draw for what and for how long. Only Managers, Site Administrators "
            "and who else has the permission “collective.wsgifutures: View timing” get it."
        ),
        default=False,
        required=False,
    )

    directives.widget("upstream_limits", rows=5)
    upstream_limits = schema.List(
        title=_("Limits of upstreams"),
        description=_(
            "Upstreams are the external services that add-ons have given a name; they are listed "
            "below with all that can be set. One setting on each line: “weather.total = 5” gives "
            "calls to weather 5 seconds, “weather.off = on” lets them fail at once. How many "
            "calls there are (max_calls), how many wait for their turn (max_queue) and how large "
            "an answer may be (max_size) can be lowered here, not raised."
        ),
        value_type=schema.TextLine(),
        required=False,
        constraint=lambda value: lines.check(value, lines.LIMITS),
    )

    directives.write_permission(upstream_addresses="collective.wsgifutures.ManageUpstreamAddresses")
    directives.widget("upstream_addresses", rows=3)
    upstream_addresses = schema.List(
        title=_("Addresses of upstreams"),
        description=_(
            "Where upstreams are for this site, one on each line, as "
            "“weather.base_url = https://staging.example.com”; without a user or password. "
            "“weather.ca_file = /etc/ssl/own.pem” names a file of certificates to trust. Whatever "
            "is sent to an upstream goes there, so only Managers may change this."
        ),
        value_type=schema.TextLine(),
        required=False,
        constraint=lambda value: lines.check(value, lines.ADDRESSES),
    )


#: The same, by their names.
FIELDS = schema.getFields(IWSGIFuturesSettings)
