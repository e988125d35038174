"""The layers of requests that are jobs."""

from zope.interface import Interface
from zope.publisher.interfaces.browser import IDefaultBrowserLayer


class ITaskLayer(IDefaultBrowserLayer):  # type: ignore[misc]
    """On the request of a job, and on no other.

    A view for this layer is published by jobs alone. Requests over HTTP do not have the layer,
    nor do the subrequests that a job's own view makes. Let no layer of a site extend this one:
    all requests of the site would have it.
    """


class INotCached(Interface):  # type: ignore[misc]
    """On what a job publishes: plone.app.caching neither answers for it nor keeps it."""
