"""The same metrics in ``@@metrics`` of plone.observability.

That view is public, unless ``PLONE_OBSERVABILITY_METRICS_ALLOWLIST`` names the addresses that may
see it. So a metric contains only what everybody may know.
"""

from ..amqp.duty import sign_of
from ..status.board import board_of
from ..wsgi.visit import SETTINGS
from .families import families
from collections.abc import Iterator
from plone.observability.interfaces import IMetricProvider
from plone.observability.metric import Metric
from typing import Any
from zope.component import adapter
from zope.globalrequest import getRequest
from zope.interface import implementer
from zope.interface import Interface


@implementer(IMetricProvider)
@adapter(Interface)
class WorkerMetrics:
    """The metrics of all workers of this instance."""

    name = "wsgifutures"
    scope = "instance"

    def __init__(self, context: Any) -> None:
        self.context = context

    def collect(self) -> Iterator[Metric]:
        """Yield each sample of each metric."""
        board = board_of(getRequest().environ.get(SETTINGS))
        relay = sign_of(self.context._p_jar)
        for family in families(board.read(), relay) if board else ():
            for sample in family.samples:
                yield Metric(
                    name=sample.name,
                    value=sample.value,
                    type="gauge" if family.type == "gauge" else "counter",
                    scope=self.scope,
                    help=family.documentation,
                    labels=dict(sample.labels),
                )
