"""The site with plone.app.caching, as its control panel sets it up."""

from plone.app.testing import applyProfile
from plone.caching.interfaces import ICacheSettings
from plone.registry.interfaces import IRegistry
from plone.testing.zca import stackConfigurationContext
from zope.component import getUtility
from zope.component import hooks
from zope.configuration import xmlconfig
from zope.ramcache.interfaces.ram import IRAMCache

import plone.app.caching
import transaction

RULE = "plone.content.itemView"


def switch_on(site, functional, operation, views, **options):
    """Let *operation*, with its *options*, decide for *views* and for pages of content."""
    with hooks.site(None):
        context = stackConfigurationContext(functional["configurationContext"])
        xmlconfig.file("configure.zcml", plone.app.caching, context=context)
    applyProfile(site.portal, "plone.app.caching:default")
    registry = getUtility(IRegistry)
    settings = registry.forInterface(ICacheSettings)
    settings.enabled = True
    settings.operationMapping = {RULE: operation}
    registry["plone.app.caching.interfaces.IPloneCacheSettings.templateRulesetMapping"] = (
        dict.fromkeys(views, RULE)
    )
    for name, value in options.items():
        registry[f"{operation}.{name}"] = value
    getUtility(IRAMCache).invalidateAll()
    transaction.commit()


def in_ram() -> int:
    """Return how many pages are in the RAM cache."""
    statistics = getUtility(IRAMCache).getStatistics()
    return sum(s["entries"] for s in statistics if "plone.app.caching" in s["path"])
