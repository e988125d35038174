"""What can be wrong with timed work::

FuturesError
 ├ EntryRefused         also ValueError: where the entry is written
 ├ EntryUnknown         also LookupError
 ├ EntryDeclared        it cannot be changed in Site Setup
 ├ NotOffered           also LookupError: the task, at the time of a job
 └ ContextMissing       also LookupError: at the time of a job
"""

from ..kernel.errors import FuturesError
from typing import Any


class EntryRefused(FuturesError, ValueError):
    """An entry of the clock has a value that it does not take."""

    def __init__(self, entry: str, what: str, value: Any, reason: str) -> None:
        super().__init__(entry, what, value, reason)
        self.entry = entry  #: the entry's name
        self.what = what  #: the option
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return f"Timed work {self.entry!r}: {self.what}={self.value!r} {self.reason}"


class EntryUnknown(FuturesError, LookupError):
    """A site has no entry of that name."""

    def __init__(self, name: str, site: str) -> None:
        super().__init__(name, site)
        self.name = name
        self.site = site  #: the path of the site

    def __str__(self) -> str:
        return f"The site at {self.site} has no timed work {self.name!r}."


class EntryDeclared(FuturesError):
    """An entry is declared in ZCML, so it cannot be changed in a site."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"Timed work {self.name!r} is declared in the ZCML of the server: change it there. "
            "Here it can be paused."
        )


class NotOffered(FuturesError, LookupError):
    """An entry of Site Setup has a task that is not offered there any more."""

    def __init__(self, task: str) -> None:
        super().__init__(task)
        self.task = task

    def __str__(self) -> str:
        return (
            f"The task {self.task!r} is not offered for timed work. Its code offers it with "
            "@task(timed=True)."
        )


class ContextMissing(FuturesError, LookupError):
    """The site or the object that an entry is about is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path  #: a path from Zope's root, or a UID

    def __str__(self) -> str:
        return (
            f"There is nothing at {self.path}. Was it moved or deleted? Change context= or site= "
            "of the entry, or give the UID of the object as context=."
        )
