"""The parts of the status page that change, as HTML.

One template renders them for the page and for its refresh, so that both are the same in every
language, with and without JavaScript.
"""

from ...interfaces import _
from ...upstreams.figures import FIGURES
from ..times import iso
from ..views import View
from . import words
from .picture import Band
from .picture import by_minute
from .picture import Minute
from .seen import may_cancel
from .seen import Seen
from .seen import State
from collections.abc import Callable
from collections.abc import Mapping
from functools import cached_property
from functools import partial
from itertools import groupby
from itertools import islice
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from typing import NamedTuple
from urllib.parse import urlencode

import zope.i18n

#: How many holds the page lists; ``@futures`` has every hold of the snapshots.
MOST_ROWS = 50

#: How many of the last events the page lists.
MOST_EVENTS = 20

#: From which share of a limit on a tile warns, in percent.
NEARLY = 80

#: The columns of the list of holds. Those in ``SORTS`` can be sorted by.
COLUMNS = {
    "path": _("Path"),
    "user": _("User"),
    "waiting_on": _("Waiting on"),
    "passes": _("Passes"),
    "age": _("Age"),
}
#: The words in each row of that list.
ROW_WORDS = {
    **COLUMNS,
    "nobody": _("not logged in"),
    "slot": _("a slot"),
    "cancel": _("Cancel"),
}
SORTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "age": lambda hold: hold["since"],
    "path": lambda hold: (hold["path"], hold["since"]),
    "user": lambda hold: (not hold["user"], hold["user"], hold["since"]),
    "passes": lambda hold: (-hold["passes"], hold["since"]),
}

#: The columns of an upstream's numbers: name, label, and what explains it.
NUMBERS = [(one.name, _(one.label), one.title and _(one.title)) for one in FIGURES if one.label]

#: The bands of the picture.
BANDS = {"held": _("Held"), "waiting": _("Waiting for a slot"), "refused": _("Refused")}


class Tile(NamedTuple):
    """A number at the top of the page."""

    name: str
    icon: str
    title: Any
    value: int
    most: int | None
    note: Any
    may_warn: bool = True

    @property
    def share(self) -> int:
        """How much of the limit is taken, in percent."""
        return min(100, round(100 * self.value / self.most)) if self.most else 0

    @property
    def level(self) -> str:
        """How the tile looks."""
        if not self.may_warn:
            return "calm"
        if self.most is None:
            return "much" if self.value else "calm"
        return "much" if self.share >= NEARLY else "calm"


class Row(NamedTuple):
    """A hold in the list."""

    html_id: str
    path: str
    user: str
    waiting_on: list[str]
    passes: int
    age: str
    cancel_url: str


class StatusView(View):
    """What the views of the status have in common."""

    icon_class = "futures-icon"

    @cached_property
    def seen(self) -> Seen:
        """The status, for the current user."""
        return Seen(self.context, self.request)

    @property
    def site_url(self) -> str:
        """Where the site is."""
        return str(self.context.absolute_url())

    def url(self, view: str = "@@futures-status", **query: str) -> str:
        """Return the address of a *view* of the site."""
        told = urlencode({name: value for name, value in query.items() if value})
        return f"{self.site_url}/{view}" + (f"?{told}" if told else "")


class Parts(StatusView):
    """The parts, and what their template asks for."""

    parts = ViewPageTemplateFile("parts.pt")
    empty = ViewPageTemplateFile("empty.pt")  #: why there is nothing to show
    above = ViewPageTemplateFile("above.pt")  #: silent workers, and the tiles
    age = staticmethod(words.age)
    iso = staticmethod(iso)
    upstream_labels = NUMBERS

    @property
    def overview(self) -> dict[str, Any]:
        """The overview of all workers."""
        return self.seen.overview

    @property
    def is_on(self) -> bool:
        """Tell whether there is a status to show."""
        return self.seen.state is State.ON

    @property
    def stale(self) -> list[dict[str, Any]]:
        """The workers that have not reported for a while."""
        return [one for one in self.overview["workers"] if one["stale"]]

    # The numbers at the top, and the picture

    @property
    def tiles(self) -> list[Tile]:
        """The numbers at the top."""
        counts = self.overview["counts"]
        workers = {"n": len(self.overview["workers"]) - len(self.stale)}
        refused = int(sum(self.bands["refused"].values))
        return [
            self._limited("held", "hourglass-split", counts["held"], counts["max_held"]),
            Tile(
                *("slots", "grid", _("Slots in use"), counts["slots_used"], counts["slots"]),
                _("workers: ${n}", mapping=workers),
            ),
            self._limited("waiting", "people", counts["waiting"], counts["max_waiting"]),
            Tile(
                *("refused", "x-octagon", BANDS["refused"], refused, None),
                _("in the last ten minutes"),
            ),
        ]

    def _limited(self, name: str, icon: str, value: int, most: int) -> Tile:
        facts = {"n": int(self.bands[name].most)}
        note = _("at most ${n} in ten minutes", mapping=facts)
        tile = Tile(name, icon, BANDS[name], value, most, note)
        return tile if tile.share < NEARLY else tile._replace(note=_("nearly all there may be"))

    @cached_property
    def bands(self) -> dict[str, Band]:
        """The last ten minutes: what is held, waiting, refused."""
        columns = list(zip(*self.overview["history"], strict=True))[1:]
        return {name: Band(list(column)) for name, column in zip(BANDS, columns, strict=True)}

    @property
    def picture(self) -> list[dict[str, Any]]:
        """The bands, with their words."""
        return [self._drawn(name, band) for name, band in self.bands.items()]

    def _drawn(self, name: str, band: Band) -> dict[str, Any]:
        facts = {"most": int(band.most), "now": int(band.now)}
        return {
            "name": name,
            "band": band,
            "is_bars": name == "refused",
            "title": BANDS[name],
            "most": _("up to ${most}", mapping=facts),
            "text": _("At most ${most}; ${now} now.", mapping=facts),
        }

    @property
    def minutes(self) -> list[Minute]:
        """The same by the minute, the last one first."""
        return by_minute(self.overview["history"])

    # Held responses

    @property
    def sort(self) -> str:
        """The column that the holds are sorted by."""
        return self.asked("sort") if self.asked("sort") in SORTS else "age"

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The heads of the list's columns."""
        columns = [self._column(name) for name in COLUMNS]
        action = {"name": "action", "title": _("Action"), "order": None, "url": "", "mark": ""}
        return [*columns, action] if self.may_cancel else columns

    def _column(self, name: str) -> dict[str, Any]:
        down = name in ("age", "passes")  # the most comes first
        order = ("descending" if down else "ascending") if name == self.sort else None
        url = self.url(sort=name) if name in SORTS else ""
        mark = " ▼" if down else " ▲"
        return {"name": name, "title": COLUMNS[name], "order": order, "url": url, "mark": mark}

    @property
    def row_words(self) -> dict[str, str]:
        """The words of each row, translated once for all of them."""
        translate = partial(zope.i18n.translate, context=self.request)
        return {name: translate(word) for name, word in ROW_WORDS.items()}

    @cached_property
    def rows(self) -> list[Row]:
        """The holds that are listed: the oldest, in the order that is wanted."""
        return [self._row(hold) for hold in sorted(self._listed, key=SORTS[self.sort])]

    @property
    def _listed(self) -> list[dict[str, Any]]:
        holds: list[dict[str, Any]] = self.overview["holds"]
        return holds[:MOST_ROWS]

    def _row(self, hold: Mapping[str, Any]) -> Row:
        worker, hold_id = hold["worker"], hold["id"]
        view = "@@futures-cancel"
        return Row(
            html_id=f"futures-hold-{worker}-{hold_id}",
            path=hold["path"],
            user=hold["user"],
            waiting_on=hold["waiting_on"],
            passes=hold["passes"],
            age=words.age(hold["age"]),
            cancel_url=self.url(view, worker=worker, hold=hold_id) if self.may_cancel else "",
        )

    @property
    def more_holds(self) -> int:
        """How many responses are held and not listed."""
        more: int = self.overview["more_holds"]
        return more + len(self.overview["holds"]) - len(self._listed)

    @property
    def is_one_site(self) -> bool:
        """Tell whether the user sees only what is held of this site."""
        return self.seen.place != "/"

    @cached_property
    def may_cancel(self) -> bool:
        """Tell whether the user may cancel holds."""
        return may_cancel(self.context)

    @cached_property
    def cancelled(self) -> dict[str, Any] | None:
        """What became of the hold that the user cancelled, None if they cancelled none."""
        worker, _slash, hold_id = self.asked("cancelled").partition("/")
        if not hold_id:
            return None
        hold = self.seen.hold(worker, hold_id)
        if hold is not None:
            return {"what": "asked", "path": hold["path"]}
        for event in self.overview["last"]:
            if (event["worker"], str(event["held_as"])) == (worker, hold_id):
                return {"what": event["what"], "path": event["path"]}
        return {"what": "ended", "path": ""}

    # Upstreams, events, workers

    def breaker(self, upstream: Mapping[str, Any]) -> tuple[str, str, Any]:
        """Return icon, colour and words for the state of *upstream*."""
        return words.BREAKERS["off" if upstream["off"] else upstream["breaker"]]

    def breaker_told(self, upstream: Mapping[str, Any]) -> Any:
        """Return more about a breaker that is not closed, None if there is no more."""
        workers = sum(upstream["breakers"].values())
        not_closed = workers - upstream["breakers"].get("closed", 0)
        if upstream["off"] or not not_closed:
            return None
        facts = {"n": not_closed, "workers": workers}
        if upstream["breaker"] == "half-open" or not upstream["retry_in"]:
            return _("one call tries it, in ${n} of ${workers} workers", mapping=facts)
        facts["time"] = words.age(upstream["retry_in"])
        return _("not asked for ${time}, in ${n} of ${workers} workers", mapping=facts)

    def of_upstream(self, upstream: Mapping[str, Any], name: str) -> str:
        """Return a number of *upstream*, for people."""
        if name in ("p50", "p99"):
            return words.duration(upstream[name])
        return str(upstream[name])

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """What went wrong, the last event first; equal events in a row are one."""
        groups = groupby(self.overview["last"], lambda one: (one["what"], one["why"], one["path"]))
        alike = (list(events) for _key, events in groups)
        return [{**events[0], "times": len(events)} for events in islice(alike, MOST_EVENTS)]

    def end(self, event: Mapping[str, Any]) -> tuple[str, Any]:
        """Return icon and words for what became of a request."""
        return words.ENDS.get(event["what"], ("question-circle", event["what"]))

    def why(self, event: Mapping[str, Any]) -> Any:
        """Return why it happened, in words if there are any."""
        return words.LIMITS.get(event["why"], event["why"])
