"""A site with tasks that are done elsewhere, and a worker that claims their jobs."""

from collective.wsgifutures import current_job
from collective.wsgifutures import task
from collective.wsgifutures.keys.public import thumbprint
from collective.wsgifutures.keys.tokens import ACCESS
from collective.wsgifutures.keys.tokens import CAPABILITY
from collective.wsgifutures.keys.tokens import mint
from collective.wsgifutures.workers import registry
from plone import api

import json
import os
import transaction

stored = []  #: what ``store`` has got


@task(name="claimsite.store")
def store(context, result):
    files = {
        name: (file.filename, file.content_type, file.size, file.open().read())
        for name, file in current_job().files.items()
    }
    user = api.user.get_current()
    stored.append((context.getId(), user.getUserName(), context.absolute_url(), result, files))
    context.description = str(result)


ocr = task(name="ocr", queue="ocr", elsewhere=True, then=store, may=["GET", "@@images"], attempts=2)
count = task(name="count", queue="ocr", elsewhere=True)


class Elsewhere:
    """A worker that the site has approved for queues.

    Args:
        site: The site.
        queues: Those.
    """

    def __init__(self, site, queues=("ocr",)):
        self.site = site
        public = os.urandom(32)
        self.id = thumbprint(public)
        self.worker = registry.introduce(site.portal, public, "ocr on host7", tuple(queues))
        registry.approve(site.portal, self.worker, tuple(queues), "admin")
        claims = {"sub": self.id, "client_id": self.id, "scope": "claim"}
        self.token = mint(site.portal, ACCESS, claims, 600)
        transaction.commit()

    def claim(self, **body):
        """Ask for a job."""
        return post(self.site, "@jobs/claim", self.token, body)


def post(site, path, token, body=b"", **more):
    """Send a body, JSON if it is not bytes, with a token."""
    headers = {} if token is None else {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    options = {
        "body": body if isinstance(body, bytes) else json.dumps(body).encode(),
        "kind": "application/json",
        "accept": "application/json",
        "headers": headers,
    }
    return site.request("POST", path, **{**options, **more})


def act(site, claimed, what, body=None, **more):
    """Say what becomes of a job that was claimed."""
    job = claimed["job"]
    return post(site, f"@jobs/{job}/{what}", claimed["claim"], {} if body is None else body, **more)


def capability(site, job, lifetime=600):
    """Return a capability for a job."""
    token = mint(site.portal, CAPABILITY, {"sub": job.id}, lifetime)
    transaction.commit()
    return token


def form(result, **files):
    """Return a multipart body, and its content type: *files* are (filename, type, bytes)."""
    parts = [("result", None, "application/json", json.dumps(result).encode())]
    parts += [(name, *file) for name, file in files.items()]
    body = b""
    for name, filename, kind, data in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
        body += f"{head}Content-Type: {kind}\r\n\r\n".encode() + data + b"\r\n"
    return {"body": body + b"--b--\r\n", "kind": "multipart/form-data; boundary=b"}
