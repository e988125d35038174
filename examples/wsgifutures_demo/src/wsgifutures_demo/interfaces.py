"""The browser layer."""

from zope.publisher.interfaces.browser import IDefaultBrowserLayer


class IDemoLayer(IDefaultBrowserLayer):
    """Set on requests to sites where the demo is installed."""
