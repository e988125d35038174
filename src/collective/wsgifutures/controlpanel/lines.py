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
from zope.i18nmessageid import Message
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


def refusal(message: Any, **facts: str) -> Invalid:
    """Return the error with *message* and its *facts*, in the language of the current request."""
    return Invalid(translate(Message(message, mapping=facts), context=getRequest()))


def parse_line(text: str, settings: Collection[str]) -> Line:
    """Return the parts of the line *text*, of a field that takes these *settings*.

    Raises:
        Invalid: The line is wrong; the message says what is allowed.
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        message = _(
            "“${line}” is not a setting of an upstream. Write the name of an upstream, a "
            "dot, a setting, = and a value, as in “${example}”."
        )
        example = f"weather.{next(iter(settings))} = …"
        raise refusal(message, line=redact(text), example=example)
    upstream, setting, value = match.groups()
    if setting not in settings:
        message = _(
            "“${line}”: ${setting} is not a setting of this field. The field takes: ${settings}."
        )
        names = ", ".join(settings)
        raise refusal(message, line=redact(text), setting=setting, settings=names)
    try:
        return Line(upstream, setting, read(setting, value, FORMS[setting]))
    except SettingRefused as error:
        message = _("“${line}”: ${setting} takes ${takes}.")
        takes = _(error.takes)
        raise refusal(message, line=redact(text), setting=setting, takes=takes) from None


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
            message = _("“${line}”: no upstream is called ${name}. The upstreams are: ${names}.")
            names = ", ".join(sorted(upstreams)) or "-"
            raise refusal(message, line=redact(text), name=line.upstream, names=names)
        if line[:2] in seen:
            message = _("“${line}”: two lines change this setting. Keep one of them.")
            raise refusal(message, line=redact(text))
        seen.add(line[:2])
    return True
