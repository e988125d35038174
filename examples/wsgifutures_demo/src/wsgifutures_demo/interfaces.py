"""The browser layer, and a place of viewlets."""

from zope.publisher.interfaces.browser import IDefaultBrowserLayer
from zope.viewlet.interfaces import IViewletManager


class IDemoLayer(IDefaultBrowserLayer):
    """Set on requests to sites where the demo is installed."""


class IParts(IViewletManager):
    """The ten parts of a page."""
