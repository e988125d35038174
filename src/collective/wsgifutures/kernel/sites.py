"""What a site wants of its futures, where that is not what the process is set to.

The kernel knows no sites. Who does puts a function into ``site_settings``. It is called in
the pass, when the first future is asked for; what it returns is kept by the request's hold.
So a site that is changed meanwhile is changed for its next requests.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class SiteSettings:
    """What one site wants. None is what the process is set to."""

    #: Nothing is held: each call runs where it is asked for, in place.
    in_place: bool = False
    #: How long a future may take that does not say so itself, in seconds.
    timeout: float | None = None
    #: How long a response may be held, in seconds; longer than in the process it never is.
    deadline: float | None = None
    #: How often a request may be published; more often than in the process it never is.
    max_passes: int | None = None


#: Each returns what the site that is being published wants, None where it knows of no site.
#: The first that knows counts. None may raise: no page fails for its site's settings.
site_settings: list[Callable[[], SiteSettings | None]] = []


def read() -> SiteSettings | None:
    """Return what the site wants that is being published here, None where there is no site."""
    for function in site_settings:
        found = function()
        if found is not None:
            return found
    return None
