"""What the doctor, and a worker at its start, says of the tokens that are kept of each site.

Only what is quickly read is looked at: neither users, who may be in a directory elsewhere, nor more
than ``MOST`` of a kind.
"""

from ..keys.endings import ended_since
from ..keys.places import find_part
from ..keys.places import Place
from ..keys.places import ROOT
from ..tokens.families import DAY
from ..tokens.families import Family
from ..tokens.families import find_families
from ..tokens.records import find_tokens
from ..tokens.records import Granted
from ..tokens.services import PART as SERVICES
from ..wsgi.findings import Finding
from ..wsgi.findings import ok
from ..wsgi.findings import warning
from collections.abc import Iterator
from itertools import islice
from typing import Any
from typing import NamedTuple

#: How many of a kind are looked at in one site.
MOST = 1000

#: Seconds after which somebody should ask whether a token is still needed.
UNUSED = 90 * DAY

#: How many that are unused are named.
NAMED = 5


class Kept(NamedTuple):
    """What is kept of a site."""

    place: Place
    tokens: list[Granted]
    families: list[Family]
    accounts: list[Granted]

    @property
    def is_whole(self) -> bool:
        """Whether all of it was looked at."""
        return max(len(self.tokens), len(self.families), len(self.accounts)) < MOST

    def is_good(self, one: Any, now: float) -> bool:
        """Tell whether a token is good, if its user is there."""
        began = one.started if isinstance(one, Family) else one.made
        return not one.is_past(now) and began > ended_since(self.place, one.folder, one.user)


def of_kept(connection: Any, now: float) -> Iterator[Finding]:
    """Tell how many tokens of each site are good, and which of them nobody uses."""
    for key in connection.root().get(ROOT, {}):
        uid, _, path = key.partition(" ")
        kept = _look(Place(connection, uid, path))
        if any(kept[1:]):
            yield _counted(kept, now)
            yield from _unused(kept, now)


def _look(place: Place) -> Kept:
    tokens, families = find_tokens(place), find_families(place)
    accounts = find_part(place, SERVICES)
    return Kept(
        place,
        _first(None if tokens is None else tokens.by_id),
        _first(None if families is None else families.by_id),
        _first(accounts),
    )


def _first(tree: Any) -> list[Any]:
    return [] if tree is None else list(islice(tree.values(), MOST))


def _counted(kept: Kept, now: float) -> Finding:
    good, all_of_them = [], [*kept.tokens, *kept.families, *kept.accounts]
    for some in kept[1:]:
        good.append(sum(kept.is_good(one, now) for one in some))
    text = (
        f"Good in {kept.place.path}: application tokens {good[0]}, logins with refresh tokens "
        f"{good[1]}, service accounts {good[2]}. Kept, and good no more: "
        f"{len(all_of_them) - sum(good)}; what is too old goes when the next one is made."
    )
    more = "" if kept.is_whole else f" Of each kind only {MOST} were looked at."
    return ok("tokens", text + more)


def _unused(kept: Kept, now: float) -> Iterator[Finding]:
    found = [
        one
        for one in (*kept.tokens, *kept.accounts)
        if kept.is_good(one, now) and now - max(one.made, one.used or 0) > UNUSED
    ]
    if found:
        named = ", ".join(one.id[:12] for one in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        yield warning(
            "tokens",
            f"Nobody has used these of {kept.place.path} for {UNUSED / DAY:.0f} days, and they are "
            f"good: {named}{more}.",
            "Ask whose they are, and revoke what nobody needs: Site Setup, Access tokens.",
        )
