"""Marks the texts that are translated: below Zope, nothing knows languages.

``make translations`` finds the mark. What shows the text to a person translates it.
"""


def _(text: str) -> str:
    """Return *text*, which is translated where it is shown."""
    return text
