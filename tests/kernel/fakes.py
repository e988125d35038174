"""Things that have the shape of Zope's, and a few plain ones."""

from collective.wsgifutures.kernel.calls import Returned


class Persistent:
    _p_jar = None
    _p_oid = None


class ImplicitAcquisitionWrapper:
    __module__ = "Acquisition"


class HTTPRequest:
    __module__ = "ZPublisher.HTTPRequest"


class HTTPResponse:
    __module__ = "ZPublisher.HTTPResponse"


class TestRequest(HTTPRequest):
    __test__ = False  # for pytest: it is a request


class BrowserView:
    """A view by its class."""

    def method(self):
        return "called"


class LooksLikeAView:
    """A view by what it has."""

    def __init__(self):
        self.context = self.request = None

    def method(self):
        return "called"


#: A fresh one of each, with the words by which a refusal calls it.
FOREIGN = {
    "an object in an acquisition wrapper": ImplicitAcquisitionWrapper,
    "a persistent object": Persistent,
    "a request or response": HTTPRequest,
    "a request or response ": HTTPResponse,
    "a request or response  ": TestRequest,
    "a view": BrowserView,
    "a view ": LooksLikeAView,
}


class Plain:
    """An object of somebody's own."""

    def method(self):
        return "called"


def done(value):
    """Return the outcome of a future that returned *value*."""
    return Returned("fake", value)


def raised_by(function, *args, **kwargs):
    """Return what *function* raises, and fail where it raises nothing."""
    try:
        function(*args, **kwargs)
    except BaseException as error:
        return error.with_traceback(None)
    raise AssertionError("nothing was raised")
