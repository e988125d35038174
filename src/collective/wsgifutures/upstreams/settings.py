"""What one upstream may do, and how an operator or a site changes that without code.

What the declaration says comes first; an environment variable
``WSGIFUTURES_UPSTREAM_<NAME>_<SETTING>`` changes it for the process, and what a site says
(``site_overrides``) for that site. A site's own is read in the pass, where the call is
submitted, and travels with the call as plain data.
"""

from .errors import OverrideRefused
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import math
import os
import re

PREFIX = "WSGIFUTURES_UPSTREAM_"

#: Each takes the name of an upstream and returns what the site that is being published
#: changes of it, by the names of its settings; nothing where there is no site. Only called
#: in the thread that submits. The last one wins.
site_overrides: list[Callable[[str], Mapping[str, object]]] = []


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _seconds_or_none(value: str) -> float:
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError
    return number


def _share(value: str) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _count(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _count_or_none(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def _switch(value: str) -> bool:
    words = {"on": True, "true": True, "yes": True, "1": True}
    words.update({"off": False, "false": False, "no": False, "0": False})
    try:
        return words[value.lower()]
    except KeyError:
        raise ValueError from None


def _address(value: str) -> str:
    parts = urlsplit(value)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ValueError
    if not re.fullmatch(r"[!-~]+", value) or parts.port == 0:
        raise ValueError
    return value.rstrip("/")


_SECONDS = (_seconds, "a number of seconds above 0")
_SECONDS_OR_NONE = (_seconds_or_none, "a number of seconds, 0 or more")
_SHARE = (_share, "a number from 0 to 1")
_COUNT = (_count, "a whole number, 1 or more")
_COUNT_OR_NONE = (_count_or_none, "a whole number, 0 or more")
_SWITCH = (_switch, "on or off")
_ADDRESS = (
    _address,
    "an address that begins with http:// or https://, without query, user or password",
)
_TEXT = (str, "a text")


def _setting(default: Any, form: tuple[Any, str]) -> Any:
    return field(default=default, metadata={"form": form})


@dataclass(frozen=True, kw_only=True)
class UpstreamSettings:
    """What one upstream may do. Times are seconds, sizes bytes."""

    #: Where it is. Everything that is asked for is below this address.
    base_url: str = _setting("", _ADDRESS)
    #: Switched off: each call raises ``UpstreamOff``, at once.
    off: bool = _setting(False, _SWITCH)
    #: How long a connection may take.
    connect: float = _setting(3.0, _SECONDS)
    #: How long it may send nothing.
    read: float = _setting(10.0, _SECONDS)
    #: How long a call may take, with its place in the queue, redirects and retries.
    total: float = _setting(30.0, _SECONDS)
    #: How many bytes an answer may have, unpacked.
    max_size: int = _setting(16 * 1024 * 1024, _COUNT)
    #: How many redirects are followed.
    max_redirects: int = _setting(3, _COUNT_OR_NONE)
    #: How many calls a worker makes at once.
    max_calls: int = _setting(200, _COUNT)
    #: How many more may wait for their turn.
    max_queue: int = _setting(200, _COUNT_OR_NONE)
    #: How long they may wait.
    queue_time: float = _setting(2.0, _SECONDS)
    #: Which share of the calls has to fail before it is not asked for a while.
    failure_rate: float = _setting(0.5, _SHARE)
    #: The time that is looked back for that.
    failure_window: float = _setting(10.0, _SECONDS)
    #: How many calls there have to be in that time.
    failure_calls: int = _setting(10, _COUNT)
    #: How long it is not asked then, before one call finds out whether it is back.
    failure_pause: float = _setting(5.0, _SECONDS)
    #: How often a call is made again that failed and may be repeated.
    retries: int = _setting(2, _COUNT_OR_NONE)
    #: How many retries there may be for each call, on the whole.
    retry_share: float = _setting(0.1, _SHARE)
    #: Send an Idempotency-Key with POST and PATCH, which may be repeated then.
    idempotency_key: bool = _setting(False, _SWITCH)
    #: How long the answer of a GET or HEAD is kept for everybody. 0: not at all.
    cache: float = _setting(0.0, _SECONDS_OR_NONE)
    #: How long it is given after that, while it is renewed.
    stale: float = _setting(0.0, _SECONDS_OR_NONE)
    #: How long it is given after that where the upstream fails.
    stale_if_error: float = _setting(0.0, _SECONDS_OR_NONE)
    #: A file with certificates to trust besides those of the system.
    ca_file: str = _setting("", _TEXT)

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
        OverrideRefused: A value is not what it takes.
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
        TypeError, OverrideRefused: As ``declared``.
    """
    for read in site_overrides:
        wanted = read(name)
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
    return replace(settings, **{one: _read(name(one), values[one], *forms[one]) for one in values})


def _read(name: str, value: object, parse: Callable[[str], Any], takes: str) -> Any:
    try:
        return parse(str(value).strip())
    except ValueError:
        shown = "an address with a user" if "@" in str(value) else value
        raise OverrideRefused(name, shown, takes) from None
