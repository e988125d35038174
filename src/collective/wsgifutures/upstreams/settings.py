"""The settings of an upstream, which an operator or a site may change without code.

The declaration gives the settings; an environment variable
``WSGIFUTURES_UPSTREAM_<NAME>_<SETTING>`` changes a setting for the process, and a site
(``kernel.sites``) changes it for itself. A site's settings are read in the pass that submits the
call, and travel with the call as plain data.
"""

from ..kernel.settings import COUNT
from ..kernel.settings import COUNT_OR_NONE
from ..kernel.settings import Form
from ..kernel.settings import read
from ..kernel.settings import SECONDS
from ..kernel.settings import SECONDS_OR_NONE
from ..kernel.settings import setting
from ..kernel.settings import SettingRefused
from ..kernel.settings import SHARE
from ..kernel.settings import SWITCH
from ..kernel.settings import TEXT
from ..kernel.sites import sites
from ..kernel.texts import _
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import os
import re

PREFIX = "WSGIFUTURES_UPSTREAM_"


def _address(value: str) -> str:
    parts = urlsplit(value)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ValueError
    if not re.fullmatch(r"[!-~]+", value) or parts.port == 0:
        raise ValueError
    return value.rstrip("/")


_ADDRESS = (
    _address,
    _("an address that begins with http:// or https://, without query, user or password"),
)


@dataclass(frozen=True, kw_only=True)
class UpstreamSettings:
    """The settings of one upstream. Times are seconds, sizes bytes."""

    base_url: str = setting(
        "", _ADDRESS, _("The address, without query, user or password. Each path is below it.")
    )
    off: bool = setting(
        False, SWITCH, _("Switched off: each call fails at once, even if its answer is cached.")
    )
    connect: float = setting(
        3.0, SECONDS, _("How many seconds a connection may take, with DNS and TLS.")
    )
    read: float = setting(
        10.0, SECONDS, _("How many seconds may pass while nothing is sent or received.")
    )
    total: float = setting(
        30.0, SECONDS, _("How many seconds a call may take, with queueing, redirects and retries.")
    )
    max_size: int = setting(16 * 1024 * 1024, COUNT, _("The largest answer, in bytes, unpacked."))
    max_redirects: int = setting(3, COUNT_OR_NONE, _("How many redirects are followed."))
    max_calls: int = setting(200, COUNT, _("How many calls a worker makes at a time."))
    keep_alive: float = setting(
        45.0,
        SECONDS_OR_NONE,
        _("How many seconds an unused connection is kept for the next call. 0: not at all."),
    )
    max_queue: int = setting(200, COUNT_OR_NONE, _("How many more calls may wait in the queue."))
    queue_time: float = setting(2.0, SECONDS, _("How many seconds a call may wait in the queue."))
    failure_rate: float = setting(
        0.5, SHARE, _("The share of failed calls at which the upstream is paused.")
    )
    failure_window: float = setting(
        10.0, SECONDS, _("How many seconds the circuit breaker looks back.")
    )
    failure_calls: int = setting(
        10, COUNT, _("The fewest calls in that time that can pause the upstream.")
    )
    failure_pause: float = setting(
        5.0, SECONDS, _("Seconds until one call tries a paused upstream again.")
    )
    retries: int = setting(
        2, COUNT_OR_NONE, _("How often a failed call is made again, if it may be repeated.")
    )
    retry_share: float = setting(
        0.1, SHARE, _("How many retries there may be, as a share of all calls.")
    )
    idempotency_key: bool = setting(
        False, SWITCH, _("Send an Idempotency-Key, so that POST and PATCH may be repeated.")
    )
    cache: float = setting(
        0.0, SECONDS_OR_NONE, _("How many seconds answers to GET and HEAD are kept, for everybody.")
    )
    stale: float = setting(
        0.0, SECONDS_OR_NONE, _("How many more seconds a kept answer is given while it is renewed.")
    )
    stale_if_error: float = setting(
        0.0,
        SECONDS_OR_NONE,
        _("How many more seconds a kept answer is given if the upstream fails."),
    )
    ca_file: str = setting(
        "", TEXT, _("A file with certificates to trust besides those of the system.")
    )

    @property
    def host(self) -> str:
        """The host and port of the service, for messages."""
        return host_of(self.base_url)


def host_of(url: str) -> str:
    """Return the host and port of *url*, and nothing else of it."""
    return urlsplit(url).netloc.rpartition("@")[2]


NAMES = tuple(field.name for field in fields(UpstreamSettings))


def declared(name: str, options: Mapping[str, object]) -> UpstreamSettings:
    """Return the settings of the upstream *name*: its *options*, changed by the environment.

    Raises:
        TypeError: An option is not a setting.
        SettingRefused: A setting has a value that is not allowed.
    """
    settings = changed(UpstreamSettings(), options, f"{name}: {{}}".format)
    return changed(settings, of_environment(name), lambda setting: variable(name, setting))


def of_environment(name: str) -> dict[str, str]:
    """Return the settings of the upstream *name* that the environment changes, by their names."""
    prefix = variable(name, "")
    return {
        key.removeprefix(prefix).lower(): value
        for key, value in os.environ.items()
        if key.startswith(prefix) and key.removeprefix(prefix).lower() in NAMES
    }


def for_site(name: str, settings: UpstreamSettings) -> UpstreamSettings:
    """Return *settings* as the site that is being published wants them.

    Raises:
        TypeError, SettingRefused: As ``declared``.
    """
    for one in sites:
        wanted = one.of_upstream(name)
        if wanted:
            settings = changed(settings, wanted, f"{name}: {{}}".format)
    return settings


def variable(name: str, setting: str) -> str:
    """Return the environment variable for *setting* of the upstream *name*."""
    return f"{PREFIX}{re.sub(r'[^A-Z0-9]', '_', name.upper())}_{setting.upper()}"


def variables_of(names: Iterable[str]) -> list[str]:
    """Return the environment variables for all settings of the upstreams *names*."""
    return [variable(name, setting) for name in names for setting in NAMES]


def changed(
    settings: UpstreamSettings, values: Mapping[str, object], name: Callable[[str], str]
) -> UpstreamSettings:
    """Return *settings* changed by *values*; *name* returns the name of a setting in errors."""
    forms = {field.name: field.metadata["form"] for field in fields(UpstreamSettings)}
    for unknown in values.keys() - forms.keys():
        raise TypeError(f"{name(unknown)} is not a setting; the settings are {', '.join(NAMES)}")
    return replace(settings, **{key: _read(name(key), values[key], forms[key]) for key in values})


def _read(name: str, value: object, form: Form) -> Any:
    """Read *value*. A refusal has only the host of an address: the rest may be a secret."""
    try:
        return read(name, value, form)
    except SettingRefused as refused:
        if form is not _ADDRESS or "@" in str(value):
            raise
        host = re.match(r"(\w+://)?[^/?#]*", str(value))
        public = host[0] if host else ""
        raise SettingRefused(
            name, public if public == value else f"{public}…", refused.takes
        ) from None


def unknown_variables(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each environment variable that changes nothing, with the reason.

    Args:
        names: The names of the declared upstreams.
    """
    prefixes = {variable(name, ""): name for name in names}
    return [
        (key, _why_unknown(key, prefixes))
        for key in sorted(os.environ)
        if key.startswith(PREFIX) and not _is_known(key, prefixes)
    ]


def _is_known(key: str, prefixes: Iterable[str]) -> bool:
    settings = [key.removeprefix(p).lower() for p in prefixes if key.startswith(p)]
    return any(setting in NAMES for setting in settings)


def _why_unknown(key: str, prefixes: Mapping[str, str]) -> str:
    of = [prefix for prefix in prefixes if key.startswith(prefix)]
    if of:
        longest = max(of, key=len)
        wrong = key.removeprefix(longest).lower()
        return f"{prefixes[longest]} has no setting {wrong}; the settings are {', '.join(NAMES)}"
    declared = ", ".join(prefixes.values()) or "none"
    return f"no upstream has this name; the declared upstreams are: {declared}"
