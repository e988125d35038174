"""The worker of the tutorial, and the one in a shell, on a real site: as their pages say."""

from processes import BIN
from processes import Process
from processes import ROOT
from processes import Server
from processes import wait_until

import os
import pytest
import re
import requests
import sys

sys.path.append(str(ROOT / "tests" / "docs"))

from blocks import DOCS
from blocks import files_of

ADMIN = ("admin", "admin")
JSON = {"Accept": "application/json"}

INCLUDE = """\
<configure xmlns="http://namespaces.zope.org/zope">
  <include package="Products.CMFCore" />
  <include package="acme_texts" />
</configure>
"""


def write(page, folder):
    """Write the files of a page."""
    for name, blocks in files_of(page).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(blocks[-1].text)


@pytest.fixture(scope="module")
def site(new_instance, start_gunicorn, tmp_path_factory):
    """A site with the add-on of the tutorial, and ``folder`` with all files of the pages."""
    folder, instance = tmp_path_factory.mktemp("pages"), new_instance()
    write(DOCS / "workers-tutorial.rst", folder)
    write(DOCS / "howto" / "workers-rest.rst", folder / "shell")
    include = instance / "etc" / "package-includes" / "acme_texts-configure.zcml"
    include.write_text(INCLUDE)
    path = [folder / "acme" / "src", ROOT / "tests" / "server", os.environ.get("PYTHONPATH", "")]
    env = {"PYTHONPATH": os.pathsep.join(map(str, path))}
    served = Server(*start_gunicorn(folder=instance, env=env))
    served.folder = folder
    return served


@pytest.fixture
def letter(site, request):
    """A file of Word in the site, as the worker's test makes it; returns its address."""
    sys.path.insert(0, str(site.folder / "extractor"))
    names = (site.folder / "extractor" / "test_extract.py").read_text().partition("\ndef test_")[0]
    made = {}
    exec(re.sub(r"from (extract|wsgifutures_worker) .*\n", "", names), made)
    id = re.sub(r"\W", "-", request.node.name)
    file = site.folder / "letter.docx"
    file.write_bytes(made["letter"]())
    body = {"@type": "File", "id": id, "title": "Letter", "file": upload(file)}
    requests.post(site.site, json=body, auth=ADMIN, headers=JSON).raise_for_status()
    yield f"{site.site}/{id}"
    requests.delete(f"{site.site}/{id}", auth=ADMIN, headers=JSON).raise_for_status()


def upload(file):
    return {"data": file.read_bytes().hex(), "encoding": "hex", "filename": file.name}


def press(address):
    """Press the button; return the id of the job."""
    page = f"{address}/@@read-text"
    with requests.Session() as browser:
        browser.auth = ADMIN
        token = re.search(r'_authenticator" value="(\w+)"', browser.get(page).text)[1]
        answer = browser.post(page, data={"_authenticator": token}, headers={"Accept": "*/*"})
    assert answer.status_code == 202
    return answer.json()["id"]


def approve(site, name):
    """Approve the worker of that name for the queue of the tutorial."""
    options = {"auth": ADMIN, "headers": JSON}
    known = site.get("@workers", **options).json()["items"]
    (worker,) = [each for each in known if each["name"] == name and each["state"] == "pending"]
    body = {"queues": ["texts"]}
    answer = site.post(f"@workers/{worker['id']}/approve", json=body, **options)
    assert answer.json()["state"] == "approved"


def description(address):
    return requests.get(address, auth=ADMIN, headers=JSON).json()["description"]


def run(site, *command, folder, env=None):
    """Run a command of a page to its end; return its status and what it said."""
    process = start(site, *command, folder=folder, env=env)
    return process.wait(), process.output


def start(site, *command, folder, env=None):
    env = {"SITE": site.site, "no_proxy": "127.0.0.1", "PYTHONUNBUFFERED": "1", **(env or {})}
    return Process(command, site.folder / f"{folder.name}.log", env, cwd=folder)


def worker_command(*arguments):
    return [BIN / "python", "-m", "wsgifutures_worker", *arguments]


def test_text_is_read_by_the_worker_of_the_tutorial(site, letter):
    """From init over the approval to the stored text."""
    folder = site.folder / "extractor"
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT / "worker" / "src"), str(folder)])}
    introduced = worker_command("init", "--url", site.site, "--queues", "texts")
    status, said = run(site, *introduced, "--name", "extractor", folder=folder, env=env)
    assert (status, "New key: worker.pem" in said, "Fingerprint: " in said) == (0, True, True), said
    check = worker_command("check", "extract:worker")
    assert run(site, *check, folder=folder, env=env)[0] == 1
    approve(site, "extractor")
    status, said = run(site, *check, folder=folder, env=env)
    assert (status, "Approved: " in said) == (0, True), said
    press(letter)
    process = start(site, *worker_command("run", "extract:worker"), folder=folder, env=env)
    try:
        wait_until(lambda: description(letter) == "Dear reader\nYours")
    finally:
        process.stop()
    assert "claimed." in process.output
    assert "done." in process.output


def test_text_is_read_by_the_worker_in_a_shell(site, letter):
    """With curl alone, as its page says."""
    folder = site.folder / "shell"
    status, said = run(site, "sh", "introduce.sh", folder=folder)
    assert (status, '"pending"' in said) == (0, True), said
    approve(site, "curl on host7")
    id = press(letter)
    process = start(site, "sh", "texts.sh", folder=folder)
    try:
        wait_until(lambda: description(letter).split() == ["Dear", "reader", "Yours"])
        wait_until(lambda: f"200 {id}" in process.output)
    finally:
        process.stop()
