from test_pas_scope import *


def test_x(bearers):
    sm = getGlobalSiteManager()
    l = [r for r in sm.registeredAdapters()]
    print(len(l), [r.name for r in l if "json" in r.name][:5])
    from zope.component import getSiteManager
    from zope.component.hooks import setSite

    setSite(None)
    l = [r for r in getSiteManager().registeredAdapters()]
    print(len(l), sum("json" in r.name for r in l), getSiteManager().__bases__)
