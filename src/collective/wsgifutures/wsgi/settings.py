"""The settings of one worker, where they come from, and what they may be.

An option of the PasteDeploy filter comes first, then the environment variable
``WSGIFUTURES_<NAME>``, then the default. A gunicorn configuration sets the variables with
``raw_env``, which wins over the environment that gunicorn was started in.
"""

from ..kernel.settings import BYTES
from ..kernel.settings import COUNT
from ..kernel.settings import read
from ..kernel.settings import SECONDS
from ..kernel.settings import SECONDS_OR_NONE
from ..kernel.settings import setting
from ..kernel.settings import SettingRefused
from ..kernel.settings import SWITCH
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from enum import Enum
from types import MappingProxyType
from typing import ClassVar

import os

PREFIX = "WSGIFUTURES_"

#: Slots where neither the settings nor a publisher say how many.
SLOTS = 4


def _path(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError
    return text


def _folder(text: str) -> str:
    if text.lower() == "off":
        return "off"
    if text and not os.path.isabs(text):
        raise ValueError
    return text


_PATH = (_path, "a path that begins with /, or nothing")
_FOLDER = (_folder, "a folder that begins with /, off, or nothing")


def variable_of(name: str) -> str:
    """Return the environment variable of the setting *name*."""
    return PREFIX + name.upper()


class Origin(Enum):
    """Where a setting has its value from."""

    DEFAULT = "default"
    VARIABLE = "environment variable"
    OPTION = "option of the PasteDeploy filter"
    CODE = "code"


@dataclass(frozen=True)
class Settings:
    """What one worker holds responses with."""

    #: Where those have their values from that were read, by their names.
    _origins: ClassVar[Mapping[str, Origin]] = MappingProxyType({})

    #: How many passes run at a time; never more than the ZODB pool has connections. None
    #: is what suits the storage: 4 for one on this machine, else as many as the pool has, up
    #: to 16.
    slots: int | None = setting(None, COUNT)
    #: How long a response may be held, in seconds. Keep it below a proxy's time limit.
    deadline: float = setting(55.0, SECONDS)
    #: How long the last pass may take after the deadline, in seconds, before it is 504.
    grace: float = setting(4.0, SECONDS)
    #: How often one request may be published.
    max_passes: int = setting(25, COUNT)
    #: How many responses are held at a time.
    max_held: int = setting(5000, COUNT)
    #: How many of those may be one client's. None is a tenth of ``max_held``.
    max_held_per_client: int | None = setting(None, COUNT)
    #: How many new requests may wait for a slot.
    max_waiting: int = setting(1000, COUNT)
    #: How long a new request may wait for a slot, in seconds.
    max_wait: float = setting(10.0, SECONDS)
    #: How much of request bodies is kept at a time, in bytes, in memory and in files.
    max_bodies: int = setting(1024**3, COUNT)
    #: How much of one request body is kept in memory, in bytes; more goes to a file.
    body_in_memory: int = setting(256 * 1024, BYTES)
    #: How long each 64 KiB of a request body may take to come, in seconds. Under gevent.
    body_timeout: float = setting(30.0, SECONDS)
    #: How many threads run futures at a time.
    max_threads: int = setting(64, COUNT)
    #: How many processes run futures at a time. None is as many as there are cores.
    max_processes: int | None = setting(None, COUNT)
    #: How many futures may wait for a thread, and as many for a process.
    max_queued: int = setting(1000, COUNT)
    #: A path that is answered without a slot, for whoever asks whether the worker lives.
    liveness_path: str = setting("", _PATH)
    #: A pass that takes longer is logged, in seconds.
    slow_pass: float = setting(5.0, SECONDS)
    #: A response that was held for longer is logged when it has ended, in seconds. 0: each one.
    slow_request: float = setting(10.0, SECONDS_OR_NONE)
    #: A greenlet that lets no other run for longer is logged, in seconds.
    blocked: float = setting(2.0, SECONDS)
    #: Where the workers of an instance tell what they do, for who looks at their status; nothing
    #: is ``wsgifutures`` in Zope's clienthome, ``off`` is nowhere.
    status_folder: str = setting("", _FOLDER)
    #: Somebody develops: tell in the header ``X-Hold-Passes`` how often the request was
    #: published, and in the log what is careless in a view.
    debug: bool = setting(False, SWITCH)

    @property
    def held_by_one_client(self) -> int:
        """How many responses of one client are held at a time."""
        return self.max_held_per_client or max(1, self.max_held // 10)

    def origin(self, name: str) -> Origin:
        """Return where the setting *name* has its value from."""
        (default,) = [one.default for one in fields(self) if one.name == name]
        made = Origin.DEFAULT if getattr(self, name) == default else Origin.CODE
        return self._origins.get(name, made)

    @classmethod
    def read(
        cls,
        options: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "Settings":
        """Return the settings that *options* and the environment give.

        Args:
            options: Of the PasteDeploy filter.
            environ: The process's environment where it is not given.

        Raises:
            SettingRefused: There is no such option, or a value is not what it takes.
        """
        options = dict(options or {})
        environ = os.environ if environ is None else environ
        values = {}
        origins = {}
        for one in fields(cls):
            variable = variable_of(one.name)
            if one.name in options:
                values[one.name] = read(one.name, options.pop(one.name), one.metadata["form"])
                origins[one.name] = Origin.OPTION
            elif variable in environ:
                values[one.name] = read(variable, environ[variable], one.metadata["form"])
                origins[one.name] = Origin.VARIABLE
        for unknown, value in options.items():
            names = ", ".join(one.name for one in fields(cls))
            raise SettingRefused(unknown, value, f"nothing: there is none of that name ({names})")
        settings = cls(**values)
        object.__setattr__(settings, "_origins", MappingProxyType(origins))
        return settings
