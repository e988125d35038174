"""requests' Session, with the rules of upstreams.

requests follows redirects, keeps cookies within a call, and reads addresses and the proxies of
the environment. These rules are ours: connections keep the limits of a call, a redirect takes
only harmless headers to another host, and no call has the cookies of another call.
"""

from .connections import PART
from .connections import POOLS
from .connections import SOCKET_OPTIONS
from .connections import tls_context
from .errors import UpstreamRefused
from .limits import of_call
from .request import IDEMPOTENT
from .settings import host_of
from .settings import UpstreamSettings
from http.cookiejar import DefaultCookiePolicy
from requests import ConnectionError as NoConnection
from requests import PreparedRequest
from requests import Response
from requests import Session
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_PORTS
from requests.utils import get_environ_proxies
from typing import Any
from urllib.parse import quote
from urllib.parse import SplitResult
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib3 import Retry

import os
import string

#: The headers that a redirect takes to another host; its cookies are those of that host.
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "cookie", "user-agent"})

#: The headers that describe a body.
_OF_BODY = ("Content-Type", "Content-Length")


class _Adapter(HTTPAdapter):
    """Sends one request on a connection of ours."""

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self._name = name
        self._options: Any = {
            "ssl_context": tls_context(settings.ca_file),
            "socket_options": SOCKET_OPTIONS,
        }
        super().__init__(pool_maxsize=settings.max_calls, max_retries=Retry(False))

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        """Make the pools for hosts without a proxy."""
        super().init_poolmanager(connections, maxsize, block, **kwargs, **self._options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools for hosts behind *proxy*."""
        if not proxy.lower().startswith(("http://", "https://")):
            raise UpstreamRefused(self._name, of_call().host, "its proxy is not an HTTP proxy")
        manager = super().proxy_manager_for(proxy, **kwargs, **self._options)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """Tell pools apart by host alone: all verify certificates in the same way."""
        return super().build_connection_pool_key_attributes(*args, **kwargs)[0], {}

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Leave that to our context, which trusts the system's certificates and ``ca_file``."""

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send *request*; send it again if a kept connection ended before the answer began."""
        # Not *args and **kwargs: these take another 1 KB of the stack of each call that waits.
        of = of_call()
        of.begin(host_of(request.url or ""))
        try:
            return super().send(request, stream, timeout, verify, cert, proxies)
        except NoConnection as error:
            if not of.is_dropped(error) or not _may_be_repeated(request):
                raise
        of.begin(of.host, anew=True)
        return super().send(request, stream, timeout, verify, cert, proxies)


class CallSession(Session):
    """Follows the redirects of one upstream's calls."""

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        super().__init__()
        self._name = name
        self.max_redirects = settings.max_redirects
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # kept for no other call
        adapter = _Adapter(name, settings)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)
        self._proxies = _proxies(settings.base_url)

    def ask(self, request: PreparedRequest) -> Response:
        """Return the last answer of *request*. Its body has yet to be read."""
        return self.send(request, stream=True, proxies=self._proxies)

    def get_redirect_target(self, resp: Response) -> str | None:
        """Return where *resp* leads, or None; and skip the body of a redirect."""
        if not resp.is_redirect:
            return None
        # The bytes as they came: their charset is unknown.
        target = quote(resp.headers["location"].encode("latin-1"), safe=string.printable)
        if not _is_safe(_parts(resp.url, target), urlsplit(resp.url)):
            resp.close()
            raise self._refusal(resp, "a redirect to something less safe")
        left = resp.raw.length_remaining
        if left is None or left > PART:
            resp.raw.close()
        else:
            resp.raw.drain_conn()
        return target

    def rebuild_method(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Change the method as browsers do: a 302 makes a POST a GET, but not a PUT."""
        if response.status_code == 303 or prepared_request.method in ("GET", "HEAD", "POST"):
            super().rebuild_method(prepared_request, response)

    def rebuild_proxies(self, prepared_request: PreparedRequest, proxies: Any) -> Any:
        """Return the proxies for the new host, whatever the last one had.

        A proxy's password is not among the headers of the request: urllib3 gives it to the proxy.
        """
        return _proxies(prepared_request.url or "")

    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Decide what the request takes along to its new address."""
        headers, before = prepared_request.headers, response.request
        if prepared_request.method == before.method and response.status_code != 303:
            prepared_request.body = before.body  # requests drops that of a PUT
            headers.update(
                {name: before.headers[name] for name in _OF_BODY if name in before.headers}
            )
        if _origin(prepared_request.url) == _origin(before.url):
            _add_cookies(headers, before.headers.get("Cookie", ""))
            return
        if prepared_request.body is not None:
            raise self._refusal(response, "a redirect of a body to another host")
        for name in [one for one in headers if one.lower() not in _HARMLESS]:
            del headers[name]

    def _refusal(self, response: Response, reason: str) -> UpstreamRefused:
        return UpstreamRefused(self._name, host_of(response.url), reason)


def _proxies(url: str) -> dict[str, str]:
    """Return the proxies that requests finds for *url*, mended.

    requests takes a user's name for a scheme, and knows no port behind an address in no_proxy.
    """
    names = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if host_of(url) in [name.strip() for name in names.split(",")]:
        return {}
    found = get_environ_proxies(url).items()
    return {key: one if "://" in one else f"http://{one}" for key, one in found}


def _may_be_repeated(request: PreparedRequest) -> bool:
    return request.method in IDEMPOTENT or "Idempotency-Key" in request.headers


def _parts(url: str, target: str) -> SplitResult | None:
    """Return the address that a redirect leads to, or None if *target* is not an address."""
    try:
        parts = urlsplit(urljoin(url, target))
        return parts if parts.port != 0 and parts.hostname else None
    except ValueError:
        return None


def _is_safe(parts: SplitResult | None, before: SplitResult) -> bool:
    return parts is not None and parts.scheme in ("https", before.scheme)


def _origin(url: str | None) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url or "")
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _add_cookies(headers: Any, before: str) -> None:
    """Add the cookies that the view sent. requests only knows those that an answer has set."""
    cookies = [one.strip() for one in headers.get("Cookie", "").split(";") if one.strip()]
    names = {one.partition("=")[0] for one in cookies}
    old = [one.strip() for one in before.split(";")]
    cookies += [one for one in old if one and one.partition("=")[0] not in names]
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
