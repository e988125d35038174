"""The last ten minutes of a worker, as the points of a picture."""

from collections import deque

#: Seconds of each point, and how many of them are kept.
EACH = 10.0
POINTS = 60


class History:
    """What was held and waited at most in each ten seconds, and how many were refused then."""

    def __init__(self) -> None:
        self._points: deque[list[float]] = deque(maxlen=POINTS)
        self._refused = 0

    def add(self, now: float, held: int, waiting: int, refused: int) -> None:
        """Tell what is so *now*.

        Args:
            now: In seconds since the epoch.
            held: How many responses are held.
            waiting: How many passes wait for a slot.
            refused: How many requests were refused since the worker started.
        """
        began = now - now % EACH
        if not self._points or self._points[-1][0] < began:
            self._points.append([began, 0, 0, 0])
        point = self._points[-1]
        point[1] = max(point[1], held)
        point[2] = max(point[2], waiting)
        point[3] += refused - self._refused
        self._refused = refused

    def points(self) -> list[list[float]]:
        """Return the points: their time, held, waiting, refused; the oldest first."""
        return [list(point) for point in self._points]
