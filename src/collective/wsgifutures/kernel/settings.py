"""The values that a setting may have, and how they are read from an operator's text.

A setting is a field of a frozen dataclass. ``setting`` declares its default and its form;
the forms are at the end of this module.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any

import math

#: Reads a text or raises ``ValueError``; and the words which say what the text may be.
Form = tuple[Callable[[str], Any], str]


class SettingRefused(ValueError):
    """A setting has a value that is not allowed."""

    def __init__(self, name: str, value: object, takes: str) -> None:
        super().__init__(name, value, takes)
        self.name = name  #: name of the setting, or of its environment variable
        self.value = value  #: the value that was given
        self.takes = takes  #: which values the setting takes

    def __str__(self) -> str:
        return f"The setting {self.name} is {self.value!r}; it takes {self.takes}."


def setting(default: Any, form: Form) -> Any:
    """Declare a setting."""
    return field(default=default, metadata={"form": form})


def read(name: str, value: object, form: Form) -> Any:
    """Return *value*, read in its *form*.

    Args:
        name: The name of the setting, for the error.
        value: The value, as the operator wrote it.
        form: The form of the setting.

    Raises:
        SettingRefused: *value* does not have this form. The error leaves out an address
            with a user and a password.
    """
    parse, takes = form
    try:
        return parse(str(value).strip())
    except ValueError:
        public = "an address with a user" if "@" in str(value) else value
        raise SettingRefused(name, public, takes) from None


def _number(text: str, least: float, most: float = math.inf) -> float:
    value = float(text)
    if not (least <= value <= most and value < math.inf):
        raise ValueError
    return value


def _seconds(text: str) -> float:
    value = _number(text, 0)
    if not value:
        raise ValueError
    return value


def _count(text: str, least: int = 1) -> int:
    value = int(text)
    if value < least:
        raise ValueError
    return value


def _switch(text: str) -> bool:
    words = {"on": True, "true": True, "yes": True, "1": True}
    words.update({"off": False, "false": False, "no": False, "0": False})
    try:
        return words[text.lower()]
    except KeyError:
        raise ValueError from None


SECONDS: Form = (_seconds, "a number of seconds above 0")
SECONDS_OR_NONE: Form = (lambda text: _number(text, 0), "a number of seconds, 0 or more")
SHARE: Form = (lambda text: _number(text, 0, 1), "a number from 0 to 1")
COUNT: Form = (_count, "a whole number, 1 or more")
COUNT_OR_NONE: Form = (lambda text: _count(text, 0), "a whole number, 0 or more")
BYTES: Form = (lambda text: _count(text, 0), "a whole number of bytes, 0 or more")
SWITCH: Form = (_switch, "on or off")
TEXT: Form = (str, "a text")
