"""Dashboard and alert rules: whatever they name is exported, and the alerts fire."""

from .snapshots import RELAY
from .snapshots import snapshot
from collective.wsgifutures.metrics.families import families
from pathlib import Path
from prometheus_client.exposition import generate_latest
from types import SimpleNamespace

import json
import promql_parser
import pytest
import re
import subprocess
import yaml

FOLDER = Path(__file__).parent.parent.parent / "docs" / "operations"
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text())

#: What Prometheus adds to each series.
ADDED = {"instance", "job"}


def exported():
    """Return the names of all samples, each with the names of its labels."""
    samples = [sample for family in families([snapshot()], RELAY) for sample in family.samples]
    return {one.name: set(one.labels) for one in samples}


def dashboard_queries():
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    queries = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel["targets"]
    }
    queries.update({one["name"]: one["expr"] for one in DASHBOARD["annotations"]["list"]})
    return {name: query.replace("$__rate_interval", "5m") for name, query in queries.items()}


QUERIES = {**{one["alert"]: one["expr"] for one in ALERTS}, **dashboard_queries()}


def selectors(query):
    """Return the name of each series that *query* selects, with the labels that it names."""
    return re.findall(r"(wsgifutures_\w+)(?:\{([^}]*)\})?", query)


def test_there_are_queries_to_check():
    """A walk that finds nothing would pass everything below."""
    assert len(ALERTS) == 24
    assert len(dashboard_queries()) > 60


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_query_is_promql_and_all_that_it_names_is_exported(query):
    """Metrics, and labels."""
    promql_parser.parse(query)
    names, labels = exported(), set(ADDED)
    found = selectors(query)
    assert found
    for name, wanted in found:
        assert name in names
        labels |= names[name]
        assert set(re.findall(r"(\w+)=~?", wanted)) <= names[name] | ADDED
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert set(grouped.split(", ")) <= labels


def test_variables_of_the_dashboard_are_labels_of_what_is_exported():
    """Else its lists would be empty."""
    names = exported()
    queries = [v["definition"] for v in DASHBOARD["templating"]["list"] if "definition" in v]
    for query in queries:
        name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()
        assert label in names[name] | ADDED
    assert len(queries) == 2


def test_every_metric_is_in_the_dashboard_but_limits_that_stand_in_the_settings():
    """What is counted is shown."""
    shown = {name for query in dashboard_queries().values() for name, _ in selectors(query)}
    counted = {re.sub("_(bucket|sum|count|created)$", "", name) for name in exported()}
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in shown}
    assert counted - shown == {"wsgifutures_waiting_passes_limit"}


def test_texts_of_alerts_name_labels_that_are_left():
    """A label that the query drops would be empty in the text."""
    for alert in ALERTS:
        grouped = re.findall(r"by \(([^)]*)\)", alert["expr"])
        left = set(grouped[0].split(", ")) if grouped else {"worker", *ADDED}
        texts = " ".join(alert["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", texts)) <= left, alert["alert"]


def promtool(*arguments, **options):
    """Run Prometheus's own tool in the folder of the rules."""
    command = ["promtool", *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.monitoring
def test_alerts_fire_when_they_should_and_not_else():
    """By Prometheus itself, over half an hour."""
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts.test.yml")


@pytest.mark.monitoring
def test_what_is_exported_keeps_prometheus_conventions():
    """Names, units, help."""
    text = generate_latest(SimpleNamespace(collect=lambda: families([snapshot()], RELAY))).decode()
    promtool("check", "metrics", input=text)
