"""Application tokens on a real server, as ``docs/howto/tokens.rst`` has them."""

from introduced import ADMIN
from processes import ROOT

import datetime
import json
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
BLOCK = ROOT / "examples" / "volto_tokens" / "src"
PASSWORD = "correct horse battery"


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


#: Does what the block does, with a stand-in for Volto's ``Api``: paths, data and errors as there.
VOLTO = """
import { listOffers, listTokens, makeToken, reasonOf, revokeToken } from "./calls.mjs";

const [site, user] = [process.argv[2], process.argv[3]];

class Api {
  async send(method, path, data) {
    const headers = { Accept: "application/json", Authorization: `Bearer ${this.token}` };
    if (data) headers["Content-Type"] = "application/json";
    const body = data && JSON.stringify(data);
    const answer = await fetch(`${site}/++api++${path}`, { method, headers, body });
    const told = await answer.json();
    const error = new Error(`${answer.status}`);
    if (!answer.ok) throw Object.assign(error, { response: { body: told } });
    return told;
  }
  get = (path) => this.send("GET", path);
  post = (path, { data }) => this.send("POST", path, data);
  del = (path) => this.send("DELETE", path);
}

const api = new Api();
const [login, password] = user.split(":");
api.token = (await api.post("/@login", { data: { login, password } })).token;

const offers = await listOffers(api);
const services = [offers[0].read, offers.find(({ name }) => name === "@search").read];
const wish = { name: "Made in Volto", services, ends: process.argv[4] };
const made = await makeToken(api, wish);
const listed = (await listTokens(api)).find(({ id }) => id === made.id);
const refused = await makeToken(api, { ...wish, ends: "2000-01-01" }).catch(reasonOf);
await revokeToken(api, made.id);
const after = (await listTokens(api)).find(({ id }) => id === made.id);
console.log(JSON.stringify({ made, listed, refused, after }));
"""


def test_the_block_for_volto_lists_makes_and_revokes(site, tmp_path):
    """With Volto's session, at its addresses; what it shows is in the answers."""
    addon = f"{site}/@addons/plone.restapi/install"
    requests.post(addon, headers=JSON, auth=ADMIN, timeout=60).raise_for_status()
    wish = {"username": "jane", "password": PASSWORD, "email": "jane@example.com"}
    answer = requests.post(f"{site}/@users", json=wish, headers=JSON, auth=ADMIN, timeout=60)
    assert answer.status_code == 201, answer.text
    (tmp_path / "calls.mjs").write_text((BLOCK / "calls.js").read_text())
    (tmp_path / "main.mjs").write_text(VOLTO)
    soon = str(datetime.date.today() + datetime.timedelta(days=90))
    command = ["node", str(tmp_path / "main.mjs"), site, f"jane:{PASSWORD}", soon]
    told = json.loads(run(site, "", *command))
    assert re.fullmatch(r"wsgifutures_app_[0-9A-Za-z]{49}", told["made"].pop("token"))
    assert told["listed"] == told["made"]
    shown = {"name": "Made in Volto", "scope": "read: read:@search", "state": "good", "used": None}
    assert shown.items() <= told["made"].items()
    assert told["made"]["ends"][:10] == soon
    assert (told["after"]["state"], told["refused"][:9]) == ("revoked", "The token")


def test_the_block_for_volto_uses_what_there_is():
    """Its calls are those that the test above makes; no two files differ by case alone."""
    exported = set(re.findall(r"export const (\w+)", (BLOCK / "calls.js").read_text()))
    (imported,) = re.findall(
        r"import \{ (.+) \} from './calls'", (BLOCK / "Tokens.jsx").read_text()
    )
    assert set(imported.split(", ")) == exported
    stems = [path.stem.lower() for path in BLOCK.iterdir()]
    assert len(set(stems)) == len(stems)
    assert "import Tokens from './Tokens'" in (BLOCK / "index.js").read_text()


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
