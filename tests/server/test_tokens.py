"""Application tokens on a real server, as ``docs/howto/tokens.rst`` has them."""

from introduced import ADMIN
from processes import ROOT

import datetime
import os
import pytest
import re
import requests
import subprocess
import sys

sys.path[:0] = [str(ROOT / "tests" / "docs")]

from blocks import blocks_of  # noqa: E402

PAGE = ROOT / "docs" / "howto" / "tokens.rst"
JSON = {"Accept": "application/json"}
EXAMPLE = "https://www.example.com"


@pytest.fixture(scope="module")
def site(gunicorn):
    """The address of a site with the add-on and a published folder."""
    gunicorn.post("@@elsewhere-prepare", auth=ADMIN).raise_for_status()
    for wish in (
        {"@type": "Folder", "id": "news", "title": "News"},
        {"@type": "Document", "id": "words", "title": "Two words"},
    ):
        url = f"{gunicorn.site}/news" if wish["@type"] == "Document" else gunicorn.site
        answer = requests.post(url, json=wish, headers=JSON, auth=ADMIN, timeout=60)
        assert answer.status_code == 201, answer.text
    return gunicorn.site


@pytest.fixture(scope="module")
def token(site):
    """A token that may read and search."""
    ends = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
    wish = {"name": "Nightly export", "scope": "read: read:@search", "ends": ends}
    answer = requests.post(f"{site}/@tokens", json=wish, headers=JSON, auth=ADMIN, timeout=60)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def example(language, what):
    """Return the block of the page that has *what*."""
    (found,) = (block.text for block in blocks_of(PAGE, language) if what in block.text)
    return found


def run(site, token, *command, text=None):
    done = subprocess.run(
        [arg.replace(EXAMPLE, site) for arg in command],
        input=None if text is None else text.replace(EXAMPLE, site),
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_in_python_lists_all_pages(site, token):
    """The private ones of its user, too."""
    told = run(site, token, sys.executable, "-", text=example("python", "requests.Session"))
    assert f"{site}/news/words Two words" in told


def test_curl_searches(site, token):
    """With the token in a header."""
    command = example("console", "Bearer").removeprefix("$ ").replace("\\\n", " ")
    assert "Two words" in run(site, token, "sh", "-c", f"exec {command}")


def test_a_program_in_node_reads_content(site, token):
    """Without a library."""
    code = example("javascript", "fetch")
    told = run(site, token, "node", "--input-type=module", "-", text=code)
    assert told.strip() == "News"


def test_curl_makes_one(site):
    """Its answer has the token once."""
    command = example("console", "@tokens").partition("\n{")[0]
    command = command.removeprefix("$ ").replace("\\\n", " ").replace("jane", ":".join(ADMIN))
    soon = datetime.date.today() + datetime.timedelta(days=90)
    told = run(site, "", "sh", "-c", "exec " + re.sub(r"20\d\d-\d\d-\d\d", str(soon), command))
    assert re.search(r"wsgifutures_app_[0-9A-Za-z]{49}\b", told)


def test_the_token_opens_nothing_else(site, token):
    """And nothing is written with it."""
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    for method, path in (
        ("GET", "@users"),
        ("POST", "@login-renew"),
        ("GET", "@tokens"),
        ("PATCH", "news"),
        ("DELETE", "news/words"),
    ):
        answer = requests.request(method, f"{site}/{path}", headers=headers, json={}, timeout=60)
        assert answer.status_code == 401, (method, path, answer.text)


def test_neither_the_log_nor_the_database_has_it(gunicorn, site, token):
    """Where the site keeps a digest."""
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    assert requests.get(f"{site}/news", headers=headers, timeout=60).ok
    secret = token.rpartition("_")[2].encode()
    files = [path for path in gunicorn.process.log.parent.rglob("*") if path.is_file()]
    assert {"Data.fs", gunicorn.process.log.name} <= {path.name for path in files}
    assert [path for path in files if secret in path.read_bytes()] == []
