"""Functions of each kind of cache, which keep what they make of a part or of a default."""

from .fakes import BrowserView
from .parts import ask
from .parts import late
from .parts import part
from cachetools.func import ttl_cache
from zope.cachedescriptors.method import cachedIn
from zope.cachedescriptors.property import CachedProperty
from zope.cachedescriptors.property import Lazy

import cachetools
import dogpile.cache
import functools


def with_part():
    return f"<{part('x')}>"


def with_default():
    return f"<{ask.submit('x').result(default='…')}>"


def with_late_default():
    return f"<{late.submit('x').result(default='…')}>"


def with_late_part():
    return f"<{part('x', late)}>"


def region():
    return dogpile.cache.make_region().configure("dogpile.cache.memory")


def of_a_property(decorate):
    """Return a decorator that makes the function a property, kept by an object of a module."""

    def decorator(function):
        kept = type("Keeper", (), {"value": decorate(lambda self: function())})()
        return lambda: kept.value

    return decorator


def with_get_or_create(function):
    kept = region()
    return lambda: kept.get_or_create("key", function)


def of_an_object(function):
    kept = type("Keeper", (), {"value": cachedIn("_kept")(lambda self: function())})()
    return lambda: kept.value()


def method_with_cachetools(function):
    decorate = cachetools.cachedmethod(lambda self: self.__dict__.setdefault("kept", {}))
    kept = type("Keeper", (), {"value": decorate(lambda self: function())})()
    return lambda: kept.value()


#: By name, what makes a cached function of a function without arguments.
DECORATORS = {
    "functools.cache": functools.cache,
    "functools.lru_cache": functools.lru_cache,
    "functools.lru_cache()": functools.lru_cache(maxsize=8),
    "functools.cached_property": of_a_property(functools.cached_property),
    "cachetools.cached": lambda function: cachetools.cached({})(function),
    "cachetools.cached with info": lambda f: cachetools.cached(cachetools.LRUCache(9), info=True)(
        f
    ),
    "cachetools.cachedmethod": method_with_cachetools,
    "cachetools.func": lambda function: ttl_cache()(function),
    "dogpile cache_on_arguments": lambda function: region().cache_on_arguments()(function),
    "dogpile get_or_create": with_get_or_create,
    "zope.cachedescriptors.Lazy": of_a_property(lambda function: Lazy(function, "value")),
    "zope.cachedescriptors.CachedProperty": of_a_property(CachedProperty),
    "zope.cachedescriptors.cachedIn": of_an_object,
}


# functools.lru_cache has no frame: it has to be found, wherever it stands.


@functools.cache
def decorated():
    return with_default()


def _plain():
    return with_default()


renamed = functools.lru_cache(_plain)


class Keeper:
    @classmethod
    @functools.cache
    def of_the_class(cls):
        return with_default()

    @staticmethod
    @functools.lru_cache(maxsize=1)
    def static():
        return with_default()

    @functools.cache  # noqa: B019
    def method(self):
        return with_default()

    @property
    @functools.cache  # noqa: B019
    def value(self):
        return with_default()


class View(BrowserView):
    """Lasts one pass."""

    @functools.cache  # noqa: B019
    def value(self):
        return with_default()


def twice(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) * 2

    return wrapper


@functools.cache
@twice
def under_another_decorator():
    return with_default()


@twice
@functools.cache
def above_another_decorator():
    return with_default()


a_lambda = functools.cache(lambda: with_default())
keeper = Keeper()

#: By name, functions that functools.lru_cache keeps.
PLACES = {
    "decorated": (decorated, "decorated"),
    "renamed": (lambda: renamed(), "_plain"),
    "of the class": (Keeper.of_the_class, "Keeper.of_the_class"),
    "static": (Keeper.static, "Keeper.static"),
    "a method": (keeper.method, "Keeper.method"),
    "a property": (lambda: keeper.value, "Keeper.value"),
    "under a decorator": (under_another_decorator, "under_another_decorator"),
    "above a decorator": (above_another_decorator, "above_another_decorator"),
    "a lambda": (lambda: a_lambda(), "<lambda>"),
}
