"""What a setting may be, and how it is read from what an operator wrote.

A setting is a field of a frozen dataclass, declared by ``setting`` with its default, one of
the forms here, and what it is. The control panel and the docs show that text.
"""

from .texts import _
from collections.abc import Callable
from dataclasses import field
from typing import Any

import math

#: A function that reads a text or raises ``ValueError``; and what the text may be, for people.
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


def setting(default: Any, form: Form, what: str) -> Any:
    """Declare a setting.

    Args:
        default: Its value, if nothing sets it.
        form: What it may be.
        what: What it is, for operators: marked for translation, and without markup.
    """
    return field(default=default, metadata={"form": form, "what": what})


def read(name: str, value: object, form: Form) -> Any:
    """Return the value that the text *value* stands for.

    Args:
        name: The name of the setting, for a refusal.
        value: The value as it was written.
        form: What it may be.

    Raises:
        SettingRefused: The value is not allowed. The error hides a user and a password.
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


SECONDS: Form = (_seconds, _("a number of seconds above 0"))
SECONDS_OR_NONE: Form = (lambda text: _number(text, 0), _("a number of seconds, 0 or more"))
SHARE: Form = (lambda text: _number(text, 0, 1), _("a number from 0 to 1"))
COUNT: Form = (_count, _("a whole number, 1 or more"))
COUNT_OR_NONE: Form = (lambda text: _count(text, 0), _("a whole number, 0 or more"))
BYTES: Form = (lambda text: _count(text, 0), _("a whole number of bytes, 0 or more"))
SWITCH: Form = (_switch, _("on or off"))
TEXT: Form = (str, _("a text"))
