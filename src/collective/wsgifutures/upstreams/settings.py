"""What one upstream may do, and how an operator or a site changes that without code.

What the declaration says comes first; an environment variable
``WSGIFUTURES_UPSTREAM_<NAME>_<SETTING>`` changes it for the process, and what a site says
(``site_overrides``) for that site. A site's own is read in the pass, where the call is
submitted, and travels with the call as plain data.
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

#: Each takes the name of an upstream and returns what the site that is being published
#: changes of it, by the names of its settings; nothing where there is no site. Only called
#: in the thread that submits. The last one wins.
site_overrides: list[Callable[[str], Mapping[str, object]]] = []


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
    "an address that begins with http:// or https://, without query, user or password",
)


@dataclass(frozen=True, kw_only=True)
class UpstreamSettings:
    """What one upstream may do. Times are seconds, sizes bytes."""

    #: Where it is. Everything that is asked for is below this address.
    base_url: str = setting("", _ADDRESS)
    #: Switched off: each call raises ``UpstreamOff``, at once.
    off: bool = setting(False, SWITCH)
    #: How long a connection may take, with looking up its name and TLS.
    connect: float = setting(3.0, SECONDS)
    #: How long it may send nothing, or take nothing of a body.
    read: float = setting(10.0, SECONDS)
    #: How long a call may take, with its place in the queue, redirects and retries.
    total: float = setting(30.0, SECONDS)
    #: How many bytes an answer may have, unpacked.
    max_size: int = setting(16 * 1024 * 1024, COUNT)
    #: How many redirects are followed.
    max_redirects: int = setting(3, COUNT_OR_NONE)
    #: How many calls a worker makes at once.
    max_calls: int = setting(200, COUNT)
    #: How long a connection is kept that nobody uses. Most ways drop it after 60 seconds.
    keep_alive: float = setting(45.0, SECONDS_OR_NONE)
    #: How many more may wait for their turn.
    max_queue: int = setting(200, COUNT_OR_NONE)
    #: How long they may wait.
    queue_time: float = setting(2.0, SECONDS)
    #: Which share of the calls has to fail before it is not asked for a while.
    failure_rate: float = setting(0.5, SHARE)
    #: The time that is looked back for that.
    failure_window: float = setting(10.0, SECONDS)
    #: How many calls there have to be in that time.
    failure_calls: int = setting(10, COUNT)
    #: How long it is not asked then, before one call finds out whether it is back.
    failure_pause: float = setting(5.0, SECONDS)
    #: How often a call is made again that failed and may be repeated.
    retries: int = setting(2, COUNT_OR_NONE)
    #: How many retries there may be for each call, on the whole.
    retry_share: float = setting(0.1, SHARE)
    #: Send an Idempotency-Key with POST and PATCH, which may be repeated then.
    idempotency_key: bool = setting(False, SWITCH)
    #: How long the answer of a GET or HEAD is kept for everybody. 0: not at all.
    cache: float = setting(0.0, SECONDS_OR_NONE)
    #: How long it is given after that, while it is renewed.
    stale: float = setting(0.0, SECONDS_OR_NONE)
    #: How long it is given after that where the upstream fails.
    stale_if_error: float = setting(0.0, SECONDS_OR_NONE)
    #: A file with certificates to trust besides those of the system.
    ca_file: str = setting("", TEXT)

    @property
    def host(self) -> str:
        """Where it is, for people."""
        return host_of(self.base_url)


def host_of(url: str) -> str:
    """Return the host and port of *url*, and nothing else of it."""
    return urlsplit(url).netloc.rpartition("@")[2]


NAMES = tuple(one.name for one in fields(UpstreamSettings))


def declared(name: str, options: Mapping[str, object]) -> UpstreamSettings:
    """Return the settings of the upstream *name*: its *options*, changed by the environment.

    Raises:
        TypeError: There is no such option.
        SettingRefused: A value is not what it takes.
    """
    settings = changed(UpstreamSettings(), options, f"{name}: {{}}".format)
    prefix = variable(name, "")
    wanted = {
        key.removeprefix(prefix).lower(): value
        for key, value in os.environ.items()
        if key.startswith(prefix) and key.removeprefix(prefix).lower() in NAMES
    }
    return changed(settings, wanted, lambda one: variable(name, one))


def for_site(name: str, settings: UpstreamSettings) -> UpstreamSettings:
    """Return *settings* as the site that is being published wants them.

    Raises:
        TypeError, SettingRefused: As ``declared``.
    """
    for override in site_overrides:
        wanted = override(name)
        if wanted:
            settings = changed(settings, wanted, f"{name}: {{}}".format)
    return settings


def variable(name: str, setting: str) -> str:
    """Return the environment variable for *setting* of the upstream *name*."""
    return f"{PREFIX}{re.sub(r'[^A-Z0-9]', '_', name.upper())}_{setting.upper()}"


def changed(
    settings: UpstreamSettings, values: Mapping[str, object], name: Callable[[str], str]
) -> UpstreamSettings:
    """Return *settings* with *values* in it; *name* says how a refusal calls one of them."""
    forms = {one.name: one.metadata["form"] for one in fields(UpstreamSettings)}
    for unknown in values.keys() - forms.keys():
        raise TypeError(f"{name(unknown)}: there is no such setting; there are {', '.join(NAMES)}")
    return replace(settings, **{one: _read(name(one), values[one], forms[one]) for one in values})


def _read(name: str, value: object, form: Form) -> Any:
    """Return what *value* says. Of an address only the host is told: the rest may be a secret."""
    try:
        return read(name, value, form)
    except SettingRefused as refused:
        if form is not _ADDRESS or "@" in str(value):
            raise
        host = re.match(r"(\w+://)?[^/?#]*", str(value))
        shown = host[0] if host else ""
        raise SettingRefused(
            name, shown if shown == value else f"{shown}…", refused.takes
        ) from None


def unknown_variables(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each variable of the environment that changes nothing, and why.

    Args:
        names: Of the upstreams that are declared.
    """
    prefixes = {variable(name, ""): name for name in names}
    return [
        (key, _why_unknown(key, prefixes))
        for key in sorted(os.environ)
        if key.startswith(PREFIX) and not _is_known(key, prefixes)
    ]


def _is_known(key: str, prefixes: Iterable[str]) -> bool:
    settings = [key.removeprefix(p).lower() for p in prefixes if key.startswith(p)]
    return any(one in NAMES for one in settings)


def _why_unknown(key: str, prefixes: Mapping[str, str]) -> str:
    of = [prefix for prefix in prefixes if key.startswith(prefix)]
    if of:
        longest = max(of, key=len)
        wrong = key.removeprefix(longest).lower()
        return f"{prefixes[longest]} has no setting {wrong}; there are {', '.join(NAMES)}"
    return f"no such upstream is declared; there are {', '.join(prefixes.values()) or 'none'}"
