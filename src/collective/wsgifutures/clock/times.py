"""When an entry is due: a cron expression in a time zone.

The clock changes for daylight saving as Debian's cron has it. If neither the minutes nor the hours
begin with ``*``, the entry is for a time of the day::

    that time does not exist    it is due when the hour that is left out would have begun: "30 2"
                                at 03:00, once, also if several of its times are left out
    that time comes twice       it is due at the first one

Others go by what the clock on the wall shows: nothing is due in an hour that does not exist, and
an hour that comes twice counts twice. So do expressions with six fields, whose first is seconds.

Times are seconds since the epoch here; a *slot* is a time at which an entry is due.
"""

from collections.abc import Iterator
from cronsim import CronSim
from cronsim import CronSimError
from datetime import datetime
from datetime import UTC
from itertools import takewhile
from zoneinfo import ZoneInfo

#: How far back is looked at first, in seconds, and how much farther each time.
_FIRST_LOOK = 60.0
_FARTHER = 4


class Times:
    """The times of an entry.

    Args:
        cron: A cron expression of five fields, or of six.
        timezone: The name of a time zone, as ``Europe/Helsinki``.

    Raises:
        CronSimError: That is not a cron expression, or it never comes true.
        ZoneInfoNotFoundError, ValueError: There is no such time zone.
    """

    def __init__(self, cron: str, timezone: str) -> None:
        self._cron = cron
        self._zone = ZoneInfo(timezone)
        if next(self.after(0.0), None) is None:
            raise CronSimError("It never comes true")

    def after(self, start: float) -> Iterator[float]:
        """Yield the slots after *start*, in order."""
        last, walk = start, self._walk(start)
        while (found := next(walk, None)) is not None:
            slot = found.timestamp()
            if _is_left_out(found):  # the midnight of a day that begins at one
                walk = self._walk(slot - 1.0)
            elif slot > last:  # from within an hour that comes again, its first time is found
                last = slot
                yield slot

    def newest(self, start: float, end: float, most: int) -> tuple[list[float], bool]:
        """Return the newest slots after *start*, up to *end*, and whether there are older ones.

        Args:
            start, end: Where to look, however long that is.
            most: How many are returned.
        """
        span = _FIRST_LOOK
        while True:
            since = max(start, end - span)
            found = list(takewhile(lambda slot: slot <= end, self.after(since)))
            if len(found) > most or since == start:
                return found[-most:], len(found) > most
            span *= _FARTHER

    def _walk(self, start: float) -> CronSim:
        return CronSim(self._cron, datetime.fromtimestamp(start, self._zone))


def _is_left_out(found: datetime) -> bool:
    """Tell whether no clock on the wall ever shows *found*."""
    return found != found.astimezone(UTC).astimezone(found.tzinfo)
