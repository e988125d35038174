"""Answers that are kept for everybody, on dogpile.cache.

Only where an upstream or a call says so. A key is a hash, under a secret, of all that shapes
the answer: method, address, each header, body. So nothing can be read from a key, and a
call with other credentials is another call. What is kept is an ``Answer``, which nothing can
change.

The variable ``WSGIFUTURES_CACHE`` says where: in memory, of a limited size, where it is not
set; ``redis://…`` or ``memcached://host:port`` for all workers together. Nothing is ever
unpickled from there.
"""

from ..kernel.executors import real_lock
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

#: How much is kept in memory by one worker, in bytes.
IN_MEMORY = 64 * 1024 * 1024

#: How long anything stays in Redis or Memcached, in seconds.
LONGEST = 24 * 3600

#: How long Redis or Memcached may take; then the answer counts as not kept. In seconds.
PATIENCE = 0.5

#: Between two warnings that the cache does not answer, in seconds.
_WARN_AGAIN = 60.0

#: What an entry takes besides its body, in bytes.
_OVERHEAD = 1024


@dataclass(frozen=True)
class Freshness:
    """How long an answer is given, in seconds."""

    fresh: float = 0.0
    stale: float = 0.0  #: after that, while it is renewed
    if_error: float = 0.0  #: after it was fresh, where the upstream fails


@dataclass(frozen=True)
class Kept:
    """An answer, and since when it is kept."""

    answer: Answer
    since: float  #: in seconds of ``time.time``

    @property
    def age(self) -> float:
        """How old it is, in seconds."""
        return max(0.0, time.time() - self.since)


def may_be_kept(answer: Answer) -> bool:
    """Tell whether *answer* is one for everybody."""
    whole = answer.ok and answer.status != 206  # a part, whether it was asked for or not
    return whole and may_be_shared(answer) and "no-cache" not in _words("cache-control", answer)


def may_be_shared(answer: Answer) -> bool:
    """Tell whether those who asked for the same at the same time may have *answer*."""
    alone = _words("cache-control", answer) & {"no-store", "private"}
    return not alone and "*" not in _words("vary", answer)


def _words(name: str, answer: Answer) -> set[str]:
    """Return what the header *name* says, of *answer* or of a redirect that led to it."""
    values = [headers.get(name, "").lower() for headers in (*answer.redirects, answer.headers)]
    return {word.partition("=")[0] for word in re.split(r"[\s,;\"]+", ",".join(values))}


def without_cookies(answer: Answer) -> Answer:
    """Return *answer* without what it wants to set at one client."""
    pairs = tuple(p for p in answer.headers.pairs if p[0].lower() != "set-cookie")
    return replace(answer, headers=Headers(pairs))


class _Locked(dict[str, Any]):
    """A bounded mapping as a dict that threads share."""

    def __init__(self, mapping: MutableMapping[str, Any]) -> None:
        super().__init__()
        self._mapping = mapping
        self._lock = real_lock()

    def get(self, key: str, default: Any = None) -> Any:
        with self._lock:
            return self._mapping.get(key, default)

    def __setitem__(self, key: str, value: Any) -> None:
        with self._lock, contextlib.suppress(ValueError):  # larger than all of it
            self._mapping[key] = value

    def pop(self, key: str, default: Any = None) -> Any:
        with self._lock:
            return self._mapping.pop(key, default)


class Cache:
    """Keeps answers.

    Args:
        url: Where; empty for this process.
        secret: Under which keys are hashed.
    """

    def __init__(self, url: str, secret: bytes) -> None:
        self._secret = secret
        self._region = _region(url)
        self._warned = 0.0

    def key(self, request: Request) -> str:
        """Return the name under which the answer to *request* is kept."""
        parts = [request.method, request.url, request.body or b"", request.body is None]
        headers = sorted((name.lower(), value) for name, value in request.headers)
        told = repr((parts, headers)).encode()
        return hashlib.blake2b(told, key=self._secret, digest_size=32).hexdigest()

    def get(self, key: str) -> Kept | None:
        """Return what is kept under *key*. A cache that fails has nothing."""
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
            # Not its text: that may have the cache's address, and its password, in it.
            logger.warning("The cache does not answer (%s): done without.", type(error).__name__)


#: By the process: a fork has nothing of its parent's.
_caches: dict[int, Cache] = {}


def _new_cache() -> Cache:
    url = os.environ.get(VARIABLE, "").strip()
    shared = os.environ.get(SECRET, "") or url
    secret = hashlib.sha256(shared.encode()).digest() if url else secrets.token_bytes(32)
    return Cache(url, secret)


def cache() -> Cache:
    """Return the cache of this process.

    Raises:
        SettingRefused: The variable is not what it takes.
    """
    pid = os.getpid()
    found = _caches.get(pid)
    # Of two threads that come first at the same time both get what one of them has made.
    return found or _caches.setdefault(pid, _new_cache())


def check() -> None:
    """Refuse a variable that is not what it takes, before anything is called.

    Raises:
        SettingRefused: It is one.
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
    from dogpile.cache import make_region  # never at the top: it imports what gevent patches

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
    """Return a dict that drops what was not used for longest when it has too many bytes."""
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
