"""The words that a view uses: ``Upstream``, and its ``get``, ``post`` and so on."""

from ..kernel.arguments import take
from ..kernel.arguments import Taken
from ..kernel.arguments import Unfit
from ..kernel.errors import ArgumentRefused
from ..kernel.futures import Future
from ..kernel.futures import settle_in_place
from ..kernel.hold import Call
from ..kernel.hold import Pass
from ..kernel.outcomes import Outcome
from ..kernel.outcomes import Raised
from ..kernel.outcomes import run_to_end
from ..kernel.passes import holding_pass
from ..traces import spans
from .answers import Answer
from .cache import check
from .cache import Freshness
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

#: How long before a hold's deadline a call gives up: its own error says more than the deadline.
_BEFORE_DEADLINE = 0.1

#: How much longer a future may take than its upstream: whose limit always comes first.
_AFTER_TOTAL = 1.0

#: So many services are kept for the sites of one process that change an upstream.
_MOST_SERVICES = 100

#: The upstreams of this process by name, for whoever looks at them.
upstreams: "weakref.WeakValueDictionary[str, Upstream]" = weakref.WeakValueDictionary()


class UpstreamCall(Call):
    """One call to an upstream, as a hold keeps it."""

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
        super().__init__(name, identity, _not_run, total + _AFTER_TOTAL, arguments)
        self._known = known
        self._request = request
        self._freshness = freshness
        self._ends_at = math.inf

    def held_until(self, ends_at: float) -> None:
        """Its hold ends then, by the hold's own clock."""
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
        """Return the outcome that is there without a call: a kept answer, or a refusal.

        Args:
            later: Is given what renews a stale one.
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
        """Return after how many seconds it gives up at the latest, and with what."""
        settings = self._known.service.settings
        started = self.due - self.timeout
        left = min(settings.total, self._ends_at - started - _BEFORE_DEADLINE)
        return left, UpstreamTimeout(self._known.service.name, settings.host, left, "total")

    def _is_stopped(self) -> bool:
        return self.stopped


class _Known:
    """What this process knows of an upstream with the settings of one site."""

    def __init__(self, name: str, settings: UpstreamSettings) -> None:
        self.service = Service(name, settings)
        self.shared = SharedCalls(self.service)


def _not_run() -> Outcome:
    raise RuntimeError("an upstream's call is made by its work()")


class Method(Generic[P]):
    """One way to call an upstream: a future, as ``@future`` declares one.

    Calling it gives the answer or suspends the pass.
    """

    def __init__(self, upstream: "Upstream", name: str, template: Callable[P, Answer]) -> None:
        self._upstream = upstream
        self._name = name
        self.__signature__ = inspect.signature(template)
        parameters = self.__signature__.parameters.values()
        self._names = frozenset(one.name for one in parameters)
        self._first = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
        self._needed = frozenset(one.name for one in parameters if one.default is one.empty)

    def __repr__(self) -> str:
        return f"<future {self._upstream.name}.{self._name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Answer:
        """Return the answer; where it is not there yet, suspend the pass."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[Answer]:
        """Register the call and go on; without a hold make it in place, now.

        Raises:
            ArgumentRefused: An argument is not plain data, or cannot be sent.
            TypeError: There is no such argument.
            SettingRefused: The site has a setting that is not what it takes.
        """
        name = f"{self._upstream.name}.{self._name}"
        try:
            taken = self._take(args, kwargs)
            return self._upstream._submit(name, self._name, taken, holding_pass())
        except Unfit as unfit:
            raise ArgumentRefused(name, unfit.where, unfit.reason) from None
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None

    def identify(self, *args: P.args, **kwargs: P.kwargs) -> Hashable:
        """Return what tells such a call from others of the same name.

        Raises:
            Unfit: An argument is not plain data.
            TypeError: There is no such argument.
        """
        return self._take(args, kwargs).identity

    @property
    def name(self) -> str:
        """Its upstream's and its own, as ``weather.get``."""
        return f"{self._upstream.name}.{self._name}"

    @property
    def upstream(self) -> "Upstream":
        """Whose it is."""
        return self._upstream

    def _take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Taken:
        """Return identity and copy of what was given: None is as good as nothing.

        Signature.bind takes longer than all else here, so it only tells what is wrong.
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

    Declared once, in a module. ``get``, ``head``, ``delete``, ``post``, ``put``, ``patch`` and
    ``request`` are futures that return an ``Answer``.

    Args:
        name: Letters, digits, ``-`` and ``_``. In messages, and in the names of variables.
        base_url: Where it is; each path is below it.
        timeout: How long a connection may take, and how long it may send nothing, in seconds;
            one number is both.
        headers: Sent with every call.
        options: The other settings, as in ``UpstreamSettings``.

    Raises:
        ValueError: A header or the name cannot be used.
        SettingRefused: A setting, or a variable of the environment, is not what it takes.
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
            raise ValueError(f"{name!r} is no name for an upstream: letters, digits, - and _")
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
                "Two upstreams are called %s. The control panel shows the one that was declared "
                "last, and the variables of the environment are meant for both: name them apart.",
                self.name,
            )
        upstreams[self.name] = self

    def __repr__(self) -> str:
        return f"<Upstream {self.name} at {self.settings.host}>"

    def service(self) -> Service:
        """Return what this process knows of it."""
        return self._known(self.settings).service

    def services(self) -> list[Service]:
        """Return the same for each site that changes it, its own first."""
        own = self.service()
        others = [known.service for known in list(self._all_known.values())]
        return [own, *(one for one in others if one is not own)]

    def _known(self, settings: UpstreamSettings) -> _Known:
        if self._pid != os.getpid():  # a fork has nothing of its parent's
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

    def _submit(self, name: str, method: str, taken: Taken, this: Pass | None) -> Future[Answer]:
        settings = for_site(self.name, self.settings)
        changed = None if settings is self.settings else settings
        identity: Hashable = (self, method, changed, taken.identity)
        known = this and this.hold.calls.get(identity)
        if known:
            return Future(known, this)
        request, freshness = self._described(method, settings, taken, this)
        told = cast(Any, taken.identity)
        call = UpstreamCall(name, identity, told, self._known(settings), request, freshness)
        return Future(_registered(call, this), this)

    def _described(
        self, method: str, settings: UpstreamSettings, taken: Taken, this: Pass | None
    ) -> tuple[Request, Freshness | None]:
        """Return what is asked for, and how long its answer is kept."""
        named = taken.copy
        if method == "request":
            method = named.pop("method")
            if not isinstance(method, str) or not re.fullmatch("[A-Za-z]+", method):
                raise Unfit("method", "it is no method of HTTP.")
        freshness = _freshness(method.upper(), settings, named)
        wanted = named.pop("idempotency_key", None)
        request = build(method.upper(), settings.base_url, self._headers, **named)
        if wanted is None:
            wanted = settings.idempotency_key
        if wanted and request.method in ("POST", "PATCH") and not request.may_be_repeated:
            key = wanted if isinstance(wanted, str) else _key(request, this)
            return request.with_header("Idempotency-Key", key), freshness
        return request, freshness


def _registered(call: UpstreamCall, this: Pass | None) -> Call:
    """Return the call as it is known in *this* pass; without one, made in place."""
    if this is None:
        found = call.ready(lambda renew: renew())
        settle_in_place(call, call.make) if found is None else call.settle(found)
        return call
    outcome = call.ready(this.follow_up)
    call.held_until(this.hold.ends_at)
    return this.submit(call) if outcome is None else this.give(call, outcome)


def _freshness(method: str, settings: UpstreamSettings, named: dict[str, Any]) -> Freshness | None:
    """Take what the call says of keeping its answer out of *named*; None: it is not kept."""
    here = [named.pop(one, None) for one in ("cache", "stale", "stale_if_error")]
    if here[0] is None and method not in ("GET", "HEAD"):
        return None
    declared_ones = (settings.cache, settings.stale, settings.stale_if_error)
    values = [d if h is None else _checked(h) for h, d in zip(here, declared_ones, strict=True)]
    return Freshness(*values) if values[0] else None


def _checked(seconds: Any) -> float:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0:
        raise Unfit("cache", "cache=, stale= and stale_if_error= take seconds, 0 or more.")
    return float(seconds)


def _key(request: Request, this: Pass | None) -> str:
    """Return the same key in each pass of a request, and for each call in place another one."""
    if this is None:
        return uuid.uuid4().hex
    told = (request.method, request.url, request.headers, request.body)
    return hashlib.blake2b(
        repr(told).encode(), key=this.hold.key.encode(), digest_size=16
    ).hexdigest()
