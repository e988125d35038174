"""Makes the calls of one upstream in one process, and under gevent in one loop.

A client is made at the first call, after the fork and after gevent has patched. requests makes
the call, and urllib3 below it (``sessions``, ``connections``). This module decides what comes of
it: an answer that is whole and not too large, or an ``UpstreamError`` without any secret.

urllib3 logs addresses with their queries. It logs nothing about the calls of upstreams.
"""

from ..traces import ids
from .answers import Answer
from .answers import Headers
from .bodies import NotUnpacked
from .bodies import TooLarge
from .bodies import unpack
from .connections import PART
from .errors import UpstreamError
from .errors import UpstreamFailed
from .errors import UpstreamRefused
from .errors import UpstreamTimeout
from .errors import UpstreamTooLarge
from .heads import NotWhole
from .limits import causes
from .limits import is_timeout
from .limits import Limits
from .limits import limits
from .request import Request
from .sessions import CallSession
from .settings import host_of
from .settings import UpstreamSettings
from collections.abc import Callable
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from requests import PreparedRequest
from requests import Response
from requests import TooManyRedirects
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from typing import Any
from typing import TypeVar

import logging
import ssl

A = TypeVar("A")

#: Which cookies are sent where, the same for all calls; each call has a jar of its own.
_COOKIES = DefaultCookiePolicy()


#: Bytes that are asked for at first of a body that is read as it comes: memory that is kept while
#: nothing comes. More are asked for where they come faster than they are taken.
_FIRST = 1024


class _NothingOfOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return limits.get() is None


for _name in ("connection", "connectionpool", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_NothingOfOurs())


class Client:
    """Makes the calls of one upstream.

    Args:
        name: The upstream's.
        settings: The upstream's.

    Raises:
        UpstreamRefused: The settings, or the environment, cannot be used.
    """

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self._name = name
        self._settings = settings
        try:
            self._session = CallSession(name, settings)
        except (OSError, ValueError) as error:
            reason = f"its ca_file or a proxy cannot be used ({_reason(error)})"
        else:
            return
        raise UpstreamRefused(name, settings.host, reason)

    def send(self, request: Request, until: float) -> Answer:
        """Return the answer, redirects followed.

        Args:
            request: What to send.
            until: When it has to be over, in seconds of ``time.monotonic``.

        Raises:
            UpstreamError: There is none.
        """
        return self._ask(request, until, lambda response, of: self._answer(response))

    def open(self, request: Request, until: float) -> "Opened":
        """Return the answer as soon as its head is there, redirects followed.

        Args:
            request: What to send.
            until: When its body has to be there, in seconds of ``time.monotonic``.

        Raises:
            UpstreamError: There is none.
        """
        return self._ask(request, until, self._open)

    def _ask(self, request: Request, until: float, take: Callable[[Response, Limits], A]) -> A:
        of = Limits(self._settings, until, request.host)
        token = limits.set(of)
        try:
            of.left()
            return take(self._session.ask(self._prepare(request)), of)
        except Exception as raised:
            error = raised.with_traceback(None)
        finally:
            limits.reset(token)
        # Outside of the clause above: what urllib3 raised has addresses in it, and would be kept.
        raise self._as_told(error, of)

    def _open(self, response: Response, of: Limits) -> "Opened":
        if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
            response.close()
            raise NotUnpacked("its answer is packed, and so cannot be read as it comes")
        return Opened(response, of, self._settings.max_size, self._as_told)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._session.close()

    def _prepare(self, request: Request) -> PreparedRequest:
        """Return *request* as requests takes it, with the headers that continue the trace.

        These are added here, since they shape no answer: so they are in no key.
        """
        prepared = PreparedRequest()
        prepared.method, prepared.url, prepared.body = request.method, request.url, request.body
        headers = {**ids.headers(), **dict(request.headers)}
        prepared.headers = CaseInsensitiveDict(headers)
        if request.body is not None:
            prepared.headers["Content-Length"] = str(len(request.body))
        prepared.prepare_cookies(RequestsCookieJar(_COOKIES))
        return prepared

    def _answer(self, response: Response) -> Answer:
        try:
            parts = _parts(response, self._settings.max_size)
            body = self._unpack(b"".join(parts), response)
        except BaseException:
            response.close()
            raise
        redirects = tuple(_headers(one) for one in response.history)
        host = host_of(response.url)
        return Answer(response.status_code, _headers(response), body, self._name, host, redirects)

    def _unpack(self, body: bytes, response: Response) -> bytes:
        encoding = response.headers.get("Content-Encoding", "")
        return unpack(body, encoding, self._settings.max_size)

    def _as_told(self, error: Exception, of: Limits) -> UpstreamError:
        """Return what a view may know of *error*."""
        if isinstance(error, UpstreamError):
            return error
        if isinstance(error, TooManyRedirects):
            reason = f"more than {self._settings.max_redirects} redirects"
            return UpstreamRefused(self._name, of.host, reason)
        if isinstance(error, TooLarge):
            return UpstreamTooLarge(self._name, of.host, self._settings.max_size)
        if isinstance(error, NotUnpacked):
            return UpstreamRefused(self._name, of.host, str(error))
        if is_timeout(error):
            return UpstreamTimeout(self._name, of.host, *of.ran_out())
        return UpstreamFailed(self._name, of.host, _reason(error), of.is_dropped(error))


class Opened:
    """An answer whose head is there, and whose body comes.

    Args:
        response: The answer of requests.
        of: The limits of its call.
        max_size: How many bytes it may have.
        as_told: Returns what a view may know of an error.
    """

    def __init__(
        self,
        response: Response,
        of: Limits,
        max_size: int,
        as_told: Callable[[Exception, Limits], UpstreamError],
    ) -> None:
        self.status = response.status_code
        self.headers = _headers(response)
        self.host = host_of(response.url)
        self._response = response
        self._limits = of
        self._max_size = max_size
        self._as_told = as_told

    def parts(self) -> Iterator[bytes]:
        """Yield the parts of the body as they come.

        Raises:
            UpstreamError: It breaks off, is late or too large.
        """
        try:
            yield from _parts(self._response, self._max_size, _as_it_comes)
            return
        except Exception as raised:
            error = raised.with_traceback(None)
        raise self._as_told(error, self._limits)

    def close(self) -> None:
        """Close the connection, unless its answer was read to the end."""
        raw = self._response.raw
        if not raw.closed:
            raw.close()


def _headers(response: Response) -> Headers:
    return Headers(tuple(response.raw.headers.items()))


def _in_parts(raw: Any) -> Iterator[bytes]:
    return raw.stream(PART, decode_content=False)  # type: ignore[no-any-return]


def _as_it_comes(raw: Any) -> Iterator[bytes]:
    """Yield what has come, without waiting for a whole part."""
    if raw.chunked:
        yield from _in_parts(raw)
        return
    size = _FIRST
    while part := raw.read1(size, decode_content=False):
        yield part
        size = min(2 * size, PART) if len(part) == size else _FIRST


def _parts(
    response: Response, limit: int, read: Callable[[Any], Iterator[bytes]] = _in_parts
) -> Iterator[bytes]:
    """Yield the parts of a body as they come.

    Raises:
        TooLarge: The body has more than *limit* bytes, or its head says so.
    """
    if (response.raw.length_remaining or 0) > limit:
        raise TooLarge
    left = limit
    for part in read(response.raw):
        left -= len(part)
        if left < 0:
            raise TooLarge
        yield part


def _reason(error: BaseException) -> str:
    """Return what happened without what anybody said: a text may have an address in it."""
    *_, first = causes(error)
    if isinstance(first, NotWhole):
        return str(first)
    if isinstance(first, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({first.verify_message})"
    if isinstance(first, OSError) and first.strerror and not isinstance(first, ssl.SSLError):
        return first.strerror
    kinds = dict.fromkeys([type(error).__name__, type(first).__name__])
    return ", ".join(kinds)
