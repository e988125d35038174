"""The path of a call: always below its upstream's base_url, whatever a visitor's value is.

A path is what the developer wrote. A value gets into it by a template, quoted whole; so it is
one segment and can be nothing else. What servers, proxies and browsers read as a way up, or to
another host, is refused in all spellings that one of them understands: as dots, encoded once
or more, with a backslash, with a parameter (``..;a``), with characters that look alike.
"""

from ..kernel.arguments import Unfit
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from urllib.parse import unquote

import re
import unicodedata

#: What a path has unquoted; a % only where it quotes.
_PLAIN = "/:@!$&'()*+,;=-._~%"
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")

_PLACE = re.compile(r"\{(\w+)\}")

#: How often some server may unquote a path.
_UNQUOTED = 3

#: UTF-8 for a dot, a slash and a backslash that is longer than it may be; some take it.
_OVERLONG = {"%c0%ae": ".", "%c0%af": "/", "%c1%9c": "/", "%e0%80%ae": ".", "%e0%80%af": "/"}

#: What is left out before a path is read.
_UNSEEN = re.compile(r"[\0-\x20\x7f-\xa0\u200b-\u200f\u2060\ufeff\xad]")

_TEMPLATE = 'pass what is put into it as path_params={"name": value}, for {name} in the path'


def render_path(path: object, values: Mapping[str, Any] | None) -> str:
    """Return *path* as it is sent, with *values* in the places of their names.

    Raises:
        Unfit: It would not stay below base_url, or a value is missing, or there is none for it.
    """
    if isinstance(path, str) and "?" in path:
        raise Unfit("path", f'it has a "?". Pass a query as params=; {_TEMPLATE}.')
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise Unfit("path", 'it has to begin with "/"; it is appended to base_url.')
    path = _LONE_PERCENT.sub("%25", path)
    rendered = _quote(_fill(path, values) if values is not None else path, "path", _PLAIN)
    if not _stays_below(rendered):
        raise Unfit("path", f"it could lead out of base_url (.., //, \\); {_TEMPLATE}.")
    return rendered


def _fill(path: str, values: Mapping[str, Any]) -> str:
    if not isinstance(values, Mapping):
        raise Unfit("path_params", "it has to be a dict.")
    names = set(_PLACE.findall(path))
    if names != set(values):
        wrong = ", ".join(sorted(map(str, names ^ set(values))))
        raise Unfit("path_params", f"its names are not those in the path: {wrong}.")
    return _PLACE.sub(lambda place: _value(place[1], values[place[1]]), path)


def _value(name: str, value: object) -> str:
    where = f"path_params[{name!r}]"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unfit(where, f"it is a {type(value).__qualname__}; pass a str or an int.")
    if not str(value).strip():
        raise Unfit(where, "it is empty, and the path would be that of something else.")
    quoted = _quote(str(value), where, "")
    if not _stays_below(f"/{quoted}"):
        raise Unfit(where, "it could lead out of base_url (.., //, \\).")
    return quoted


def _quote(text: str, where: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise Unfit(where, "it has half of a character (a lone surrogate).") from None


def _stays_below(path: str) -> bool:
    """Tell whether nobody reads *path* as one that leads up, or to another host."""
    for _ in range(_UNQUOTED):
        if not _is_plain(path):
            return False
        plain = unquote(_without_overlong(path))
        if plain == path:
            return True
        path = plain
    return _is_plain(path) and unquote(path) == path


def _without_overlong(path: str) -> str:
    for form, plain in _OVERLONG.items():
        path = re.sub(form, plain, path, flags=re.IGNORECASE)
    return path


def _is_plain(path: str) -> bool:
    seen = _UNSEEN.sub("", path if path.isascii() else unicodedata.normalize("NFKC", path))
    seen = seen.replace("\\", "/")
    segments = [one.partition(";")[0] for one in seen.split("/")]
    return not seen.startswith("//") and not {".", ".."} & set(segments)
