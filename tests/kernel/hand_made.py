"""Functions that keep by hand what they make of a part or of a default: in all usual ways."""

from .parts import ask
from .parts import late
from .parts import part
from .parts import Viewlet
from collective.wsgifutures import fragment

import time

GIVEN = {
    "placeholder": lambda call: part("x", call),
    "default": lambda call: call.submit("x").result(default="…"),
    "text with a placeholder": lambda call: f"<{part('x', call)}>",
    "text with a default": lambda call: "<{}>".format(call.submit("x").result(default="…")),
    "list": lambda call: [call.submit("x").result(default="…")],
    "nothing": lambda call: call.submit("x").result(default=None),
    "a list as default": lambda call: call.submit("x").result(default=DEFAULT),
    "no text": lambda call: nothing("x", call),
}

DEFAULT = []


@fragment
def nothing(text, call):
    return call(text)


_kept = None
_cache = {}
_cache_of_times = {}


def through(function):
    """Call *function*, with this module on the stack."""
    return function()


class Keeper:
    kept = None

    def __init__(self):
        self.cache = {}

    def value(self, make):
        if self.kept is None:
            self.kept = make()
        return self.kept

    def cached(self, make):
        if "key" not in self.cache:
            self.cache["key"] = make()
        return self.cache["key"]


keeper = Keeper()


def in_a_global(make):
    global _kept
    if _kept is None:
        _kept = (make(),)
    return _kept[0]


def in_a_dict(make):
    if "key" not in _cache:
        _cache["key"] = make()
    return _cache["key"]


def by_setdefault(make):
    return _cache.get("key") or _cache.setdefault("key", make())


def with_a_time(make):
    if _cache_of_times.get("key", (0, None))[0] < time.time() - 60:
        _cache_of_times["key"] = (time.time(), make())
    return _cache_of_times["key"][1]


def on_an_object_of_the_module(make):
    if "kept" not in vars(keeper):
        keeper.kept = make()
    return keeper.kept


KEEPS = {
    "a global": in_a_global,
    "a dict": in_a_dict,
    "setdefault": by_setdefault,
    "a dict with times": with_a_time,
    "an attribute of an object": on_an_object_of_the_module,
    "a method's own attribute": lambda make: keeper.value(make),
    "a method's own dict": lambda make: keeper.cached(make),
}


def forget():
    """Empty all of them."""
    global _kept, keeper
    _kept, keeper = None, Keeper()
    _cache.clear()
    _cache_of_times.clear()


__all__ = ["GIVEN", "KEEPS", "Viewlet", "ask", "forget", "late"]
