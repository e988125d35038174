"""The browser layer of the demo, and the viewlet manager of one of its pages."""

from zope.i18nmessageid import MessageFactory
from zope.publisher.interfaces.browser import IDefaultBrowserLayer
from zope.viewlet.interfaces import IViewletManager

_ = MessageFactory("wsgifutures_demo")


class IDemoLayer(IDefaultBrowserLayer):
    """Marks the requests to sites in which the demo is installed."""


class IParts(IViewletManager):
    """The ten parts of a page."""
