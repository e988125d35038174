"""``@@futures-metrics``: the view that Prometheus scrapes, for users who may see the status."""

from ..amqp.duty import sign_of
from ..status.board import Board
from ..status.board import board_of
from ..status.board import FolderRefused
from ..wsgi.visit import SETTINGS
from .families import families
from Products.Five import BrowserView
from prometheus_client.exposition import choose_encoder
from types import SimpleNamespace


class Metrics(BrowserView):  # type: ignore[misc]
    """The metrics in the format that the client asks for: Prometheus's text, or OpenMetrics."""

    def __call__(self) -> bytes | str:
        """Return the metrics; without a board, return the reason."""
        response = self.request.response
        response.setHeader("Cache-Control", "no-store")
        board = self._board()
        if board is None:
            response.setStatus(503)
            return "No metrics are available: this process has no folder for them (status_folder)."
        encode, content_type = choose_encoder(self.request.getHeader("Accept", ""))
        response.setHeader("Content-Type", content_type)
        relay = sign_of(self.context._p_jar)
        return encode(SimpleNamespace(collect=lambda: families(board.read(), relay)))

    def _board(self) -> Board | None:
        try:
            return board_of(self.request.environ.get(SETTINGS))
        except FolderRefused:  # the worker has logged the reason at its start
            return None
