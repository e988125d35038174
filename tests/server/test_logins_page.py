"""The programs of ``docs/tokens-refresh.rst``, on a real server."""

from introduced import ADMIN
from processes import ROOT
from processes import Server

import datetime
import importlib.util
import json
import pytest
import subprocess
import sys

sys.path[:0] = [str(ROOT / "tests" / "docs")]

from blocks import files_of  # noqa: E402

PAGE = ROOT / "docs" / "tokens-refresh.rst"
JSON = {"Accept": "application/json"}
SOON = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
PASSWORD = "correct horse battery"

MAIN = """
import { Client } from "./client.mjs";
const client = new Client(process.argv[2], JSON.parse(process.argv[3]));
client.tokens.access_token = "past";
const first = client.tokens.refresh_token;
const pages = await Promise.all([client.get("about"), client.get("about"), client.get("@types")]);
const told = { title: pages[0].title, renewed: client.tokens.refresh_token !== first };
await client.renew();
await client.get("about");
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def server(start_gunicorn):
    """A server whose site has plone.restapi's plugin, a user and a page."""
    server = Server(*start_gunicorn())
    more = {"headers": JSON, "auth": ADMIN}
    server.post("@addons/plone.restapi/install", **more).raise_for_status()
    server.post("@@elsewhere-prepare", auth=ADMIN).raise_for_status()
    user = {"username": "jane", "password": PASSWORD, "email": "jane@example.com"}
    server.post("@users", json={**user, "roles": ["Manager"]}, **more).raise_for_status()
    return server


@pytest.fixture
def tokens(server):
    """What a login gives."""
    wish = {"login": "jane", "password": PASSWORD, "refresh": True}
    answer = server.post("@login", json=wish, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


def program(name, folder):
    """Write a file of the page; return its path."""
    (block,) = files_of(PAGE)[name]
    path = folder / name
    path.write_text(block.text)
    return path


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_client_in_python_renews_by_itself(server, tokens, tmp_path):
    """Before the first request, and when ten minutes are nearly over."""
    client = load(program("client.py", tmp_path)).Client(server.site, dict(tokens))
    assert client.get("about")["title"] == "Two words"
    first = client.tokens["refresh_token"]
    assert first != tokens["refresh_token"]
    client.get("about")
    assert client.tokens["refresh_token"] == first
    client.good_until -= 600
    client.get("about")
    assert client.tokens["refresh_token"] != first


def test_a_client_in_javascript_renews_once_for_all(server, tokens, tmp_path):
    """Three requests are refused at once, and one of them renews."""
    program("client.mjs", tmp_path)
    (tmp_path / "main.mjs").write_text(MAIN)
    command = ["node", "main.mjs", server.site, json.dumps(tokens)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"title": "Two words", "renewed": True}


def test_a_service_account_gets_tokens_with_its_key(server, tmp_path):
    """With a key that openssl has made, registered as PEM."""
    for arguments in (
        ("genpkey", "-algorithm", "ed25519", "-out", "service.pem"),
        ("pkey", "-in", "service.pem", "-pubout", "-out", "service.pub"),
    ):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)
    key = (tmp_path / "service.pub").read_text()
    wish = {"key": key, "name": "Search index", "user": "jane", "scope": "read:"}
    more = {"headers": JSON, "auth": ADMIN}
    answer = server.post("@service-accounts", json={**wish, "ends": SOON}, **more)
    assert answer.status_code == 201, answer.text
    get_token = load(program("service.py", tmp_path)).get_token
    headers = {
        **JSON,
        "Authorization": f"Bearer {get_token(server.site, tmp_path / 'service.pem')}",
    }
    assert server.get("about", headers=headers).json()["title"] == "Two words"
    assert server.get("@users", headers=headers).status_code == 401


def test_neither_the_log_nor_the_database_has_a_token(server, tokens):
    """Of all that were given; where the site keeps digests."""
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = server.post("@token", data=form).json()
    headers = {**JSON, "Authorization": f"Bearer {renewed['access_token']}"}
    assert server.get("about", headers=headers).ok
    secrets = [
        told[name] for told in (tokens, renewed) for name in ("access_token", "refresh_token")
    ]
    files = [path for path in server.process.log.parent.rglob("*") if path.is_file()]
    assert {"Data.fs", server.process.log.name} <= {path.name for path in files}
    for secret in secrets:
        tail = secret[-30:].encode()
        assert [path for path in files if tail in path.read_bytes()] == []
