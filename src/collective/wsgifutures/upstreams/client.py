"""One pool of connections of one upstream, on urllib3.

Made when the first call is made, so after the fork and after gevent has patched. A
connection differs from urllib3's in a few things. It looks at the time before it reads or
sends, so that an answer which trickles ends in time even where nobody could kill the call,
and a large body may take longer than a connection. Looking up a name and TLS are part of
connecting. An interim answer (1xx) is read past, whatever its number: the next call on the
connection would get what comes after it. And under gevent it waits for the first byte
before http.client makes its response, with a buffer of 8 KB for each call that waits.

urllib3 logs addresses with their queries. Of the calls that are made here it logs nothing.
"""

from ..kernel.runtime import under_gevent
from ..traces import ids
from .answers import Answer
from .answers import Headers
from .errors import UpstreamError
from .errors import UpstreamRefused
from .errors import UpstreamTimeout
from .errors import UpstreamTooLarge
from .request import Request
from .settings import UpstreamSettings
from contextlib import AbstractContextManager
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import replace
from http import HTTPStatus
from http.client import BadStatusLine
from http.client import HTTPException
from http.client import HTTPResponse
from typing import Any
from typing import NamedTuple
from urllib.parse import SplitResult
from urllib.parse import unquote
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib.request import getproxies
from urllib.request import proxy_bypass
from urllib3 import exceptions
from urllib3 import HTTPConnectionPool
from urllib3 import HTTPResponse as PoolResponse
from urllib3 import HTTPSConnectionPool
from urllib3 import PoolManager
from urllib3 import ProxyManager
from urllib3 import Retry
from urllib3 import Timeout
from urllib3.connection import HTTPConnection
from urllib3.connection import HTTPSConnection
from urllib3.util import make_headers
from urllib3.util.ssl_ import create_urllib3_context

import functools
import io
import logging
import select
import socket
import ssl
import time

#: Bodies are read in parts: between them others run, and the size is looked at.
PART = 64 * 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: What another host may be told.
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})

_NO_RETRY = Retry(False)


class _Limits(NamedTuple):
    until: float  #: when the call has to be over
    read: float  #: how long nothing may come, and nothing be taken

    def left(self) -> float:
        return min(self.until - time.monotonic(), self.read)


#: Those of the call that is made here; None outside of one.
_limits: ContextVar[_Limits | None] = ContextVar("wsgifutures.upstream", default=None)


class _NothingOfOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return _limits.get() is None


for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_NothingOfOurs())


class _InTime(io.RawIOBase):
    """What comes from a socket, for as long as there is time."""

    def __init__(self, sock: Any, limits: _Limits) -> None:
        self._raw = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._limits = limits

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        left = self._limits.left()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """A socket as http.client's response wants it."""

    def __init__(self, *args: Any) -> None:
        self._args = args

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_InTime(*self._args))


class _Final(HTTPResponse):
    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == HTTPStatus.SWITCHING_PROTOCOLS:  # nobody asked for that
            raise BadStatusLine(str(status))
        interim = status < HTTPStatus.OK
        return version, HTTPStatus.CONTINUE if interim else status, reason


class _Lean(HTTPConnection):
    @property
    def is_connected(self) -> bool:
        """Tell whether it is open, and nothing has come that was not asked for."""
        # Without waiting: gevent's poll goes through its loop even for no time at all.
        if self.sock is None:
            return False
        poll = _plain_poll()()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def connect(self) -> None:
        """Connect, and be done with all of it in time."""
        try:
            with _in_time(self.timeout):
                super().connect()
        except TimeoutError as error:  # while the name was looked up, or TLS said nothing
            raise exceptions.ConnectTimeoutError(self, "timed out") from error

    def send(self, data: Any) -> None:
        """Send *data*: a large one in parts, for as long as some of it is taken."""
        limits = _limits.get()
        if limits is None or not isinstance(data, bytes) or len(data) <= PART:
            super().send(data)
            return
        try:
            for begin in range(0, len(data), PART):
                left = limits.left()
                if left <= 0:
                    raise TimeoutError("timed out")
                if self.sock is not None:
                    self.sock.settimeout(left)
                super().send(data[begin : begin + PART])
        except TimeoutError as error:  # of an OSError urllib3 says that the connection is broken
            raise exceptions.TimeoutError("timed out") from error

    def getresponse(self) -> Any:
        """Return the answer."""
        if under_gevent():
            self._wait_for_first_byte()
        return super().getresponse()

    def response_class(  # type: ignore[override]
        self, sock: Any, *args: Any, **kwargs: Any
    ) -> HTTPResponse:
        """Return http.client's own response, reading in time."""
        limits = _limits.get()
        if limits is None or not isinstance(self.timeout, int | float):
            return _Final(sock, *args, **kwargs)
        limits = limits._replace(read=self.timeout)  # while a proxy connects it is another one
        return _Final(_Socket(sock, limits), *args, **kwargs)  # type: ignore[arg-type]

    def _wait_for_first_byte(self) -> None:
        from gevent.socket import wait_read

        sock: Any = self.sock
        limits = _limits.get()
        # Other than sockets are TLS inside of TLS; and what TLS has unpacked is no event.
        if limits is None or not isinstance(sock, socket.socket) or _pending(sock):
            return
        wait_read(sock.fileno(), max(0.0, limits.left()), TimeoutError("timed out"))


class _LeanTLS(_Lean, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Lean


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _LeanTLS


def _in_time(seconds: Any) -> AbstractContextManager[Any]:
    """Return what ends a look-up or a handshake where it can be ended: under gevent."""
    if not under_gevent():
        return nullcontext()
    import gevent

    return gevent.Timeout(seconds, TimeoutError("timed out"))  # type: ignore[no-any-return]


def _pending(sock: Any) -> int:
    return sock.pending() if isinstance(sock, ssl.SSLSocket) else 0


@functools.cache
def _plain_poll() -> Any:
    if not under_gevent():
        return select.poll
    from gevent.monkey import get_original

    return get_original("select", "poll")


@functools.cache
def _context(ca_file: str) -> ssl.SSLContext:
    """Return what verifies certificates. It takes milliseconds to make, and is shared."""
    context = create_urllib3_context()
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class Client:
    """Makes the calls of one upstream, as one process sees it.

    Args:
        name: The upstream's.
        settings: The upstream's.
    """

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self._name = name
        self._settings = settings
        self._own = urlsplit(settings.base_url)
        self._root = f"{self._own.scheme}://{self._own.netloc}/"
        self._host = settings.host
        self._manager = self._new_manager(self._own)
        self._pool = _pool(self._manager, self._own)

    def send(self, request: Request, until: float, *, read: float | None = None) -> Answer:
        """Return the answer, redirects followed.

        Args:
            request: What to send.
            until: When it has to be over, in seconds of ``time.monotonic``.
            read: How long it may send nothing, where not as the settings say.

        Raises:
            UpstreamError: There is none.
        """
        redirects: tuple[Headers, ...] = ()
        for _ in range(self._settings.max_redirects + 1):
            answer, target = self._send(request, until, read or self._settings.read)
            if target is None:
                return replace(answer, redirects=redirects) if redirects else answer
            request = self._redirected(request, answer.status, target)
            redirects += (answer.headers,)
        raise UpstreamRefused(
            self._name, request.host, f"more than {self._settings.max_redirects} redirects"
        )

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._pool.close()
        self._manager.clear()

    def _send(self, request: Request, until: float, read: float) -> tuple[Answer, str | None]:
        token = _limits.set(_Limits(until, read))
        error: Exception | None = None
        try:
            return self._exchange(request, until, read)
        except (exceptions.HTTPError, HTTPException, OSError, ValueError) as raised:
            error = raised.with_traceback(None)
        except UpstreamError as raised:
            error = raised
        finally:
            _limits.reset(token)
        # Outside of the clause above: what urllib3 raised has addresses in it, and would be kept.
        raise self._told(error, request.host, until, read)

    def _exchange(self, request: Request, until: float, read: float) -> tuple[Answer, str | None]:
        pool, target = self._way(request.url)
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        response = pool.urlopen(
            request.method,
            target,
            body=request.body,
            headers=self._headers(request),
            retries=_NO_RETRY,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=min(self._settings.connect, left), read=read, total=left),
            preload_content=False,
            decode_content=True,
        )
        complete = False
        try:
            answer = self._answer(response, request)
            complete = True
        finally:
            if not complete:
                response.close()
            response.release_conn()
        moved = answer.status in _REDIRECTS and answer.headers.get("location")
        return answer, moved or None

    def _headers(self, request: Request) -> dict[str, str]:
        """Return what is sent: with what continues the trace, to the upstream itself only.

        It is added here and not where a request is made of what a view said: it shapes
        nothing of the answer, and is in no key.
        """
        headers = dict(request.headers)
        if request.url.startswith(self._root):
            given = {name.lower() for name in headers}
            more = {name: value for name, value in ids.headers().items() if name not in given}
            headers.update(more)
        return headers

    def _answer(self, response: Any, request: Request) -> Answer:
        host = self._host if request.url.startswith(self._root) else request.host
        headers = Headers(tuple(response.headers.items()))
        length = response.headers.get("content-length", "")
        if (
            length.isdecimal()
            and int(length) > self._settings.max_size
            and request.method != "HEAD"
        ):
            raise UpstreamTooLarge(self._name, host, self._settings.max_size)
        return Answer(response.status, headers, self._body(response, host), self._name, host)

    def _body(self, response: PoolResponse, host: str) -> bytes:
        packed = "content-encoding" in response.headers
        parts = []
        size = 0
        while part := response.read(PART):
            size += len(part)
            if size > self._settings.max_size:
                raise UpstreamTooLarge(self._name, host, self._settings.max_size)
            parts.append(part)
            if response.length_remaining == 0 and len(part) < PART and not packed:
                break
        return b"".join(parts)

    def _redirected(self, request: Request, status: int, target: str) -> Request:
        url = _joined(request.url, target)
        if urlsplit(url).scheme not in ("https", urlsplit(request.url).scheme):
            raise UpstreamRefused(self._name, request.host, "a redirect to something less safe")
        method, body = request.method, request.body
        if status == 303 or (status in (301, 302) and method == "POST"):
            method, body = ("HEAD" if method == "HEAD" else "GET"), None
        headers = request.headers
        if _origin(url) != _origin(request.url):
            if body is not None:
                raise UpstreamRefused(
                    self._name, request.host, "a redirect of a body to another host"
                )
            headers = tuple(h for h in headers if h[0].lower() in _HARMLESS)
        if body is None:
            headers = tuple(h for h in headers if h[0].lower() != "content-type")
        return replace(request, method=method, url=url, headers=headers, body=body)

    def _told(self, error: Exception | None, host: str, until: float, read: float) -> UpstreamError:
        settings = self._settings
        match error:
            case UpstreamError():
                return error
            case exceptions.NewConnectionError():  # a timeout too, for urllib3
                pass
            case exceptions.TimeoutError() | TimeoutError() if time.monotonic() >= until - 0.01:
                return UpstreamTimeout(self._name, host, settings.total, "total")
            case exceptions.ConnectTimeoutError():
                return UpstreamTimeout(self._name, host, settings.connect, "connect")
            case exceptions.TimeoutError() | TimeoutError():
                return UpstreamTimeout(self._name, host, read, "read")
        return UpstreamRefused(self._name, host, _reason(error))

    def _way(self, url: str) -> tuple[HTTPConnectionPool, str]:
        """Return the pool for *url*, and what it is asked for."""
        if url.startswith(self._root) and self._pool.proxy is None:  # spares urlsplit
            return self._pool, url[len(self._root) - 1 :]
        pool = self._pool_for(url)
        return pool, _target(url, pool.proxy is not None)

    def _pool_for(self, url: str) -> HTTPConnectionPool:
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) == (self._own.scheme, self._own.netloc):
            return self._pool
        return _pool(self._new_manager(parts), parts)

    def _new_manager(self, parts: SplitResult) -> PoolManager:
        host = parts.hostname or ""
        options: dict[str, Any] = {"maxsize": self._settings.max_calls, "block": False}
        options["ssl_context"] = _context(self._settings.ca_file)
        proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
        if proxy and not proxy.startswith(("http://", "https://")):
            if "://" in proxy:
                raise UpstreamRefused(self._name, host, "its proxy is none for HTTP")
            proxy = f"http://{proxy}"
        manager = (
            ProxyManager(proxy, **_proxy(proxy), **options) if proxy else PoolManager(**options)
        )
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}
        return manager


def _pool(manager: PoolManager, parts: SplitResult) -> HTTPConnectionPool:
    return manager.connection_from_host(parts.hostname, parts.port, parts.scheme)


def _proxy(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"proxy_headers": make_headers(proxy_basic_auth=secret)}


def _joined(url: str, target: str) -> str:
    """Return where a redirect leads; nothing where *target* is no address."""
    try:
        joined = urljoin(url, target).partition("#")[0]
        return joined if urlsplit(joined).hostname else ""
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _target(url: str, proxy: bool) -> str:
    """Return what is asked for: of a proxy for plain HTTP, the whole address."""
    parts = urlsplit(url)
    if proxy and parts.scheme == "http":
        return url
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _reason(error: object) -> str:
    """Return what happened without what anybody said: a text may have an address in it."""
    seen: Any = error
    while inner := _inside(seen):
        seen = inner
    if isinstance(seen, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({seen.verify_message})"
    if isinstance(seen, OSError) and seen.strerror and not isinstance(seen, ssl.SSLError):
        return seen.strerror
    kinds = dict.fromkeys([type(error).__name__, type(seen).__name__])
    return ", ".join(kinds)


def _inside(error: Any) -> BaseException | None:
    parts = (error.__cause__, *error.args)
    return next((p for p in parts if isinstance(p, BaseException) and p is not error), None)
