"""The last ten minutes of a worker, as the points of a picture."""

from collections import deque

#: Seconds that each point covers.
EACH = 10.0

#: How many points are kept.
POINTS = 60


class History:
    """For each ten seconds: the most held, the most waiting, and how many were refused."""

    def __init__(self) -> None:
        self._points: deque[list[float]] = deque(maxlen=POINTS)
        self._refused = 0

    def add(self, now: float, held: int, waiting: int, refused: int) -> None:
        """Add the numbers of *now*; *refused* is counted since the worker started."""
        began = now - now % EACH
        if not self._points or self._points[-1][0] < began:
            self._points.append([began, 0, 0, 0])
        point = self._points[-1]
        point[1] = max(point[1], held)
        point[2] = max(point[2], waiting)
        point[3] += refused - self._refused
        self._refused = refused

    def points(self) -> list[list[float]]:
        """Return the points, the oldest first. Each is a time, and held, waiting, refused then."""
        return [list(point) for point in self._points]
