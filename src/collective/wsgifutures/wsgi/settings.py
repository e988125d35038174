"""The settings of one worker, where they come from, and what they may be.

An option of the PasteDeploy filter comes first, then the environment variable
``WSGIFUTURES_<NAME>``, then the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any

import math
import os

PREFIX = "WSGIFUTURES_"


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


_SECONDS = (_seconds, "a number of seconds above 0")
_COUNT = (_count, "a whole number, 1 or more")
_BYTES = (_bytes, "a whole number of bytes, 0 or more")
_SWITCH = (_switch, "on or off")


def _setting(default: Any, form: tuple[Any, str]) -> Any:
    return field(default=default, metadata={"form": form})


@dataclass(frozen=True)
class Settings:
    """What one worker holds responses with."""

    #: How many passes run at a time; never more than the ZODB pool has connections.
    slots: int = _setting(4, _COUNT)
    #: How long a response may be held, in seconds. Keep it below a proxy's time limit.
    deadline: float = _setting(55.0, _SECONDS)
    #: How long the last pass may take after the deadline, in seconds, before it is 504.
    grace: float = _setting(4.0, _SECONDS)
    #: How often one request may be published.
    max_passes: int = _setting(25, _COUNT)
    #: How much of a request body is kept in memory, in bytes; more goes to a file.
    body_in_memory: int = _setting(256 * 1024, _BYTES)
    #: Tell in the header ``X-Hold-Passes`` how often the request was published.
    debug: bool = _setting(False, _SWITCH)

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
