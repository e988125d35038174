"""Site Setup > Held responses."""

from ..browser.status.seen import may_view
from ..browser.title import ITitled
from ..interfaces import _
from . import process
from .guard import may_set_addresses
from .interfaces import FIELDS
from .interfaces import IWSGIFuturesSettings
from .interfaces import PREFIX
from .interfaces import TAKES
from functools import cached_property
from plone.app.registry.browser.controlpanel import ControlPanelFormWrapper
from plone.app.registry.browser.controlpanel import RegistryEditForm
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from typing import Any
from z3c.form.converter import FormatterValidationError
from z3c.form.error import ComputedErrorViewMessage
from zope.i18n import translate
from zope.interface import implementer


class SettingsForm(RegistryEditForm):  # type: ignore[misc]
    """The settings of this site."""

    schema = IWSGIFuturesSettings
    schema_prefix = PREFIX
    label = _("Held responses")
    description = _(
        "How pages of this site wait for external services. An empty setting takes the value of "
        "the server."
    )

    def updateWidgets(self, prefix: str | None = None) -> None:
        """Say at each limit what the server allows, and whether that lowers the value."""
        super().updateWidgets(prefix)
        settings = process.settings_of(self.request)
        for name in ("deadline", "max_passes"):
            if settings is not None:
                self._add_note(name, getattr(settings, name))

    def _add_note(self, name: str, allowed: float) -> None:
        value = getattr(self.getContent(), name)
        facts = {"allowed": process.shown(allowed), "value": process.shown(value)}
        note = _("This server allows at most ${allowed}.", mapping=facts)
        if value is not None and value > allowed:
            note = _(
                "This server allows at most ${allowed}, and lowers ${value} to this limit.",
                mapping=facts,
            )
        texts = [FIELDS[name].description, note]
        widget = self.widgets[name]
        widget.description = " ".join(translate(text, context=self.request) for text in texts)


@implementer(ITitled)
class SettingsControlPanel(ControlPanelFormWrapper):  # type: ignore[misc]
    """The page around the form, with the settings of the server below the form."""

    form = SettingsForm
    page_title = SettingsForm.label
    index = ViewPageTemplateFile("settings.pt")

    @property
    def may_set_addresses(self) -> bool:
        """Tell whether the user may set addresses, so that the form has their field."""
        return may_set_addresses()

    @property
    def may_view_status(self) -> bool:
        """Tell whether the user may open the live status."""
        return may_view(self.context)

    @cached_property
    def process_rows(self) -> list[process.Row] | None:
        """The settings of this process; None if the process does not hold responses."""
        settings = process.settings_of(self.request)
        return None if settings is None else process.rows(settings)

    @cached_property
    def upstreams(self) -> list[tuple[str, str, list[process.Row]]]:
        """The name, host and settings of each upstream of this process."""
        return process.all_upstreams()


# The messages for an input that is not a number. They are for this form alone: a marker
# interface on the field itself would end up in the registry.


def _describe(error: Any) -> Any:
    return TAKES[error.field.__name__]


not_a_number = ComputedErrorViewMessage(
    _describe, error=FormatterValidationError, form=SettingsForm
)
not_a_whole_number = ComputedErrorViewMessage(_describe, error=ValueError, form=SettingsForm)
