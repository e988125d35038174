"""One request to an upstream, made of what the view said. Plain data, made in the pass."""

from ..kernel.arguments import Unfit
from .paths import render_path
from .settings import host_of
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import TypeAlias
from urllib.parse import quote
from urllib.parse import urlencode

import json
import re

#: What follows the question mark: names with one value or several, None is left out; or a query
#: as a service gave it, as a str.
Params: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]] | str | None

#: May be made twice with the effect of once.
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BROKEN = re.compile(r"[\0\r\n]")

#: What the connection itself says.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade"})

#: Unless somebody says otherwise.
_DEFAULTS = (("User-Agent", "collective.wsgifutures"), ("Accept-Encoding", "gzip, deflate"))


@dataclass(frozen=True, repr=False)
class Request:
    """What is sent. Nothing of it may get into a log or an error, but for its host."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} to {self.host}>"

    @property
    def host(self) -> str:
        """Where it goes."""
        return host_of(self.url)

    @property
    def may_be_repeated(self) -> bool:
        """Tell whether it may be made again where nobody knows what became of it."""
        return self.method in IDEMPOTENT or any(
            name.lower() == "idempotency-key" for name, _ in self.headers
        )

    def with_header(self, name: str, value: str) -> "Request":
        """Return the same with one more header.

        Raises:
            Unfit: It cannot be sent.
        """
        return replace(self, headers=(*self.headers, (name, _header(name, value))))


def build(
    method: str,
    base_url: str,
    fixed: tuple[tuple[str, str], ...],
    path: str = "/",
    *,
    path_params: Mapping[str, Any] | None = None,
    params: Params = None,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: Any = None,
) -> Request:
    """Return the request that these arguments describe.

    Raises:
        Unfit: One of them cannot be sent.
    """
    body, kind = _body(json, data)
    own = _checked(headers or {})
    merged = {name.lower(): (name, value) for name, value in (*_DEFAULTS, *kind, *fixed, *own)}
    url = base_url + (render_path(path, path_params) or "/") + _query(params)
    return Request(method, url, tuple(merged.values()), body)


def check_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a declaration.

    Raises:
        ValueError: One of them cannot be sent. Its value is not told.
    """
    try:
        return _checked(headers)
    except Unfit as unfit:
        raise ValueError(f"{unfit.where}: {unfit.reason}") from None


def _checked(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _header(name, value)) for name, value in headers.items())


def _header(name: str, value: object) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise Unfit("headers", "a name is not one that HTTP allows for a header.")
    where = f"headers[{name!r}]"
    if name.lower() in _OURS:
        raise Unfit(where, "the connection sets it by itself; leave it out.")
    if not isinstance(value, str):
        raise Unfit(where, f"it is a {type(value).__qualname__}; pass a str.")
    if _BROKEN.search(value) or not _fits(value):
        raise Unfit(where, "it has a line break or a character outside of latin-1.")
    return value.strip()


def _fits(value: str) -> bool:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _query(params: Params) -> str:
    if isinstance(params, str):
        query = _encode(quote, "params", params.removeprefix("?"), safe="/?:@!$&'()*+,;=-._~%")
    else:
        query = _encode(urlencode, "params", _pairs(params), doseq=True)
    return f"?{query}" if query else ""


def _encode(encode: Callable[..., Any], where: str, value: Any, **options: Any) -> Any:
    try:
        return encode(value, **options)
    except UnicodeEncodeError:
        raise Unfit(where, "it has a lone surrogate, which is half of a character.") from None


def _pairs(params: Any) -> list[tuple[str, Any]]:
    items = params.items() if isinstance(params, Mapping) else params or ()
    return [(name, value) for name, value in items if value is not None]


def _body(data_json: Any, data: Any) -> tuple[bytes | None, tuple[tuple[str, str], ...]]:
    if data_json is not None and data is not None:
        raise Unfit("data", "there is json= too; pass one of them.")
    if data_json is not None:
        return _json(data_json), (("Content-Type", "application/json"),)
    if data is None or isinstance(data, bytes):
        return data, ()
    if isinstance(data, str):
        text = _encode(lambda text: text.encode(), "data", data)
        return text, (("Content-Type", "text/plain; charset=utf-8"),)
    form = _encode(urlencode, "data", _pairs(data), doseq=True).encode()
    return form, (("Content-Type", "application/x-www-form-urlencoded"),)


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Unfit("json", f"JSON cannot have it ({error}).") from None
