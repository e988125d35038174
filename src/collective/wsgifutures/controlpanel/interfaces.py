"""The settings of a site: the control panel shows them, and the registry keeps them.

A setting that is not set takes the value of the process. So the add-on changes nothing when it
is installed.
"""

from ..interfaces import _
from . import lines
from plone.autoform import directives
from zope import schema
from zope.interface import Interface

import math

PREFIX = "wsgifutures"

_SECONDS = _("This setting takes a number of seconds above 0, or nothing.")
_COUNT = _("This setting takes a whole number, 1 or more, or nothing.")
_SWITCH = _("This setting takes on or off.")

#: What each setting takes, for the message that refuses a value.
TAKES = {
    "enabled": _SWITCH,
    "timeout": _SECONDS,
    "deadline": _SECONDS,
    "max_passes": _COUNT,
    "server_timing": _SWITCH,
    "upstream_limits": _("This setting takes lines like “weather.total = 5”."),
    "upstream_addresses": _(
        "This setting takes lines like “weather.base_url = https://example.com”."
    ),
}


def _is_seconds(value: float) -> bool:
    if not 0 < value < math.inf:
        raise lines.refusal(_SECONDS)
    return True


def _is_count(value: int) -> bool:
    if value < 1:
        raise lines.refusal(_COUNT)
    return True


class IWSGIFuturesSettings(Interface):  # type: ignore[misc]
    """The settings of one site."""

    enabled = schema.Bool(
        title=_("Hold responses"),
        description=_(
            "While a page waits for an external service, the server keeps neither a thread nor "
            "a database connection for the page. If this setting is off, the server waits with "
            "the visitor, as without this add-on: the calls of a page run one after the other. "
            "Switch this setting off to find out whether an error comes from this add-on."
        ),
        default=True,
        required=False,
    )

    timeout = schema.Float(
        title=_("Time limit of a call"),
        description=_(
            "Seconds that a call to an external service may take, if its developer has set no "
            "limit. Empty: 30 seconds."
        ),
        required=False,
        constraint=_is_seconds,
    )

    deadline = schema.Float(
        title=_("Time limit of a page"),
        description=_(
            "Seconds that a visitor waits at most for all the calls of a page. After that, the "
            "server makes the page without the missing results. Empty: the limit of the server. "
            "A site can lower that limit, but not raise it."
        ),
        required=False,
        constraint=_is_seconds,
    )

    max_passes = schema.Int(
        title=_("Limit of passes"),
        description=_(
            "How many passes a page may take. The server starts a page again when the results "
            "that it waited for have arrived; if the page then asks for more, it waits again. A "
            "page that needs more passes ends with an error. Empty: the limit of the server. A "
            "site can lower that limit, but not raise it."
        ),
        required=False,
        constraint=_is_count,
    )

    server_timing = schema.Bool(
        title=_("Show times in the browser"),
        description=_(
            "Adds the header Server-Timing to pages that waited. The developer tools of the "
            "browser then show what a page waited for, and for how long. Only users with the "
            "permission “collective.wsgifutures: View timing” get the header: Managers, Site "
            "Administrators, and any role that you give it to."
        ),
        default=False,
        required=False,
    )

    directives.widget("upstream_limits", rows=5)
    upstream_limits = schema.List(
        title=_("Limits of upstreams"),
        description=_(
            "Upstreams are the external services that add-ons have given a name. The list below "
            "shows them with all of their settings. Write one setting on each line: "
            "“weather.total = 5” gives calls to weather 5 seconds, “weather.off = on” makes them "
            "fail at once. A site can lower, but not raise, how many calls run at a time "
            "(max_calls), how many wait for their turn (max_queue) and how large an answer may "
            "be (max_size)."
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
            "The addresses of upstreams for this site. Write one address on each line, without "
            "user or password: “weather.base_url = https://staging.example.com”. "
            "“weather.ca_file = /etc/ssl/own.pem” names a file of certificates to trust. All "
            "that a page sends to an upstream goes to its address, so only Managers may change "
            "this field."
        ),
        value_type=schema.TextLine(),
        required=False,
        constraint=lambda value: lines.check(value, lines.ADDRESSES),
    )


#: The fields of the settings, by their names.
FIELDS = schema.getFields(IWSGIFuturesSettings)
