"""The moves of a hold, as its passes make them."""

from collective.wsgifutures.kernel.passes import Pass
from collective.wsgifutures.kernel.passes import Publisher

_passes = {}


def begin(hold, now):
    """Begin a pass of *hold*, and return it."""
    this = _passes[id(hold)] = Pass(hold, now)
    return this


def publishing(hold):
    """Return the pass of *hold* that has not ended."""
    return _passes[id(hold)]


def end(hold, now, *, successful):
    """End the pass of *hold*."""
    this = _passes.pop(id(hold), None)
    if this is None:
        hold.wait_for((), now)
    this.end(now, successful=successful)


class Telling(Publisher):
    """Tells when its pass is discarded."""

    def __init__(self, log):
        self.discard = lambda: log.append("discarded")
