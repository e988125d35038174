"""The page for a visitor whose answer did not come in time.

Plone's own error page says that the site is broken. This one says that it was slow, and
to try again. Who may manage the site reads the traceback, as in Plone's.

A view for an exception's own class would win over those that others have for all
exceptions of their requests, plone.rest's JSON for one. So it stands back: it comes in
the place of Plone's page and of no other.
"""

from Products.CMFPlone.browser.exceptions import ExceptionView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from zope.component import getSiteManager
from zope.interface import implementedBy
from zope.interface import Interface
from zope.interface import providedBy

#: Where the site's own template cannot be rendered: outside of a site, or it is broken.
_PLAIN = """<!DOCTYPE html>
<html>
<head><title>No answer in time</title></head>
<body>
<h1>This takes too long</h1>
<p>A service that this page needs did not answer in time. Please try again in a moment.</p>
</body>
</html>
"""


class TooLate(ExceptionView):  # type: ignore[misc]
    """Plone's exception view, with another text."""

    index = ViewPageTemplateFile("too_late.pt")

    def basic_template(self, **options: str) -> str:
        """Return a page that needs nothing of the site."""
        return _PLAIN


def too_late(error: Exception, request: Any) -> Any:
    """Return the view that tells *error*: ours where it would be Plone's."""
    required = (implementedBy(Exception), providedBy(request))
    general = getSiteManager().adapters.lookup(required, Interface, "index.html")
    if ExceptionView in getattr(general, "__bases__", ()):
        general = TooLate
    return general and general(error, request)
