"""What the tests of proxies ask for."""

from .views import Hold


class Shared(Hold):
    """A page that waits, and may be kept for everybody."""

    def __call__(self):
        self.request.response.setHeader("Cache-Control", "public, max-age=60")
        return super().__call__()


class Address(Hold):
    """From where Plone thinks that it is asked."""

    def __call__(self):
        return self.request.getClientAddr()
