"""Tables that Sphinx makes from the code, so that they cannot differ from it.

``.. settings:: Settings`` has a row for each setting. Its content says more about some of them::

    .. settings:: Settings

        :grace: After that, the answer is 504.

``.. metrics::`` has a row for each metric.
"""

from collective.wsgifutures.metrics.families import families
from collective.wsgifutures.upstreams.settings import UpstreamSettings
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.settings import variable_of
from dataclasses import fields
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import re
import sys

#: The modules that the metrics are made of.
MADE_OF = (
    *("metrics.families", "metrics.elsewhere", "metrics.tables", "metrics.tokens"),
    "status.snapshot",
    *("upstreams.figures", "wsgi.record"),
)

#: A name with what its table says more about it.
MORE = re.compile(r"^:(\w+): (.*(?:\n .*)*)", re.M)


class SettingsTable(SphinxDirective):
    """The settings of a process, or of an upstream."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[Node]:
        """Return the table."""
        settings = {"Settings": Settings, "UpstreamSettings": UpstreamSettings}[self.arguments[0]]
        self.env.note_dependency(sys.modules[settings.__module__].__file__)
        more = dict(MORE.findall("\n".join(self.content)))
        try:
            return self.parse_text_to_nodes(settings_table(settings, more))
        except KeyError as error:
            raise self.error(f"There is no setting {error}.") from None


def settings_table(settings: type, more: dict[str, str]) -> str:
    """Return the table of *settings*, in reStructuredText.

    Args:
        settings: ``Settings`` or ``UpstreamSettings``.
        more: What else there is to say of some, by name.

    Raises:
        KeyError: There is no such setting.
    """
    rows = {
        one.name: [_name(settings, one.name), as_written(one.default), one.metadata["what"]]
        for one in fields(settings)
    }
    for name, text in more.items():
        rows[name][2] += " " + " ".join(text.split())
    return list_table("34 12 54", [["Setting", "Default", "What it is"], *rows.values()])


class MetricsTable(SphinxDirective):
    """The metrics of workers and upstreams."""

    def run(self) -> list[Node]:
        """Return the table."""
        for name in MADE_OF:
            self.env.note_dependency(sys.modules[f"collective.wsgifutures.{name}"].__file__)
        return self.parse_text_to_nodes(metrics_table())


def metrics_table() -> str:
    """Return the table of the metrics, in reStructuredText."""
    rows = [
        [f"``{one.name}{'_total' * (one.type == 'counter')}``", one.type, one.documentation]
        for one in families([])
    ]
    return list_table("46 14 40", [["Metric", "Type", "What it is"], *rows])


def _name(settings: type, name: str) -> str:
    variable = f"\n| ``{variable_of(name)}``" if settings is Settings else ""
    return f"| ``{name}``{variable}"


def as_written(default: object) -> str:
    """Return *default* as people write it."""
    if isinstance(default, bool):
        return "on" if default else "off"
    return "unset" if default in (None, "") else str(default)


def list_table(widths: str, rows: list[list[str]]) -> str:
    """Return *rows*, the first one the head, as reStructuredText."""
    options = [".. list-table::", "    :header-rows: 1", f"    :widths: {widths}", ""]
    return "\n".join([*options, *map(_row, rows), ""])


def _row(cells: list[str]) -> str:
    marks = ["    * - ", *["      - "] * len(cells)]
    return "\n".join(m + c.replace("\n", "\n        ") for m, c in zip(marks, cells, strict=False))


def setup(app: Sphinx) -> dict[str, bool]:
    """Give the directives to Sphinx."""
    app.add_directive("settings", SettingsTable)
    app.add_directive("metrics", MetricsTable)
    return {"parallel_read_safe": True}
