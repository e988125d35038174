"""The settings of a site for its futures, if they differ from those of the process.

The kernel knows no sites; whoever does adds a ``Sites``. A pass asks it when the first future
is asked for, and the request's hold keeps the answer. So a change of a site's settings takes
effect with its next requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SiteSettings:
    """The settings of one site. None stands for the setting of the process."""

    #: Nothing is held: each call runs in place, where it is asked for.
    in_place: bool = False
    #: How long a future may take if its declaration does not say so, in seconds.
    timeout: float | None = None
    #: How long a response may be held, in seconds, but no longer than the process allows.
    deadline: float | None = None
    #: How often a request may be published, but no more often than the process allows.
    max_passes: int | None = None


class Sites:
    """Knows the settings of the site that is being published. This class knows of no site.

    Its methods never raise: no page may fail because of its site's settings.
    """

    def settings(self) -> SiteSettings | None:
        """Return the settings of the site; None if no site is being published."""
        return None

    def of_upstream(self, name: str) -> Mapping[str, object]:
        """Return the settings of an upstream that the site changes, by their names.

        Only called in the thread that submits.
        """
        return {}


#: The ``Sites`` of this process. The control panel adds its own when Zope has started. The
#: first one that knows the site counts.
sites: list[Sites] = []


def read() -> SiteSettings | None:
    """Return the settings of the site that is being published here, or None."""
    for known in sites:
        found = known.settings()
        if found is not None:
            return found
    return None
