"""The last ten minutes: as the paths of an SVG picture, and as the rows of a table."""

from ...status.history import EACH
from collections.abc import Sequence
from typing import NamedTuple

#: The size of each band, in the units of its ``viewBox``.
WIDTH = 600
HEIGHT = 60


class Band(NamedTuple):
    """A number over time."""

    values: Sequence[float]

    @property
    def most(self) -> float:
        """The highest value."""
        return max(self.values, default=0)

    @property
    def now(self) -> float:
        """The last value."""
        return self.values[-1] if self.values else 0

    @property
    def line(self) -> str:
        """The path of the line above the area."""
        return "M" + " L".join(f"{x:g},{y:g}" for x, y in self._corners())

    @property
    def area(self) -> str:
        """The path around the area below the line."""
        return f"{self.line} L{WIDTH},{HEIGHT} L0,{HEIGHT} Z"

    @property
    def bars(self) -> list[tuple[float, float, float, float]]:
        """The x, y, width and height of a bar for each value that is not 0."""
        step = WIDTH / max(1, len(self.values))
        heights = [(i, self._height(value)) for i, value in enumerate(self.values) if value]
        return [(i * step + 1, HEIGHT - high, step - 2, high) for i, high in heights]

    def _corners(self) -> list[tuple[float, float]]:
        step = WIDTH / max(1, len(self.values) - 1)
        return [(round(i * step, 1), HEIGHT - self._height(v)) for i, v in enumerate(self.values)]

    def _height(self, value: float) -> float:
        return round(value / self.most * (HEIGHT - 4), 1) if self.most else 0.0


class Minute(NamedTuple):
    """A minute of the table."""

    ago: str
    held: int
    waiting: int
    refused: int


def by_minute(points: Sequence[Sequence[float]]) -> list[Minute]:
    """Return the *points* of a history grouped by minute, the latest minute first."""
    size = int(60 / EACH)
    latest = points[::-1]
    return [
        _minute(number, latest[number * size : (number + 1) * size])
        for number in range(-(-len(latest) // size))
    ]


def _minute(number: int, points: Sequence[Sequence[float]]) -> Minute:
    _times, held, waiting, refused = zip(*points, strict=True)
    ago = f"{number}-{number + 1}"
    return Minute(ago, int(max(held)), int(max(waiting)), int(sum(refused)))
