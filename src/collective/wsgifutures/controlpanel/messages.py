"""What the form says of an input that is not even a number."""

from .form import SettingsForm
from .interfaces import TAKES
from typing import Any
from z3c.form.converter import FormatterValidationError
from z3c.form.error import ComputedErrorViewMessage


def _takes(error: Any) -> Any:
    return TAKES[error.field.__name__]


# For this form alone. A mark on the field itself would end up in the registry.
no_number = ComputedErrorViewMessage(_takes, error=FormatterValidationError, form=SettingsForm)
no_whole_number = ComputedErrorViewMessage(_takes, error=ValueError, form=SettingsForm)
