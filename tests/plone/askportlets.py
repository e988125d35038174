"""Portlets that ask the outside world, each in the step that its text names."""

from holdsite import ask
from plone.app.portlets.portlets import base
from plone.portlets.interfaces import IPortletAssignmentMapping
from plone.portlets.interfaces import IPortletDataProvider
from plone.portlets.interfaces import IPortletManager
from plone.portlets.interfaces import IPortletRenderer
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserView
from zope.publisher.interfaces.browser import IDefaultBrowserLayer

import transaction


class IAskPortlet(IPortletDataProvider):
    """A portlet."""


@implementer(IAskPortlet)
class Assignment(base.Assignment):
    title = "Ask"

    def __init__(self, text):
        self.text = text


class AskRenderer(base.Renderer):
    """Its portlet's text tells in which step it asks."""

    def update(self):
        if self.data.text == "update":
            self.answer = ask("update")

    @property
    def available(self):
        return self.data.text != "available" or ask("available") == "AVAILABLE"

    def render(self):
        return f"[{self.answer if self.data.text == 'update' else ask(self.data.text)}]"


def portlets(site, renderer, *texts):
    """Put portlets into the left column; return the mapping that has them."""
    required = (Interface, IDefaultBrowserLayer, IBrowserView, IPortletManager, IAskPortlet)
    site.adapter(renderer, required, IPortletRenderer)
    column = getUtility(IPortletManager, name="plone.leftcolumn", context=site.portal)
    mapping = getMultiAdapter((site.portal, column), IPortletAssignmentMapping)
    for text in texts:
        mapping[text] = Assignment(text)
    transaction.commit()
    return mapping
