"""The messages of the form for an input that is not a number."""

from .form import SettingsForm
from .interfaces import TAKES
from typing import Any
from z3c.form.converter import FormatterValidationError
from z3c.form.error import ComputedErrorViewMessage


def _describe(error: Any) -> Any:
    return TAKES[error.field.__name__]


# For this form alone: a marker interface on the field itself would end up in the registry.
not_a_number = ComputedErrorViewMessage(
    _describe, error=FormatterValidationError, form=SettingsForm
)
not_a_whole_number = ComputedErrorViewMessage(_describe, error=ValueError, form=SettingsForm)
