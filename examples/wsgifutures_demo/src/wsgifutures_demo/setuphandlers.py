"""Keeps a profile out of the list of add-ons."""

from plone.base.interfaces.installable import INonInstallable
from zope.interface import implementer


@implementer(INonInstallable)
class HiddenProfiles:
    def getNonInstallableProfiles(self):
        return ["wsgifutures_demo:uninstall"]
