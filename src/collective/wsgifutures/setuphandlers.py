"""What the Add-ons control panel does not list."""

from plone.base.interfaces.installable import INonInstallable
from zope.interface import implementer


@implementer(INonInstallable)
class HiddenProfiles:
    """Profiles that nobody installs by hand."""

    def getNonInstallableProfiles(self) -> list[str]:
        """Return the ids of those profiles."""
        return ["collective.wsgifutures:uninstall"]
