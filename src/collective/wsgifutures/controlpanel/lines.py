"""What a site changes of its upstreams, as a person writes it: ``weather.total = 5``.

Addresses and all else are two fields, since they are two people's business. What is wrong is
told with what is allowed. Nothing here looks at a site or a request.
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

FORMS = {one.name: one.metadata["form"] for one in fields(UpstreamSettings)}

#: Where calls go to, and whom they trust there.
ADDRESSES = ("base_url", "ca_file")
LIMITS = tuple(name for name in FORMS if name not in ADDRESSES)

_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\.([a-z_]+)\s*=\s*(.*)")


class Line(NamedTuple):
    """One line, understood."""

    upstream: str
    setting: str
    value: Any


def refused(message: Any) -> Invalid:
    """Return the error with *message*, in the language of whoever reads it."""
    return Invalid(translate(message, context=getRequest()))


def line_of(text: str, settings: Collection[str]) -> Line:
    """Return what *text* says.

    Args:
        text: One line of one of the two fields.
        settings: Those that this field is for.

    Raises:
        Invalid: It is no such line; with what is allowed.
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        example = f"weather.{next(iter(settings))} = …"
        raise refused(
            _(
                "“${line}” is not understood. A line is the name of an upstream, a dot, "
                "a setting, = and a value, as “${example}”.",
                mapping={"line": shown(text), "example": example},
            )
        )
    upstream, setting, value = match.groups()
    if setting not in settings:
        raise refused(
            _(
                "“${line}”: there is no setting ${setting} here. There are: ${settings}.",
                mapping={
                    "line": shown(text),
                    "setting": setting,
                    "settings": ", ".join(settings),
                },
            )
        )
    try:
        return Line(upstream, setting, read(setting, value, FORMS[setting]))
    except SettingRefused as error:
        raise refused(
            _(
                "“${line}”: ${setting} takes ${takes}.",
                mapping={"line": shown(text), "setting": setting, "takes": _(error.takes)},
            )
        ) from None


def shown(text: str) -> str:
    """Return *text* as it may be shown and logged: without a password that is in it."""
    return re.sub(r"//[^/]*@", "//…@", text.strip())[:200]


def check(texts: Iterable[str] | None, settings: Collection[str]) -> bool:
    """Tell that the lines *texts* are good, and of upstreams that there are.

    Raises:
        Invalid: One is not.
    """
    seen = set()
    for text in texts or ():
        if not isinstance(text, str):
            continue  # the field itself refuses it, after this
        line = line_of(text, settings)
        if line.upstream not in upstreams:
            names = ", ".join(sorted(upstreams)) or "-"
            raise refused(
                _(
                    "“${line}”: no upstream is called ${name}. There are: ${names}.",
                    mapping={"line": shown(text), "name": line.upstream, "names": names},
                )
            )
        if line[:2] in seen:
            raise refused(
                _("“${line}”: that is set twice. Keep one line.", mapping={"line": shown(text)})
            )
        seen.add(line[:2])
    return True
