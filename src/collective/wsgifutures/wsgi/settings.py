"""The settings of one worker, where they come from, and what they may be.

An option of the PasteDeploy filter comes first, then the environment variable
``WSGIFUTURES_<NAME>``, then the default. A gunicorn configuration sets the variables with
``raw_env``, which wins over the environment that gunicorn was started in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any

import math
import os

PREFIX = "WSGIFUTURES_"

#: Slots where neither the settings nor a publisher say how many.
SLOTS = 4


class SettingRefused(ValueError):
    """A setting has a value that it cannot have."""

    def __init__(self, name: str, value: object, takes: str) -> None:
        super().__init__(name, value, takes)
        self.name = name  #: of the setting
        self.value = value  #: what it was given
        self.takes = takes  #: what it may be

    def __str__(self) -> str:
        return f"The setting {self.name} is {self.value!r}; it takes {self.takes}."


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _bytes(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _switch(text: str) -> bool:
    words = {"on": True, "true": True, "yes": True, "1": True}
    words.update({"off": False, "false": False, "no": False, "0": False})
    try:
        return words[text.lower()]
    except KeyError:
        raise ValueError from None


def _path(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError
    return text


_SECONDS = (_seconds, "a number of seconds above 0")
_COUNT = (_count, "a whole number, 1 or more")
_BYTES = (_bytes, "a whole number of bytes, 0 or more")
_SWITCH = (_switch, "on or off")
_PATH = (_path, "a path that begins with /, or nothing")


def _setting(default: Any, form: tuple[Any, str]) -> Any:
    return field(default=default, metadata={"form": form})


@dataclass(frozen=True)
class Settings:
    """What one worker holds responses with."""

    #: How many passes run at a time; never more than the ZODB pool has connections. None
    #: is what suits the storage: 4 for one on this machine, else as many as the pool has, up
    #: to 16.
    slots: int | None = _setting(None, _COUNT)
    #: How long a response may be held, in seconds. Keep it below a proxy's time limit.
    deadline: float = _setting(55.0, _SECONDS)
    #: How long the last pass may take after the deadline, in seconds, before it is 504.
    grace: float = _setting(4.0, _SECONDS)
    #: How often one request may be published.
    max_passes: int = _setting(25, _COUNT)
    #: How many responses are held at a time.
    max_held: int = _setting(5000, _COUNT)
    #: How many of those may be one client's. None is a tenth of ``max_held``.
    max_held_per_client: int | None = _setting(None, _COUNT)
    #: How many new requests may wait for a slot.
    max_waiting: int = _setting(1000, _COUNT)
    #: How long a new request may wait for a slot, in seconds.
    max_wait: float = _setting(10.0, _SECONDS)
    #: How much of request bodies is kept at a time, in bytes, in memory and in files.
    max_bodies: int = _setting(1024**3, _COUNT)
    #: How much of one request body is kept in memory, in bytes; more goes to a file.
    body_in_memory: int = _setting(256 * 1024, _BYTES)
    #: How long each 64 KiB of a request body may take to come, in seconds. Under gevent.
    body_timeout: float = _setting(30.0, _SECONDS)
    #: How many threads run futures at a time.
    max_threads: int = _setting(64, _COUNT)
    #: How many processes run futures at a time. None is as many as there are cores.
    max_processes: int | None = _setting(None, _COUNT)
    #: How many futures may wait for a thread, and as many for a process.
    max_queued: int = _setting(1000, _COUNT)
    #: A path that is answered without a slot, for whoever asks whether the worker lives.
    liveness_path: str = _setting("", _PATH)
    #: A pass that takes longer is logged, in seconds.
    slow_pass: float = _setting(5.0, _SECONDS)
    #: A greenlet that lets no other run for longer is logged, in seconds.
    blocked: float = _setting(2.0, _SECONDS)
    #: Tell in the header ``X-Hold-Passes`` how often the request was published.
    debug: bool = _setting(False, _SWITCH)

    @property
    def held_by_one_client(self) -> int:
        """How many responses of one client are held at a time."""
        return self.max_held_per_client or max(1, self.max_held // 10)

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
        for one in fields(cls):
            variable = PREFIX + one.name.upper()
            if one.name in options:
                values[one.name] = _read(one.name, options.pop(one.name), one.metadata["form"])
            elif variable in environ:
                values[one.name] = _read(variable, environ[variable], one.metadata["form"])
        for unknown, value in options.items():
            names = ", ".join(one.name for one in fields(cls))
            raise SettingRefused(unknown, value, f"nothing: there is none of that name ({names})")
        return cls(**values)


def _read(name: str, text: str, form: tuple[Any, str]) -> Any:
    parse, takes = form
    try:
        return parse(str(text).strip())
    except ValueError:
        raise SettingRefused(name, text, takes) from None
