"""Metrics in Plone: who may see them, and plone.observability's own view of the same."""

from holdsite import ADMIN
from sitesettings import install
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from snapshots import hold
from snapshots import upstream
from snapshots import Workers

import pytest
import re
import transaction

VIEW = "@@futures-metrics"


@pytest.fixture
def workers(site, tmp_path):
    """Two workers that have told what they do."""
    (tmp_path / "board").mkdir()
    workers = Workers(tmp_path / "board")
    held = hold("/plone/secret", user="jane")
    workers.write("000000a1", held, upstreams=[upstream(host="in.house"), upstream(name="llm")])
    workers.write("000000a2")
    return workers


def values(answer):
    """Return all samples of ours: the name, the worker and upstream, with their values."""
    lines = re.findall(r"^(wsgifutures_\w+)\{(.*)\} (\S+)$", answer.body, re.M)
    samples = [(name, dict(re.findall(r'(\w+)="(.*?)"', told)), v) for name, told, v in lines]
    return {
        (name, *(told.get(one) for one in ("worker", "upstream", "limit", "le"))): float(v)
        for name, told, v in samples
    }


@pytest.mark.parametrize("path", [VIEW, f"../{VIEW}"])
def test_metrics_of_all_workers_are_there_at_the_site_and_at_the_root(site, workers, path):
    """In one pass; the add-on need not be installed."""
    answer = site.get(path, user=ADMIN, **workers.settings)
    assert (answer.status, answer.passes) == (200, ["200"])
    found = values(answer)
    assert found["wsgifutures_held_responses", "000000a1", None, None, None] == 1.0
    assert found["wsgifutures_held_responses", "000000a2", None, None, None] == 0.0
    assert found["wsgifutures_upstream_calls_total", "000000a1", "llm", None, None] == 40.0


@pytest.mark.parametrize("path", [VIEW, f"../{VIEW}"])
@pytest.mark.parametrize("user", [None, MEMBER, SITE_ADMIN], ids=["nobody", "member", "siteadmin"])
def test_metrics_are_for_who_may_see_the_status(site, workers, path, user):
    """Manager, where nobody has said else."""
    install(site.portal)
    answer = site.get(path, user=user, **workers.settings)
    assert answer.status in (302, 401)
    assert "wsgifutures_" not in answer.text


def test_metrics_are_for_a_role_that_was_given_the_permission(site, workers):
    """And for no other."""
    install(site.portal)
    site.portal.manage_permission("collective.wsgifutures: View status", ["Site Administrator"])
    transaction.commit()
    assert site.get(VIEW, user=SITE_ADMIN, **workers.settings).status == 200
    assert site.get(VIEW, user=MEMBER, **workers.settings).status in (302, 401)


@pytest.mark.parametrize("more", [{"held": False}, {"status_folder": "off"}, "open"])
def test_metrics_when_there_is_no_board_are_503_with_the_reason(site, workers, more):
    """A scrape that fails is seen; one that is empty is not."""
    if more == "open":
        workers.folder.chmod(0o755)
        more = workers.settings
    answer = site.get(VIEW, user=ADMIN, **more)
    assert (answer.status, "status_folder" in answer.text) == (503, True)


def test_plone_observability_has_the_same_metrics_in_its_own_view(site, workers):
    """Of all workers, in the form of its own; public, so without hosts, paths and users."""
    site.zcml('<include package="plone.observability" />')
    ours = site.get(f"../{VIEW}", user=ADMIN, **workers.settings)
    theirs = site.get("../@@metrics", **workers.settings)
    assert theirs.status == 200
    assert "plone_process_rss_bytes" in theirs.text
    assert values(theirs) == values(ours) != {}
    assert "# TYPE wsgifutures_requests_total counter" in theirs.text
    assert "# TYPE wsgifutures_held_responses gauge" in theirs.text
    for secret in ("in.house", "secret", "jane"):
        assert secret not in theirs.text
    assert "# HELP wsgifutures_requests_total Requests that were let in\n" in theirs.body
    for nothing in ({"status_folder": "off"}, {"held": False}):
        theirs = site.get("../@@metrics", **nothing)
        assert "plone_process_rss_bytes" in theirs.text
        assert "wsgifutures_" not in theirs.text
    assert site.logged == []
