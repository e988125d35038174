"""The mark of our panel, by which plone.restapi finds what reads and writes it."""

from plone.restapi.controlpanels.interfaces import IControlpanel


class IWSGIFuturesControlpanel(IControlpanel):  # type: ignore[misc]
    """``@controlpanels/wsgifutures``."""
