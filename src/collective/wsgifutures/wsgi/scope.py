"""The WSGI environ of a request that an asyncio server describes by ASGI's scope."""

from .worker import Environ
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import io
import sys

#: In the environ of a websocket's handshake: the subprotocols that its client offers.
HANDSHAKE = "collective.wsgifutures.handshake"

#: Headers whose names have no ``HTTP_`` in WSGI.
_NO_PREFIX = {"content-length": "CONTENT_LENGTH", "content-type": "CONTENT_TYPE"}


def make_environ(scope: Mapping[str, Any]) -> Environ:
    """Return the environ of a request, without its body."""
    host, port = scope.get("server") or ("localhost", None)
    scheme = _SCHEMES.get(scope["scheme"], scope["scheme"])
    client = scope.get("client") or ("", 0)
    root = _latin(scope.get("root_path", ""))
    environ = {
        "REQUEST_METHOD": scope.get("method", "GET"),  # none is said of a handshake
        "SCRIPT_NAME": root,
        "PATH_INFO": _find_path(scope).removeprefix(root),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "RAW_URI": _find_uri(scope),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or _DEFAULT_PORTS.get(scheme, "")),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope["headers"])
    if scope["type"] == "websocket":
        environ[HANDSHAKE] = tuple(scope.get("subprotocols", ()))
    return environ


_SCHEMES = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def _find_path(scope: Mapping[str, Any]) -> str:
    """Return the path as WSGI has it: bytes, each as one character."""
    raw = scope.get("raw_path")
    if raw:
        return unquote_to_bytes(raw.partition(b"?")[0]).decode("latin-1")
    return _latin(scope["path"])


def _find_uri(scope: Mapping[str, Any]) -> str:
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    query = scope["query_string"]
    uri: bytes = raw + b"?" + query if query else raw
    return uri.decode("latin-1")


def _latin(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _add_headers(environ: Environ, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Add the request's *headers*; those of one name are joined.

    A name with an underscore would look like another header, which a proxy may have checked.
    """
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if "_" in name:
            continue
        key = _NO_PREFIX.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}"
        environ[key] = value
