"""Makes the path of a call, which stays below base_url whatever a visitor's value is.

The developer writes the path, and ``path_params`` fills its places. A value is quoted whole, so
it is a part of one segment and nothing else. A way up, or to another host, is refused in every
spelling that some server understands: plain, quoted once or more often, with a backslash, with
a parameter (``..;a``), with characters that look alike.
"""

from ..kernel.arguments import Unfit
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from urllib.parse import unquote

import re
import unicodedata

#: The characters that a path has unquoted; a % has to quote something.
_PLAIN = "/:@!$&'()*+,;=-._~%"
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")

_PLACE = re.compile(r"\{(\w+)\}")

#: How many times some server may unquote a path.
_UNQUOTED = 3

#: Forbidden UTF-8 for a dot, a slash and a backslash, which some servers understand.
_OVERLONG = {"%c0%ae": ".", "%c0%af": "/", "%c1%9c": "/", "%e0%80%ae": ".", "%e0%80%af": "/"}

#: Characters that some servers leave out.
_UNSEEN = re.compile(r"[\0-\x20\x7f-\xa0\u200b-\u200f\u2060\ufeff\xad]")

_TEMPLATE = 'pass what is put into it as path_params={"name": value}, for {name} in the path'


def render_path(path: object, values: Mapping[str, Any] | None) -> str:
    """Return *path* as it is sent, with each of *values* in its place.

    Raises:
        Unfit: The path could leave base_url, or the values are not those of its places.
    """
    if isinstance(path, str) and "?" in path:
        raise Unfit("path", f'it has a "?". Pass a query as params=; {_TEMPLATE}.')
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise Unfit("path", 'it must begin with "/"; it is appended to base_url.')
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
        raise Unfit(where, "it is empty, which would be another path.")
    quoted = _quote(str(value), where, "")
    if not _stays_below(f"/{quoted}"):
        raise Unfit(where, "it could lead out of base_url (.., //, \\).")
    return quoted


def _quote(text: str, where: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise Unfit(where, "it has a lone surrogate, which is half of a character.") from None


def _stays_below(path: str) -> bool:
    """Tell whether no server reads *path* as a way up, or to another host."""
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
