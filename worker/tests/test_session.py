"""A job reads its context with a token that goes nowhere else."""

from conftest import running
from conftest import wait_until
from standin import Answer
from standin import serving
from standin import StandIn
from wsgifutures_worker.job import is_below

import pytest


def do(site, worker, function):
    """Let *function* do one job; return the job."""
    site.attempts = 1
    worker.does("ocr")(function)
    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state in ("done", "dead"))
    return job


def test_addresses_are_relative_to_the_context(site, make_worker):
    """Its views and services, the site's by a path, and the context itself."""
    site.pages |= {"/doc/@@images/image/large": b"PNG", "/doc": "the doc", "/search": "found"}

    def read(job):
        return [
            job.get("@@images/image/large").content,
            job.get().json(),
            job.get("../search").json(),
            job.session.get(f"{site.url}/search").json(),
        ]

    job = do(site, make_worker(), read)
    found = {"$type": "bytes", "value": "UE5H"}
    assert job.result == [found, "the doc", "found", "found"], job.error


def test_posts_go_with_the_token_too(site, make_worker):
    """And are not repeated by themselves."""
    site.always["/doc/@@note"] = Answer(503)
    job = do(site, make_worker(), lambda job: job.post("@@note", json={"a": 1}))
    assert job.error.startswith("HTTPError: 503")
    assert len([1 for method, path, _ in site.seen if path == "/doc/@@note"]) == 1


def test_a_page_that_is_not_there_fails_the_job(site, make_worker):
    """An error page is no image."""
    job = do(site, make_worker(), lambda job: job.get("@@missing").content)
    assert job.error.startswith("HTTPError: 404")


def test_a_read_is_repeated_when_plone_is_away_for_a_moment(site, make_worker):
    """503, then the page."""
    site.trouble["/doc/page"] += [Answer(503), Answer(502)]
    site.pages["/doc/page"] = "page"
    job = do(site, make_worker(), lambda job: job.get("page").json())
    assert job.result == "page"


def test_the_token_goes_to_no_other_host(site, make_worker):
    """Refused before a connection is made."""
    with serving(StandIn()) as other:
        job = do(site, make_worker(), lambda job: job.get(f"{other.url}/doc/page"))
        assert other.seen == []
    assert job.error.startswith("OtherHost: job.session only talks to")


def test_the_token_follows_no_redirect_to_another_host(site, make_worker):
    """The first hop is the site's, the second one is refused."""
    with serving(StandIn()) as other:
        to = f"{other.url}/doc/page"
        site.pages["/doc/page"] = Answer(302, None, Location=to)
        job = do(site, make_worker(), lambda job: job.get("page"))
        assert other.seen == []
    assert job.error.startswith("OtherHost")


def test_a_redirect_within_the_site_is_followed_with_the_token(site, make_worker):
    """As a browser does."""
    site.pages["/doc/page"] = Answer(302, None, Location=f"{site.url}/doc/moved")
    site.pages["/doc/moved"] = "moved"
    job = do(site, make_worker(), lambda job: job.get("page").json())
    assert job.result == "moved"


def test_a_netrc_does_not_replace_the_token(site, make_worker, tmp_path, monkeypatch):
    """Nor is what is in it sent to the site."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    site.pages["/doc/page"] = "page"
    job = do(site, make_worker(), lambda job: job.get("page").json())
    assert job.result == "page"
    assert not any(auth.startswith("Basic") for _, _, auth in site.seen)


def test_a_job_without_a_token_says_what_to_declare(site, make_worker):
    """The task has no may=."""
    site.access = False
    job = do(site, make_worker(), lambda job: job.get("page"))
    assert "declare may=" in job.error


SITE = "https://www.example.com/plone"


@pytest.mark.parametrize(
    ("url", "is_in"),
    [
        (SITE, True),
        (f"{SITE}/", True),
        (f"{SITE}/doc?a=..", True),
        ("https://www.example.com:443/plone/doc", True),
        ("HTTPS://WWW.EXAMPLE.COM/plone/doc", True),
        ("https://www.example.com/plone2", False),
        ("https://www.example.com/", False),
        ("https://www.example.com/plone/../other", False),
        ("https://www.example.com/plone/%2e%2e/other", False),
        ("http://www.example.com/plone/doc", False),
        ("https://www.example.com:8443/plone/doc", False),
        ("https://www.example.com@evil.example/plone/", False),
        ("https://evil.example\\@www.example.com/plone/", False),
        ("https://www.example.com.evil.example/plone/", False),
        ("", False),
    ],
)
def test_what_is_below_the_site(url, is_in):
    """Scheme, host, port and path, as the connection will understand them."""
    assert is_below(url, SITE) is is_in


@pytest.mark.parametrize("name", ["", "result", "a/b", "a:int", "a\\b"])
def test_a_file_has_a_plain_name(site, make_worker, name):
    """The form that it is sent in gives others a meaning."""
    job = do(site, make_worker(), lambda job: job.file(name, b""))
    assert job.error.startswith("ValueError")
    assert "cannot be the name of a file" in job.error


def test_two_files_have_two_names(site, make_worker):
    """The second would hide the first."""

    def twice(job):
        job.file("a", b"1")
        job.file("a", b"2")

    assert do(site, make_worker(), twice).error == 'ValueError: There are two files "a".'
