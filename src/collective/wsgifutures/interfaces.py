"""The marks of the add-on in a Plone site."""

from zope.i18nmessageid import MessageFactory
from zope.publisher.interfaces.browser import IDefaultBrowserLayer

_ = MessageFactory("collective.wsgifutures")


class IWSGIFuturesLayer(IDefaultBrowserLayer):  # type: ignore[misc]
    """On the requests of a site where the add-on is installed.

    For what belongs to one site: its control panel, its views. Responses are held in
    every site of the process, also where this layer is not.
    """
