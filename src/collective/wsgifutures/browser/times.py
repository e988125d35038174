"""Times, given in seconds since the epoch, as machines and as people read them."""

from datetime import datetime
from datetime import UTC
from plone import api


def iso(seconds: float) -> str:
    """Return a time as a machine reads it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def local(seconds: float) -> str:
    """Return a time as Plone shows those of content: in the format of the site."""
    time = datetime.fromtimestamp(seconds, UTC)  # aware, so Plone makes it the server's
    return str(api.portal.get_localized_time(time, long_format=True))


def day(seconds: float) -> str:
    """Return the day of a time, as Plone shows those of content."""
    time = datetime.fromtimestamp(seconds, UTC)
    return str(api.portal.get_localized_time(time))
