"""``@@wsgifutures-clock-edit``: the form with which people add and change timed work."""

from ...browser.title import ITitled
from ...browser.views import View
from ...clock import acts
from ...clock import changes
from ...clock.entries import Entry
from ...clock.errors import EntryDeclared
from ...clock.errors import EntryRefused
from ...clock.errors import EntryUnknown
from ...clock.offered import offered_tasks
from ...clock.words import describe
from ...interfaces import _
from .acting import GONE
from .panel import PANEL
from .shown import MISSED
from .shown import OVERLAP
from functools import cached_property
from plone import api
from plone.protect import CheckAuthenticator
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from typing import NamedTuple
from zope.interface import implementer

import math
import time
import zoneinfo

EDIT = "@@wsgifutures-clock-edit"

#: What the page says beside a field whose value is refused.
ERRORS = {
    "name": _(
        "The name has letters, digits, dots and dashes, and no other timed work of this site has "
        "it."
    ),
    "task": _("Choose one of the tasks."),
    "cron": _(
        "This is not a cron expression. Examples: 0 3 * * * is every day at 03:00, "
        "*/15 8-17 * * 1-5 is each quarter of an hour on working days."
    ),
    "timezone": _("This server knows no such time zone. Examples: UTC, Europe/Helsinki."),
    "context": _("There is nothing that you may see at this path or with this UID."),
    "run_as": _("You cannot choose this user. Type the id of a user of this site."),
    "missed": _(
        "A job for each missed time means several jobs at a time: let the next one wait for the "
        "last one."
    ),
    "overlap": _("Choose one of the two."),
    "timeout": _("Type a number of seconds above 0, or nothing."),
}


class Field(NamedTuple):
    """A field of the form."""

    name: str
    label: Any
    help: Any = ""
    kind: str = "text"  #: ``text`` or ``select``
    required: bool = False
    choices: Any = ()  #: values and their words; of a text, what is proposed


_NAME = Field(
    *("name", _("Name")),
    _("For lists and addresses, as nightly-report. It stays the same."),
    required=True,
)
_CRON = Field(
    *("cron", _("Times")),
    _(
        "A cron expression: minute, hour, day of the month, month, day of the week. 0 3 * * * is "
        "every day at 03:00, 0 8 * * MON every Monday at 08:00, */15 * * * * every 15 minutes."
    ),
    required=True,
)
_CONTEXT = Field(
    *("context", _("About")),
    _("The path of a folder or a page below the site, or its UID. Nothing: the site itself."),
)
_RUN_AS = Field(
    *("run_as", _("As")),
    _("The id of a user of this site. It has the rights that the user has then."),
    required=True,
)
_TIMEOUT = Field(
    *("timeout", _("Time limit")),
    _("How many seconds an attempt may take. Nothing: as long as the task says."),
)


@implementer(ITitled)
class EditForm(View):
    """Shows the form by GET, and saves by POST."""

    index = ViewPageTemplateFile("form.pt")

    def __call__(self) -> str:
        """Render the form; or save, and go back to the page.

        Raises:
            Forbidden: The form was posted without the authenticator of the page.
        """
        self.prepare()
        self.refused: EntryRefused | None = None
        if self.request.method == "POST":
            CheckAuthenticator(self.request)
            if self._save():
                return self._go_back()
        elif self.is_gone:
            api.portal.show_message(GONE, self.request, "warning")
            return self._go_back()
        return str(self.index())

    @property
    def page_title(self) -> Any:
        """The title of the page."""
        return _("Change timed work") if self.entry_name else _("Add timed work")

    @property
    def site_url(self) -> str:
        """Where the site is."""
        return str(self.context.absolute_url())

    @property
    def panel_url(self) -> str:
        """The page that lists all."""
        return f"{self.site_url}/{PANEL}"

    @property
    def entry_name(self) -> str:
        """The name of the entry that is changed; empty: one is added."""
        return self.asked("entry")

    @cached_property
    def entry(self) -> Entry | None:
        """The entry that is changed; None if one is added, or it cannot be changed."""
        try:
            found = acts.find_entry(self.entry_name) if self.entry_name else None
        except EntryUnknown:
            return None
        return None if found is None or found.is_declared else found

    @property
    def is_gone(self) -> bool:
        """Tell whether the form is about an entry that is not there."""
        return bool(self.entry_name) and self.entry is None

    # What it shows

    @property
    def has_tasks(self) -> bool:
        """Tell whether there is anything to choose."""
        return bool(offered_tasks())

    @property
    def may_name_others(self) -> bool:
        """Tell whether the user may choose whom the work runs as."""
        return changes.may_name_others()

    @property
    def me(self) -> str:
        """The id of the user."""
        return changes.me()

    @property
    def changes_user(self) -> str:
        """The id of the user whom the work runs as until it is saved; empty: it stays."""
        run_as = self.entry.run_as if self.entry is not None else self.me
        return "" if self.may_name_others or run_as == self.me else run_as

    @cached_property
    def fields(self) -> list[Field]:
        """The fields, in order."""
        zones = [(zone, zone) for zone in sorted(zoneinfo.available_timezones())]
        found = [_NAME] if not self.entry_name else []
        found += [
            Field("task", _("Task"), kind="select", required=True, choices=self._tasks()),
            _CRON,
            Field("timezone", _("Time zone"), required=True, choices=zones),
            _CONTEXT,
        ]
        found += [_RUN_AS] if self.may_name_others else []
        return [
            *found,
            Field("missed", _("If times are missed"), kind="select", choices=MISSED.items()),
            Field("overlap", _("If it takes long"), kind="select", choices=OVERLAP.items()),
            _TIMEOUT,
        ]

    def _tasks(self) -> list[tuple[str, Any]]:
        found = [(task.name, task.title or task.name) for task in offered_tasks()]
        if self.entry is not None and self.entry.task not in dict(found):
            found.append((self.entry.task, self.entry.task))  # it is offered no more
        return found

    def value(self, field: Field) -> str:
        """Return what stands in a field: what was typed, what is kept, or the default."""
        if self.request.method == "POST":
            return self.asked(field.name)
        if self.entry is not None:
            kept = getattr(self.entry, field.name)
            return f"{kept:g}" if isinstance(kept, float) else str(kept or "")
        return self._defaults.get(field.name, "")

    @cached_property
    def _defaults(self) -> dict[str, str]:
        zone = api.portal.get_registry_record("plone.portal_timezone", default=None)
        return {
            "timezone": zone or "UTC",
            "run_as": self.me,
            "missed": "once",
            "overlap": "skip",
        }

    def error(self, field: Field) -> Any:
        """Return what is wrong with a field; None if nothing is."""
        if self.refused is None or self.refused.what != field.name:
            return None
        return ERRORS[field.name]

    def describedby(self, field: Field) -> str | None:
        """Return the ids of what is said of a field, for screen readers; None: nothing is."""
        ids = [f"error-{field.name}"] if self.error(field) else []
        ids += [f"help-{field.name}"] if field.help else []
        return " ".join(ids) or None

    @property
    def other_error(self) -> str:
        """What is wrong and has no field here; empty if nothing is."""
        if self.refused is None or self.refused.what in {field.name for field in self.fields}:
            return ""
        return str(self.refused)

    # What it does

    def _save(self) -> bool:
        """Save what was typed; tell whether the form is done with."""
        try:
            entry = self._change()
        except EntryRefused as refused:
            self.refused = refused
            return False
        except (EntryUnknown, EntryDeclared):
            api.portal.show_message(GONE, self.request, "warning")
            return True
        due = entry.next_after(time.time())
        facts = {"title": acts.title_of(entry), "words": describe(entry)}
        message = _("Saved: ${title}, ${words}.", mapping=facts)
        api.portal.show_message(message, self.request, "warning" if math.isinf(due) else "info")
        return True

    def _change(self) -> Entry:
        typed: dict[str, Any] = {
            field.name: self.asked(field.name).strip() for field in self.fields
        }
        typed["timeout"] = self._read_timeout(typed["timeout"])
        if not self.may_name_others:
            typed["run_as"] = self.me
        if self.entry_name:
            return changes.change(self.entry_name, **typed)
        return changes.add(typed.pop("name"), **typed)

    def _read_timeout(self, typed: str) -> float | None:
        try:
            return float(typed.replace(",", ".")) if typed else None
        except ValueError:
            raise EntryRefused(self.entry_name, "timeout", typed, "is not a number.") from None

    def _go_back(self) -> str:
        self.request.response.redirect(self.panel_url)
        return ""
