"""The results of the checks of a deployment: an error, a warning, or that all is well."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """The result of a check."""

    level: Level
    topic: str  #: the subject, one word
    meaning: str  #: what was found, and what it means
    remedy: str = ""  #: what to do

    def __str__(self) -> str:
        return f"{self.topic}: {self.meaning} {self.remedy}".rstrip()


def ok(topic: str, meaning: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, topic, meaning)


def warning(topic: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that something will cause trouble."""
    return Finding(Level.WARNING, topic, meaning, remedy)


def error(topic: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that keeps a worker from serving."""
    return Finding(Level.ERROR, topic, meaning, remedy)
