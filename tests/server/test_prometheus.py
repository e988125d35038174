"""Prometheus itself scrapes a server as the docs say, and answers what dashboard and alerts ask."""

from pathlib import Path
from processes import BIN
from processes import free_port
from processes import Process
from processes import ROOT
from processes import START_SECONDS
from processes import wait_until
from test_clock import ZCML

import json
import os
import pytest
import requests
import runpy
import shutil
import subprocess
import yaml

pytestmark = pytest.mark.monitoring

PAGE = ROOT / "docs" / "howto" / "metrics.rst"
FILES = ROOT / "docs" / "operations"
PASSWORD = "only for this test"


def file_of(caption):
    """Return the file of that name in the page."""
    files_of = runpy.run_path(str(ROOT / "tests" / "docs" / "blocks.py"))["files_of"]
    (block,) = files_of(PAGE)[caption]
    return block.text


class Prometheus:
    """A server of its own, with the configuration of the page."""

    def __init__(self, folder, target):
        self.url = f"http://127.0.0.1:{free_port()}"
        (folder / "password").write_text(PASSWORD)
        shutil.copy(FILES / "alerts.yml", folder)
        config = yaml.safe_load(file_of("prometheus.yml"))
        (scrape,) = config["scrape_configs"]
        scrape["basic_auth"]["password_file"] = str(folder / "password")
        scrape["static_configs"][0]["targets"] = [target]
        scrape["scrape_interval"] = "1s"
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        flags = ["--config.file", folder / "prometheus.yml", "--storage.tsdb.path", folder / "data"]
        flags += ["--web.listen-address", self.url.removeprefix("http://")]
        self.process = Process(["prometheus", *flags], folder / "prometheus.log", cwd=folder)
        self.process.wait_for(self._is_ready)

    def query(self, query):
        """Return the values that it has for *query*."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10)
        assert answer.json()["status"] == "success", (query, answer.text)
        return [float(one["value"][1]) for one in answer.json()["data"]["result"]]

    def _is_ready(self):
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.RequestException:
            return False


@pytest.fixture
def watched(started, new_instance, environment, tmp_path):
    """A server with timed work, and the Prometheus that scrapes it as the page's user."""
    folder = new_instance()
    (folder / "etc" / "package-includes" / "timed-configure.zcml").write_text(ZCML)
    (tmp_path / "monitoring.py").write_text(file_of("monitoring.py"))
    subprocess.run(
        [BIN / "zconsole", "run", folder / "etc" / "zope.conf", tmp_path / "monitoring.py"],
        env={**os.environ, **environment, "MONITORING_PASSWORD": PASSWORD},
        check=True,
        capture_output=True,
    )
    server = started(folder=folder)
    prometheus = Prometheus(tmp_path, server.root.removeprefix("http://"))
    yield server, prometheus
    prometheus.process.stop()


def dashboard_queries():
    """Return what the panels ask, with the variables filled in."""
    dashboard = json.loads((FILES / "grafana.json").read_text())
    queries = [one["expr"] for panel in dashboard["panels"] for one in panel.get("targets", [])]
    return [
        query.replace("$__rate_interval", "1m")
        .replace("$instance", ".*")
        .replace("$upstream", ".*")
        for query in queries
    ]


def let_a_job_wait(server):
    """Submit a job that is due, in a queue that is paused, and one for workers elsewhere."""
    pause = {"queue": "default", "on": "on"}
    server.post("@@load-jobs-pause", data=pause).raise_for_status()
    for task in ("nothing", "scan"):
        server.post("@@load-jobs-submit", data={"task": task}).raise_for_status()


def test_prometheus_scrapes_a_server_and_answers_each_query(watched, text):
    """Every panel has something to show, and the rules are loaded."""
    server, prometheus = watched
    let_a_job_wait(server)
    wait_until(lambda: prometheus.query("up") == [1.0], START_SECONDS)
    for number in range(5):
        view = "@@load-upstream" if number % 2 else "@@hold"
        assert server.get(view, text=f"{text}-{number}", seconds=0.1).status_code == 200
    wait_until(lambda: prometheus.query("wsgifutures_held_seconds_count") == [5.0])
    wait_until(lambda: sum(prometheus.query("wsgifutures_upstream_calls_total")) >= 2)
    wait_until(lambda: prometheus.query("sum(rate(wsgifutures_held_seconds_count[1m])) > 0"))
    wait_until(lambda: prometheus.query("wsgifutures_jobs_oldest_seconds > 0"))
    wait_until(lambda: prometheus.query("wsgifutures_elsewhere_jobs_oldest_seconds > 0"))
    wait_until(lambda: prometheus.query("wsgifutures_clock_last_slot_seconds"), 60)
    empty = [query for query in dashboard_queries() if not prometheus.query(query)]
    # What was never counted has no share; a breaker that is closed is told. There is no relay.
    unknown = ("cache", " / ", "relay_up", "relay_trouble", "relay_depth", "relay_sign")
    unknown = (*unknown, "relay_hints", "relay_messages")
    shown = [query for query in empty if not any(name in query for name in unknown)]
    assert shown == []
    rules = requests.get(f"{prometheus.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
    assert {one["health"] for group in rules for one in group["rules"]} <= {"ok", "unknown"}
    assert len(rules[0]["rules"]) == 24


def test_user_of_the_scraper_sees_the_metrics_and_manages_nothing(watched):
    """Its role gives that permission alone."""
    server, _ = watched
    auth = ("prometheus", PASSWORD)
    assert requests.get(f"{server.root}/@@futures-metrics", auth=auth).status_code == 200
    for page in ("manage_main", "Plone/@@overview-controlpanel"):
        answer = requests.get(f"{server.root}/{page}", auth=auth, allow_redirects=False)
        assert answer.status_code in (302, 401)


def test_page_says_what_prometheus_takes_and_where_it_is():
    """The file is one that promtool knows, its rules are beside it."""
    config = yaml.safe_load(file_of("prometheus.yml"))
    assert [Path(FILES / name).exists() for name in config["rule_files"]] == [True]
    assert config["scrape_configs"][0]["metrics_path"] == "/@@futures-metrics"
