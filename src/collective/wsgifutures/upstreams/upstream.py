"""The words that a view uses: ``Upstream``, and its ``get``, ``post`` and so on.

The module is long because the words, their signatures and the call that each of them makes are
read together.
"""

from ..kernel.arguments import take
from ..kernel.arguments import Taken
from ..kernel.arguments import Unfit
from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.calls import Raised
from ..kernel.calls import run_to_end
from ..kernel.errors import ArgumentRefused
from ..kernel.errors import FuturesError
from ..kernel.futures import Future
from ..kernel.futures import settle_in_place
from ..kernel.passes import holding_pass
from ..kernel.passes import Pass
from ..traces import spans
from .answers import Answer
from .cache import check
from .cache import Freshness
from .elsewhere import explain
from .errors import UpstreamTimeout
from .request import build
from .request import check_headers
from .request import Params
from .request import Request
from .service import Service
from .settings import declared
from .settings import for_site
from .settings import UpstreamSettings
from .sharing import Shared
from .sharing import SharedCalls
from .streaming import AnswerStream
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from typing import Any
from typing import cast
from typing import Generic
from typing import ParamSpec

import functools
import hashlib
import inspect
import logging
import math
import os
import re
import time
import uuid
import weakref

logger = logging.getLogger(__name__)

P = ParamSpec("P")

#: Seconds before a hold's deadline at which a call gives up: its error says more than the hold's.
_BEFORE_DEADLINE = 0.1

#: Seconds that a future may take longer than its upstream, so that the upstream's limit is first.
_AFTER_TOTAL = 1.0

#: How many services of an upstream a process keeps, for sites with settings of their own.
_MOST_SERVICES = 100

#: The upstreams of this process by name, for the status and the control panel.
upstreams: "weakref.WeakValueDictionary[str, Upstream]" = weakref.WeakValueDictionary()


class UpstreamCall(Call):
    """A call to an upstream, as a hold keeps it."""

    __slots__ = ("_ends_at", "_freshness", "_known", "_request")

    def __init__(
        self,
        name: str,
        identity: Hashable,
        arguments: Any,
        known: "_Known",
        request: Request,
        freshness: Freshness | None,
    ) -> None:
        total = known.service.settings.total
        super().__init__(name, identity, None, timeout=total + _AFTER_TOTAL, arguments=arguments)
        self._known = known
        self._request = request
        self._freshness = freshness
        self._ends_at = math.inf

    def held_until(self, ends_at: float) -> None:
        """Note when the call's hold ends, by the hold's own clock."""
        self._ends_at = ends_at

    def work(self) -> Outcome:
        """Make the call for a hold."""
        started = self.due - self.timeout
        left = self._ends_at - started - _BEFORE_DEADLINE
        return run_to_end(self.name, functools.partial(self.make, left))

    def make(self, left: float = math.inf) -> Outcome:
        """Make the call, in *left* seconds at most."""
        service, request = self._known.service, self._request
        until = time.monotonic() + min(left, service.settings.total)
        try:
            with spans.of_call(service.name, request.method, service.settings.base_url) as span:
                answer = self._answer(service, until)
                span.answered(answer.status)
        except Exception as error:
            return Raised(error)
        return Shared(answer)

    def _answer(self, service: Service, until: float) -> Answer:
        if self._freshness is None:
            return service.call(self._request, until, self._is_stopped)
        return self._known.shared.answer(self._request, self._freshness, until)

    def ready(self, later: Callable[[Callable[[], None]], None]) -> Outcome | None:
        """Return the outcome that needs no call: a kept answer or a refusal; else None.

        Args:
            later: Called with a function that renews a stale answer.
        """
        service = self._known.service
        if self._freshness is not None and not service.settings.off:
            answer = self._known.shared.ready(self._request, self._freshness, later)
            if answer is not None:
                return Shared(answer)
        refusal = service.refusal()
        if refusal is None:
            return None
        service.counts["refused"] += 1
        return Raised(refusal)

    def out_of_time(self) -> tuple[float, UpstreamTimeout]:
        """Return how many seconds the call may take, and the error after that time."""
        settings = self._known.service.settings
        started = self.due - self.timeout
        left = min(settings.total, self._ends_at - started - _BEFORE_DEADLINE)
        return left, UpstreamTimeout(self._known.service.name, settings.host, left, "total")

    def _is_stopped(self) -> bool:
        return self.stopped


class _Known:
    """An upstream's service and shared calls in this process, for one set of settings."""

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self.service = Service(name, settings)
        self.shared = SharedCalls(self.service)


class Method(Generic[P]):
    """One way to call an upstream: a future, as ``@future`` declares one.

    Calling it gives the answer or suspends the pass.
    """

    def __init__(self, upstream: "Upstream", name: str, template: Callable[P, Answer]) -> None:
        self._upstream = upstream
        self._name = name
        self.__signature__ = inspect.signature(template)
        parameters = self.__signature__.parameters.values()
        self._names = frozenset(p.name for p in parameters)
        self._first = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        self._needed = frozenset(p.name for p in parameters if p.default is p.empty)

    def __repr__(self) -> str:
        return f"<future {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Answer:
        """Return the answer, or suspend the pass if there is no answer yet."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[Answer]:
        """Register the call and go on; without a hold, make the call in place, now.

        Raises:
            ArgumentRefused: An argument is not plain data, or cannot be sent.
            TypeError: An argument has a name that the method does not know, or is missing.
            SettingRefused: The site has set a value that is not allowed.
        """
        name = self.name
        try:
            taken = self._take(args, kwargs)
            return self._upstream._submit(name, self._name, taken, holding_pass())
        except Unfit as unfit:
            raise ArgumentRefused(name, unfit.where, unfit.reason) from None
        except TypeError as error:
            raise TypeError(f"{name}: {error}{explain(kwargs)}") from None

    def identify(self, *args: P.args, **kwargs: P.kwargs) -> Hashable:
        """Return what tells a call with these arguments from others of the same name.

        Raises:
            Unfit: An argument is not plain data.
            TypeError: An argument has a name that the method does not know, or is missing.
        """
        return self._take(args, kwargs).identity

    @property
    def name(self) -> str:
        """The names of the upstream and of the method, as ``weather.get``."""
        return f"{self._upstream.name}.{self._name}"

    @property
    def upstream(self) -> "Upstream":
        """The upstream that the method calls."""
        return self._upstream

    def _take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Taken:
        """Return identity and copy of the arguments. None counts as not given.

        Signature.bind takes longer than all else here, so it is only called to raise.
        """
        given = dict(zip(self._first, args, strict=False))
        known = kwargs.keys() <= self._names and not kwargs.keys() & given.keys()
        given.update(kwargs)
        if not known or len(args) > len(self._first) or not self._needed <= given.keys():
            self.__signature__.bind(*args, **kwargs)
        given.setdefault("path", "/")
        parts = {name: take(v, name) for name, v in given.items() if v is not None}
        identity = tuple(sorted((name, part.identity) for name, part in parts.items()))
        return Taken(identity, {name: part.copy for name, part in parts.items()})


def _without_body(
    path: str = "/",
    *,
    path_params: Mapping[str, str | int] | None = None,
    params: Params = None,
    headers: Mapping[str, str] | None = None,
    cache: float | None = None,
    stale: float | None = None,
    stale_if_error: float | None = None,
) -> Answer:
    raise NotImplementedError  # only its signature is used


def _with_body(
    path: str = "/",
    *,
    path_params: Mapping[str, str | int] | None = None,
    json: Any = None,
    data: Any = None,
    params: Params = None,
    headers: Mapping[str, str] | None = None,
    idempotency_key: bool | str | None = None,
    cache: float | None = None,
    stale: float | None = None,
    stale_if_error: float | None = None,
) -> Answer:
    raise NotImplementedError


def _with_method(
    method: str,
    path: str = "/",
    *,
    path_params: Mapping[str, str | int] | None = None,
    json: Any = None,
    data: Any = None,
    params: Params = None,
    headers: Mapping[str, str] | None = None,
    idempotency_key: bool | str | None = None,
    cache: float | None = None,
    stale: float | None = None,
    stale_if_error: float | None = None,
) -> Answer:
    raise NotImplementedError


class Upstream:
    """A named external HTTP service, with its limits and its failure policy.

    Declare an upstream once, in a module. ``get``, ``head``, ``delete``, ``post``, ``put``,
    ``patch`` and ``request`` are futures that return an ``Answer``. ``stream`` is for generators,
    which read an answer as it comes.

    Args:
        name: Letters, digits, ``-`` and ``_``; used in messages and in the names of variables.
        base_url: The address of the service; each path is appended to it.
        timeout: How long connecting may take, and how long the service may send nothing, in
            seconds. One number stands for both.
        headers: Headers that every call sends.
        options: The other settings, as in ``UpstreamSettings``.

    Raises:
        ValueError: A header or the name cannot be used.
        SettingRefused: A setting, or an environment variable, has a value that is not allowed.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        timeout: float | tuple[float, float] = (3.0, 10.0),
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            raise ValueError(f"{name!r} is not an upstream's name; use letters, digits, - and _")
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        options = {"base_url": base_url, "connect": connect, "read": read, **options}
        self.name = name
        self.settings = declared(name, options)
        check()
        self._headers = check_headers(headers or {})
        self._all_known: dict[UpstreamSettings, _Known] = {}
        self._own: _Known | None = None
        self._pid = 0
        self.get = Method(self, "get", _without_body)
        self.head = Method(self, "head", _without_body)
        self.delete = Method(self, "delete", _with_body)
        self.post = Method(self, "post", _with_body)
        self.put = Method(self, "put", _with_body)
        self.patch = Method(self, "patch", _with_body)
        self.request = Method(self, "request", _with_method)
        self._register()

    def _register(self) -> None:
        other = upstreams.get(self.name)
        if other is not None and other.settings != self.settings:
            logger.warning(
                "Two upstreams are called %s. The control panel shows the last declared, and "
                "environment variables change both. Give them different names.",
                self.name,
            )
        upstreams[self.name] = self

    def __repr__(self) -> str:
        return f"<Upstream {self.name} at {self.settings.host}>"

    def service(self) -> Service:
        """Return the service of this process, with the declared settings."""
        return self._known(self.settings).service

    def services(self) -> list[Service]:
        """Return the service with the declared settings, then those of sites that change them."""
        own = self.service()
        others = [known.service for known in list(self._all_known.values())]
        return [own, *(other for other in others if other is not own)]

    def _known(self, settings: UpstreamSettings) -> _Known:
        if self._pid != os.getpid():  # a fork uses nothing of its parent's
            self._all_known, self._own, self._pid = {}, None, os.getpid()
        if settings is self.settings and self._own is not None:
            return self._own
        known = self._all_known.get(settings)
        if known is None:
            if len(self._all_known) >= _MOST_SERVICES:
                self._all_known.pop(next(iter(self._all_known)), None)
            known = self._all_known.setdefault(settings, _Known(self.name, settings))
        if settings is self.settings:
            self._own = known
        return known

    def stream(
        self,
        method: str,
        path: str = "/",
        *,
        path_params: Mapping[str, str | int] | None = None,
        json: Any = None,
        data: Any = None,
        params: Params = None,
        headers: Mapping[str, str] | None = None,
        total: float | None = None,
    ) -> AnswerStream:
        """Return an answer that is read as it comes, for ``with``, in a stream or a future.

        The call is made when ``with`` begins. It keeps one of the upstream's places, and its
        connection is closed when ``with`` ends. It is made once: there are no retries.

        Args:
            method: As ``"POST"``.
            path: Appended to the upstream's address.
            path_params: What the places in *path* are filled with.
            json: The body, as JSON.
            data: The body: bytes, a str, or the fields of a form.
            params: The query.
            headers: More headers.
            total: How many seconds the whole answer may take. Default: the upstream's ``total``.

        Raises:
            ArgumentRefused: An argument cannot be sent.
            FuturesError: A pass is being published, which would wait with its slot.
        """
        name = f"{self.name}.stream"
        if holding_pass() is not None:
            raise FuturesError(
                f"{name} is called in a pass, which would wait with its slot. Call it in a "
                "function with @stream or @future."
            )
        settings = for_site(self.name, self.settings)
        try:
            request = build(
                _check_method(method).upper(),
                settings.base_url,
                self._headers,
                path,
                path_params=path_params,
                params=params,
                headers={"Accept-Encoding": "identity", **(headers or {})},
                json=json,
                data=data,
            )
        except Unfit as unfit:
            raise ArgumentRefused(name, unfit.where, unfit.reason) from None
        return AnswerStream(self._known(settings).service, request, total or settings.total)

    def _submit(self, name: str, method: str, taken: Taken, this: Pass | None) -> Future[Answer]:
        settings = for_site(self.name, self.settings)
        changed = None if settings is self.settings else settings
        identity: Hashable = (self, method, changed, taken.identity)
        known = this and this.hold.calls.get(identity)
        if known:
            return Future(known, this)
        request, freshness = self._describe(method, settings, taken, this)
        arguments = cast(Any, taken.identity)
        call = UpstreamCall(name, identity, arguments, self._known(settings), request, freshness)
        return Future(_register(call, this), this)

    def _describe(
        self, method: str, settings: UpstreamSettings, taken: Taken, this: Pass | None
    ) -> tuple[Request, Freshness | None]:
        """Return the request, and how long its answer is kept."""
        named = taken.copy
        if method == "request":
            method = _check_method(named.pop("method"))
        freshness = _freshness(method.upper(), settings, named)
        wanted = named.pop("idempotency_key", None)
        request = build(method.upper(), settings.base_url, self._headers, **named)
        if wanted is None:
            wanted = settings.idempotency_key
        if wanted and request.method in ("POST", "PATCH") and not request.may_be_repeated:
            key = wanted if isinstance(wanted, str) else _key(request, this)
            return request.with_header("Idempotency-Key", key), freshness
        return request, freshness


def _check_method(method: object) -> str:
    if not isinstance(method, str) or not re.fullmatch("[A-Za-z]+", method):
        raise Unfit("method", "it is not an HTTP method; pass a word of letters, as 'GET'.")
    return method


def _register(call: UpstreamCall, this: Pass | None) -> Call:
    """Register *call* in *this* pass and return it; without a pass, make it in place."""
    if this is None:
        found = call.ready(lambda renew: renew())
        settle_in_place(call, call.make) if found is None else call.settle(found)
        return call
    outcome = call.ready(this.follow_up)
    call.held_until(this.hold.ends_at)
    return this.submit(call) if outcome is None else this.give(call, outcome)


def _freshness(method: str, settings: UpstreamSettings, named: dict[str, Any]) -> Freshness | None:
    """Pop the arguments about keeping the answer from *named*; None: it is not kept."""
    here = [named.pop(name, None) for name in ("cache", "stale", "stale_if_error")]
    if here[0] is None and method not in ("GET", "HEAD"):
        return None
    from_settings = (settings.cache, settings.stale, settings.stale_if_error)
    values = [d if h is None else _check(h) for h, d in zip(here, from_settings, strict=True)]
    return Freshness(*values) if values[0] else None


def _check(seconds: Any) -> float:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0:
        raise Unfit(
            "cache", "cache=, stale= and stale_if_error= take a number of seconds, 0 or more."
        )
    return float(seconds)


def _key(request: Request, this: Pass | None) -> str:
    """Return a key that is the same in each pass; a call in place gets a new key."""
    if this is None:
        return uuid.uuid4().hex
    parts = (request.method, request.url, request.headers, request.body)
    return hashlib.blake2b(
        repr(parts).encode(), key=this.hold.key.encode(), digest_size=16
    ).hexdigest()
