"""The title of a page of ours, in the browser's tab.

Plone's viewlet names the object whose view the page is. For a page at the root that is the
site, so that all such tabs would read the same.
"""

from html import escape
from plone.app.layout.viewlets.common import TitleViewlet
from zope.i18n import translate
from zope.interface import Attribute
from zope.interface import Interface


class ITitled(Interface):  # type: ignore[misc]
    """A page with a title of its own."""

    page_title = Attribute("The title, which is translated.")


class Title(TitleViewlet):  # type: ignore[misc]
    """The title of the page, and that of the site."""

    def update(self) -> None:
        """Put the two together as Plone does."""
        title = escape(translate(self.view.page_title, context=self.request))
        self.site_title = self.sep.join([title, escape(self.site_title_setting)])
