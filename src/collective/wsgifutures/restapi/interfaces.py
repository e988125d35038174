"""The interface of our control panel: plone.restapi finds the (de)serializer by it."""

from plone.restapi.controlpanels.interfaces import IControlpanel


class IWSGIFuturesControlpanel(IControlpanel):  # type: ignore[misc]
    """``@controlpanels/wsgifutures``."""
