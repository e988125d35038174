"""Environment variables that are named like ours and change nothing: most likely mistyped.

Those of upstreams are looked at where it is known which upstreams there are.
"""

from .findings import Finding
from .findings import warning
from .settings import PREFIX
from .settings import Settings
from .settings import variable_of
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import fields

import difflib
import os
import re

#: Variables that other rooms read, the children of this process, and the demo.
_OTHERS = ("BROKER", "CACHE", "CACHE_SECRET", "PASTE", "SYS_PATH", "DEMO_SERVICE")

#: All variables that are read, except for those of upstreams.
KNOWN = (*(variable_of(one.name) for one in fields(Settings)), *map(variable_of, _OTHERS))

_OF_UPSTREAMS = variable_of("UPSTREAM_")

#: How a name begins that may be meant for us.
_LIKE_OURS = re.compile(r"(collective[._-]?)?wsgi[._-]?futures?[._-]?", re.IGNORECASE)

#: How much two names have in common, from 0 to 1, if one may be the other, mistyped.
_ALIKE = 0.7


def unknown_variables() -> Iterator[Finding]:
    """Warn of each variable that is named like ours, and that nothing reads."""
    for name in sorted(os.environ):
        is_ours = name in KNOWN or name.startswith(_OF_UPSTREAMS)
        if _LIKE_OURS.match(name) and not is_ours:
            yield changes_nothing("variables", name, "nothing reads it", KNOWN)


def changes_nothing(topic: str, variable: str, why: str, known: Iterable[str]) -> Finding:
    """Return a warning of a *variable* that changes nothing, with the nearest *known* name."""
    remedy = "Correct its name, or take it out of the environment."
    found = _find_nearest(variable, known)
    return warning(
        topic,
        f"The variable {variable} changes nothing: {why}.",
        f"Is it {found}? {remedy}" if found else remedy,
    )


def _find_nearest(variable: str, known: Iterable[str]) -> str | None:
    """Return the name that is most like *variable*; what all names begin with does not count."""
    names = {name.removeprefix(PREFIX): name for name in known}
    wanted = _LIKE_OURS.sub("", variable, count=1).upper()
    near = difflib.get_close_matches(wanted, names, 1, _ALIKE)
    return names[near[0]] if near else None
