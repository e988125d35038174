"""What a check of a deployment saw: an error, a warning, or that all is well."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """What a check saw."""

    level: Level
    topic: str  #: one word: what it is about
    meaning: str  #: what was seen, and what it means
    remedy: str = ""  #: what to do

    def __str__(self) -> str:
        return f"{self.topic}: {self.meaning} {self.remedy}".rstrip()


def ok(topic: str, meaning: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, topic, meaning)


def warning(topic: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that something will hurt."""
    return Finding(Level.WARNING, topic, meaning, remedy)


def error(topic: str, meaning: str, remedy: str) -> Finding:
    """Return a finding with which no worker may serve."""
    return Finding(Level.ERROR, topic, meaning, remedy)
