"""What a site wants of its futures, where that is not what the process is set to.

The kernel knows no sites. Whoever does adds its ``Sites``. They are asked in the pass, when
the first future is asked for; what they return is kept by the request's hold. So a site that
is changed meanwhile is changed for its next requests.
"""

from collections.abc import Mapping
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


class Sites:
    """Knows what the site wants that is being published. This one knows of no site.

    None of its methods may raise: no page fails for its site's settings.
    """

    def settings(self) -> SiteSettings | None:
        """Return what the site wants, None where there is no site."""
        return None

    def of_upstream(self, name: str) -> Mapping[str, object]:
        """Return what the site changes of an upstream, by the names of its settings.

        Only asked in the thread that submits.
        """
        return {}


#: Those of this process; the control panel adds its own when Zope has started. The first
#: that knows the site counts.
sites: list[Sites] = []


def read() -> SiteSettings | None:
    """Return what the site wants that is being published here, None where there is no site."""
    for one in sites:
        found = one.settings()
        if found is not None:
            return found
    return None
