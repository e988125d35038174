"""Answers that are kept for everybody, on dogpile.cache.

An answer is only kept if its upstream or its call says so. A key is a hash, under a secret, of
all that shapes the answer: method, address, each header, body. So nothing can be read from a
key, and a call with other credentials is another call. An ``Answer`` cannot be changed.

The variable ``WSGIFUTURES_CACHE`` names the place: ``redis://…`` or ``memcached://host:port``
for all workers together; if unset, each worker keeps answers in its memory, up to a limit.
Nothing from Redis or Memcached is ever unpickled.
"""

from ..kernel.runtime import current
from ..kernel.settings import SettingRefused
from .answers import Answer
from .answers import Headers
from .request import Request
from collections.abc import MutableMapping
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import struct
import time

logger = logging.getLogger(__name__)

VARIABLE = "WSGIFUTURES_CACHE"
SECRET = "WSGIFUTURES_CACHE_SECRET"  # noqa: S105

#: How many bytes of answers a worker keeps in its memory.
IN_MEMORY = 64 * 1024 * 1024

#: Seconds until Redis or Memcached drop an answer.
LONGEST = 24 * 3600

#: Seconds that Redis or Memcached may take; after that the answer counts as not kept.
PATIENCE = 0.5

#: Seconds between two warnings that the cache does not answer.
_WARN_AGAIN = 60.0

#: How many bytes an entry takes besides its headers and body, about.
_OVERHEAD = 1024


@dataclass(frozen=True)
class Freshness:
    """How long a kept answer is given, in seconds."""

    fresh: float = 0.0
    stale: float = 0.0  #: after ``fresh``, while the answer is renewed
    if_error: float = 0.0  #: after ``fresh``, if the upstream fails


@dataclass(frozen=True)
class Kept:
    """An answer, and the time since which it is kept."""

    answer: Answer
    since: float  #: seconds of ``time.time``

    @property
    def age(self) -> float:
        """The age of the kept answer, in seconds."""
        return max(0.0, time.time() - self.since)


def may_be_kept(answer: Answer) -> bool:
    """Tell whether *answer* is one for everybody."""
    whole = answer.ok and answer.status != 206  # a part, whether it was asked for or not
    return whole and may_be_shared(answer) and "no-cache" not in _words("cache-control", answer)


def may_be_shared(answer: Answer) -> bool:
    """Tell whether other requests that wait for the same call may have *answer*."""
    alone = _words("cache-control", answer) & {"no-store", "private"}
    return not alone and "*" not in _words("vary", answer)


def _words(name: str, answer: Answer) -> set[str]:
    """Return the words of the header *name*, in *answer* and in redirects that led to it."""
    values = [headers.get(name, "").lower() for headers in (*answer.redirects, answer.headers)]
    return {word.partition("=")[0] for word in re.split(r"[\s,;\"]+", ",".join(values))}


def without_cookies(answer: Answer) -> Answer:
    """Return *answer* without cookies, which are for one client."""
    pairs = tuple(p for p in answer.headers.pairs if p[0].lower() != "set-cookie")
    return replace(answer, headers=Headers(pairs))


class _Locked(dict[str, Any]):
    """A bounded mapping as a dict that several threads may use."""

    def __init__(self, mapping: MutableMapping[str, Any]) -> None:
        super().__init__()
        self._mapping = mapping
        self._lock = current().lock()

    def get(self, key: str, default: Any = None) -> Any:
        with self._lock:
            return self._mapping.get(key, default)

    def __setitem__(self, key: str, value: Any) -> None:
        with self._lock, contextlib.suppress(ValueError):  # too large for the whole cache
            self._mapping[key] = value

    def pop(self, key: str, default: Any = None) -> Any:
        with self._lock:
            return self._mapping.pop(key, default)


class Cache:
    """Keeps answers.

    Args:
        url: Address of the cache; if empty, the memory of this process.
        secret: The secret that keys are hashed with.
    """

    def __init__(self, url: str, secret: bytes) -> None:
        self._secret = secret
        self._region = _region(url)
        self._warned = 0.0

    def key(self, request: Request) -> str:
        """Return the name under which the answer to *request* is kept."""
        parts = [request.method, request.url, request.body or b"", request.body is None]
        headers = sorted((name.lower(), value) for name, value in request.headers)
        data = repr((parts, headers)).encode()
        return hashlib.blake2b(data, key=self._secret, digest_size=32).hexdigest()

    def get(self, key: str) -> Kept | None:
        """Return the answer kept under *key*, None if there is none or the cache fails."""
        try:
            value = self._region.get(key, ignore_expiration=True)
        except Exception as error:
            self._warn(error)
            return None
        return value if isinstance(value, Kept) else None

    def set(self, key: str, answer: Answer) -> None:
        """Keep *answer* under *key*, from now."""
        try:
            self._region.set(key, Kept(answer, time.time()))
        except Exception as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if time.monotonic() - self._warned > _WARN_AGAIN or not self._warned:
            self._warned = time.monotonic()
            # The text of the error may have the address and the password of the cache.
            logger.warning(
                "The cache does not answer (%s). Upstreams are called without it.",
                type(error).__name__,
            )


#: The cache of each process id: a fork uses nothing of its parent's.
_caches: dict[int, Cache] = {}


def _new_cache() -> Cache:
    url = os.environ.get(VARIABLE, "").strip()
    shared = os.environ.get(SECRET, "") or url
    secret = hashlib.sha256(shared.encode()).digest() if url else secrets.token_bytes(32)
    return Cache(url, secret)


def cache() -> Cache:
    """Return the cache of this process.

    Raises:
        SettingRefused: The variable names no cache that is supported.
    """
    pid = os.getpid()
    found = _caches.get(pid)
    # If two threads come first at the same time, both get the same cache.
    return found or _caches.setdefault(pid, _new_cache())


def check() -> None:
    """Check the variable, before the first call.

    Raises:
        SettingRefused: The variable names no cache that is supported.
    """
    _kind(os.environ.get(VARIABLE, "").strip())


def _kind(url: str) -> str:
    kind = urlsplit(url).scheme
    known = kind in ("redis", "rediss") or re.fullmatch(r"memcached://[^/@]+/?", url)
    if url and not known:
        takes = "redis://host:port/number, rediss://… or memcached://host:port, or nothing"
        raise SettingRefused(VARIABLE, f"{kind or 'something'}://…", takes)
    return kind


def _region(url: str) -> Any:
    from dogpile.cache import (
        make_region,
    )  # never at the top: it imports modules that gevent patches

    kind = _kind(url)
    region = make_region(serializer=_pack, deserializer=_unpack)
    if not url:
        region = make_region()
        region.configure("dogpile.cache.memory", arguments={"cache_dict": _bounded()})
    elif kind in ("redis", "rediss"):
        patience = {"socket_timeout": PATIENCE, "connection_kwargs": {}}
        patience["connection_kwargs"] = {"socket_connect_timeout": PATIENCE}
        arguments = {"url": url, "redis_expiration_time": LONGEST, **patience}
        region.configure("dogpile.cache.redis", arguments=arguments)
    else:
        arguments = {"url": urlsplit(url).netloc, "memcached_expire_time": LONGEST}
        region.configure("dogpile.cache.pymemcache", arguments=arguments)
    region.key_mangler = "wsgifutures:{}".format
    return region


def _bounded() -> MutableMapping[str, Any]:
    """Return a dict that drops the least recently used answers when it is full."""
    from cachetools import LRUCache

    return _Locked(LRUCache(IN_MEMORY, getsizeof=_size))


def _size(value: Any) -> int:
    kept = getattr(value, "payload", value)
    headers = sum(len(name) + len(text) for name, text in kept.answer.headers.pairs)
    return len(kept.answer.body) + headers + _OVERHEAD


def _pack(kept: Kept) -> bytes:
    answer = kept.answer
    head = json.dumps(
        [kept.since, answer.status, answer.headers.pairs, answer.upstream, answer.host]
    ).encode()
    return struct.pack(">I", len(head)) + head + answer.body


def _unpack(data: bytes) -> Kept:
    from dogpile.cache.api import CantDeserializeException

    try:
        (length,) = struct.unpack_from(">I", data)
        since, status, pairs, upstream, host = json.loads(data[4 : 4 + length])
        headers = Headers(tuple((str(name), str(value)) for name, value in pairs))
        answer = Answer(int(status), headers, data[4 + length :], str(upstream), str(host))
        return Kept(answer, float(since))
    except (TypeError, ValueError, struct.error):
        raise CantDeserializeException from None
