"""Makes the calls of one upstream, as one loop or process sees it.

Made when the first call is made, so after the fork and after gevent has patched. What a call
is made of is requests' business, and urllib3's below (``sessions``, ``connections``); here it
is said what an upstream makes of it: an answer that is whole and of a bounded size, or an
``UpstreamError`` without anything that may be a secret.

urllib3 logs addresses with their queries. Of the calls that are made here it logs nothing.
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
from .limits import Limits
from .limits import limits
from .request import Request
from .sessions import CallSession
from .settings import host_of
from .settings import UpstreamSettings
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from requests import PreparedRequest
from requests import Response
from requests import TooManyRedirects
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from typing import Any
from urllib.parse import urlsplit

import logging
import ssl

#: Which cookies are sent where, the same for all calls; each call has a jar of its own.
_COOKIES = DefaultCookiePolicy()


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
    """

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self._name = name
        self._settings = settings
        own = urlsplit(settings.base_url)
        self._root = f"{own.scheme}://{own.netloc}/"
        self._session = CallSession(name, settings)

    def send(self, request: Request, until: float) -> Answer:
        """Return the answer, redirects followed.

        Args:
            request: What to send.
            until: When it has to be over, in seconds of ``time.monotonic``.

        Raises:
            UpstreamError: There is none.
        """
        of = Limits(self._settings, until)
        of.begin(request.host)
        token = limits.set(of)
        try:
            of.left()
            return self._answer(self._session.ask(self._prepare(request)))
        except Exception as raised:
            error = raised.with_traceback(None)
        finally:
            limits.reset(token)
        # Outside of the clause above: what urllib3 raised has addresses in it, and would be kept.
        raise self._as_told(error, of)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._session.close()

    def _prepare(self, request: Request) -> PreparedRequest:
        """Return *request* for requests: with what continues the trace, for the upstream itself.

        That is added here and not where a request is made of what a view said: it shapes
        nothing of the answer, and is in no key.
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
            body = self._body(response)
        except BaseException:
            response.close()
            raise
        redirects = tuple(_headers(one) for one in response.history)
        host = host_of(response.url)
        return Answer(response.status_code, _headers(response), body, self._name, host, redirects)

    def _body(self, response: Response) -> bytes:
        limit = self._settings.max_size
        body = b"".join(_parts(response, limit))
        return unpack(body, response.headers.get("Content-Encoding", ""), limit)

    def _as_told(self, error: Exception, of: Limits) -> UpstreamError:
        """Return *error* as what a view may know of it."""
        if isinstance(error, UpstreamError):
            return error
        if isinstance(error, TooManyRedirects):
            reason = f"more than {self._settings.max_redirects} redirects"
            return UpstreamRefused(self._name, of.host, reason)
        if isinstance(error, TooLarge):
            return UpstreamTooLarge(self._name, of.host, self._settings.max_size)
        if isinstance(error, NotUnpacked):
            return UpstreamRefused(self._name, of.host, str(error))
        chain = list(_chain(error))
        if any(isinstance(one, TimeoutError) for one in chain):
            return UpstreamTimeout(self._name, of.host, *of.ran_out())
        return UpstreamFailed(self._name, of.host, _reason(chain), of.dropped)


def _headers(response: Response) -> Headers:
    return Headers(tuple(response.raw.headers.items()))


def _parts(response: Response, limit: int) -> Iterator[bytes]:
    """Yield what is sent of a body, as long as it is not too much.

    Raises:
        TooLarge: It says that it is, or it is.
    """
    if (response.raw.length_remaining or 0) > limit:
        raise TooLarge
    left = limit
    for part in response.raw.stream(PART, decode_content=False):
        left -= len(part)
        if left < 0:
            raise TooLarge
        yield part


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what caused it, the first cause last."""
    inner: BaseException | None = error
    seen: list[Any] = []
    while inner is not None and inner not in seen:
        yield inner
        seen.append(inner)
        parts = (inner.__cause__, *inner.args)
        inner = next((one for one in parts if isinstance(one, BaseException)), None)


def _reason(chain: list[BaseException]) -> str:
    """Return what happened without what anybody said: a text may have an address in it."""
    first = chain[-1]
    if isinstance(first, NotWhole):
        return str(first)
    if isinstance(first, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({first.verify_message})"
    if isinstance(first, OSError) and first.strerror and not isinstance(first, ssl.SSLError):
        return first.strerror
    kinds = dict.fromkeys([type(chain[0]).__name__, type(first).__name__])
    return ", ".join(kinds)
