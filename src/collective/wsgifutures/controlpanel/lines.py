"""The lines with which a site changes its upstreams: ``weather.total = 5``.

The addresses have a field of their own, since they need another permission than the limits. The
message that refuses a line says what is allowed. This module looks at no site, and at a request
only for its language.
"""

from ..interfaces import _
from ..kernel.settings import read
from ..kernel.settings import SettingRefused
from ..upstreams.settings import UpstreamSettings
from ..upstreams.upstream import upstreams
from collections.abc import Collection
from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from typing import NamedTuple
from zope.globalrequest import getRequest
from zope.i18n import translate
from zope.interface import Invalid

import re

FORMS = {field.name: field.metadata["form"] for field in fields(UpstreamSettings)}

#: The settings that say where calls go, and which certificates they trust there.
ADDRESSES = ("base_url", "ca_file")
LIMITS = tuple(name for name in FORMS if name not in ADDRESSES)

_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\.([a-z_]+)\s*=\s*(.*)")


class Line(NamedTuple):
    """A line, split into its parts."""

    upstream: str
    setting: str
    value: Any


def refusal(message: Any) -> Invalid:
    """Return the error with *message*, in the language of the current request."""
    return Invalid(translate(message, context=getRequest()))


def parse_line(text: str, settings: Collection[str]) -> Line:
    """Return the parts of the line *text*.

    Args:
        text: A line of one of the two fields.
        settings: The names of the settings that this field takes.

    Raises:
        Invalid: The line is wrong; the message says what is allowed.
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        example = f"weather.{next(iter(settings))} = …"
        raise refusal(
            _(
                "“${line}” is not a setting of an upstream. Write the name of an upstream, a "
                "dot, a setting, = and a value, as in “${example}”.",
                mapping={"line": redact(text), "example": example},
            )
        )
    upstream, setting, value = match.groups()
    if setting not in settings:
        raise refusal(
            _(
                "“${line}”: ${setting} is not a setting of this field. The field takes: "
                "${settings}.",
                mapping={
                    "line": redact(text),
                    "setting": setting,
                    "settings": ", ".join(settings),
                },
            )
        )
    try:
        return Line(upstream, setting, read(setting, value, FORMS[setting]))
    except SettingRefused as error:
        raise refusal(
            _(
                "“${line}”: ${setting} takes ${takes}.",
                mapping={"line": redact(text), "setting": setting, "takes": _(error.takes)},
            )
        ) from None


def redact(text: str) -> str:
    """Return *text* without user and password, so that it may be shown and logged."""
    return re.sub(r"//[^/]*@", "//…@", text.strip())[:200]


def check(texts: Iterable[str] | None, settings: Collection[str]) -> bool:
    """Check the lines *texts*: their form, and that each names an upstream of this process.

    Raises:
        Invalid: A line is wrong.
    """
    seen = set()
    for text in texts or ():
        if not isinstance(text, str):
            continue  # the field itself refuses it afterwards
        line = parse_line(text, settings)
        if line.upstream not in upstreams:
            names = ", ".join(sorted(upstreams)) or "-"
            raise refusal(
                _(
                    "“${line}”: no upstream is called ${name}. The upstreams are: ${names}.",
                    mapping={"line": redact(text), "name": line.upstream, "names": names},
                )
            )
        if line[:2] in seen:
            raise refusal(
                _(
                    "“${line}”: two lines change this setting. Keep one of them.",
                    mapping={"line": redact(text)},
                )
            )
        seen.add(line[:2])
    return True
