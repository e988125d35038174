"""Stands in for a Plone site: the protocol of workers elsewhere, and nothing else of it.

It keeps jobs in memory, and has their states, the numbers of their claims, leases and answers as
the site has them. A test says what goes wrong: ``trouble`` has what an address answers instead, or
that its answer is lost. Tests that are about the site itself are in the repository's
``tests/server``.
"""

from base64 import urlsafe_b64decode
from collections import defaultdict
from contextlib import contextmanager
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dataclasses import dataclass
from dataclasses import field
from email import message_from_bytes
from email.policy import HTTP
from socketserver import ThreadingMixIn
from urllib.parse import parse_qsl
from wsgifutures_worker.keys import thumbprint
from wsgiref.simple_server import make_server
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer

import json
import jwt
import select
import socket
import threading
import time
import uuid

CLAIM = "wsgifutures-claim+jwt"
CAPABILITY = "wsgifutures-capability+jwt"
ACCESS = "at+jwt"


@dataclass
class Job:
    """A job, and all that was said of it."""

    id: str
    task: str
    queue: str
    args: list
    kwargs: dict
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: str = "waiting"
    generation: int = 0
    attempt: int = 0
    worker: str = ""
    claim_key: str = ""
    until: float = 0.0
    due: float = 0.0
    cancelled: bool = False
    hopeless: bool = False
    said: str = ""
    error: str = ""
    result: object = None
    files: dict = field(default_factory=dict)
    progress: list = field(default_factory=list)
    log: list = field(default_factory=list)


class Answer(Exception):
    """What is answered: a status, a body, headers."""

    def __init__(self, status, body=None, **headers):
        super().__init__(status, body, headers)
        self.status = status
        self.body = body
        self.headers = headers


class Lost(Exception):
    """The connection is closed without an answer."""


class StandIn:
    """The site."""

    def __init__(self, lease=120.0, access=True, attempts=3, token_lifetime=600):
        self.lease = lease
        self.access = access
        self.attempts = attempts
        self.token_lifetime = token_lifetime
        self.jobs = {}
        self.workers = {}  # by thumbprint: jwk, state, queues
        self.seen = []  # (method, path, what is in Authorization)
        self.trouble = defaultdict(list)  # by the end of a path: Answers, Lost before or after
        self.always = {}  # the same, until it is taken away
        self.pages = {}
        self.page_seconds = 0.0
        self.jtis = set()
        self.waits = []
        self.claims_asked = []
        self.waiting = 0
        self.lets_wait = True
        self.forgets_who_waits = False
        self.date = None
        self.uid = uuid.uuid4().hex
        self.issuer = f"urn:uuid:{self.uid}"
        self._key = Ed25519PrivateKey.generate()
        self._changed = threading.Condition()
        self.url = ""

    # What a test does

    def submit(self, task, *args, queue="ocr", **kwargs):
        job = Job(uuid.uuid4().hex, task, queue, list(args), kwargs)
        with self._changed:
            self.jobs[job.id] = job
            self._changed.notify_all()
        return job

    def approve(self, key, *queues):
        self.workers[key.id] = {"jwk": key.jwk, "state": "approved", "queues": list(queues)}

    def withdraw(self, key):
        self.workers[key.id]["state"] = "withdrawn"

    def cancel(self, job):
        job.cancelled = True

    def capability(self, job, **changes):
        return self._mint(CAPABILITY, 600, sub=job.id, jti=uuid.uuid4().hex, **changes)

    def steal(self, job):
        """Let another worker claim a job that runs."""
        with self._changed:
            job.generation += 1
            job.worker = "another"
            job.log.append("stolen")

    def verbs(self, job):
        """Return what was said of a job, each repetition once."""
        with self._changed:
            log = list(job.log)
        return [verb for n, verb in enumerate(log) if n == 0 or log[n - 1] != verb]

    # WSGI

    def __call__(self, environ, start_response):
        try:
            answer = self._answer(environ)
        except Answer as answered:
            answer = answered
        except Lost:
            environ["standin.socket"].shutdown(socket.SHUT_RDWR)
            return []
        is_bytes = isinstance(answer.body, bytes)
        body = answer.body if is_bytes else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json", **answer.headers}
        if self.date:
            headers["Date"] = self.date
        headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        body = b"" if answer.status == 204 else body
        headers["Content-Length"] = str(len(body))
        start_response(f"{answer.status} .", list(headers.items()))
        return [body]

    def _answer(self, environ):
        path = environ["PATH_INFO"].removeprefix("/plone")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        auth = environ.get("HTTP_AUTHORIZATION", "")
        self.seen.append((environ["REQUEST_METHOD"], path, auth))
        trouble = self._trouble_for(path)
        if trouble and trouble != "lose":
            raise trouble
        answer = self._act(path, body, auth.removeprefix("Bearer "), environ)
        if trouble == "lose":
            raise Lost
        return answer

    def _trouble_for(self, path):
        for end, troubles in self.trouble.items():
            if path.endswith(end) and troubles:
                return troubles.pop(0)
        return next((one for end, one in self.always.items() if path.endswith(end)), None)

    def _act(self, path, body, token, environ):
        kind = environ.get("CONTENT_TYPE", "")
        if path == "/@jwks":
            return Answer(200, {"keys": [], "issuer": self.issuer})
        if path == "/@token":
            return self._token(_read_texts(kind, body))
        if path == "/@workers":
            return self._introduce(json.loads(body))
        if path == "/@jobs/claim":
            return self._claim(json.loads(body or b"{}"), token, environ["standin.socket"])
        if path.startswith("/@jobs/"):
            return self._say(*path.split("/")[2:], token, kind, body)
        return self._page(path, token)

    # Workers

    def _introduce(self, body):
        id = thumbprint(body["jwk"])
        self._check_assertion(body["assertion"], body["jwk"])
        known = self.workers.setdefault(
            id, {"jwk": body["jwk"], "state": "pending", "queues": [], "name": body["name"]}
        )
        told = {"id": id, "state": known["state"], "queues": known["queues"]}
        return Answer(202 if known["state"] == "pending" else 200, told)

    def _token(self, form):
        assert form["grant_type"] == "client_credentials"
        assertion = form["client_assertion"]
        known = self.workers.get(jwt.get_unverified_header(assertion)["kid"])
        if known is None:
            raise Answer(401, {"error": "invalid_client", "error_description": "unknown"})
        id = self._check_assertion(assertion, known["jwk"])
        if known["state"] != "approved":
            words = f"The worker is {known['state']}"
            raise Answer(401, {"error": "invalid_client", "error_description": words})
        token = self._mint(ACCESS, self.token_lifetime, sub=id, scope="claim")
        told = {"access_token": token, "token_type": "Bearer"}
        return Answer(200, told | {"expires_in": self.token_lifetime})

    def _check_assertion(self, assertion, jwk):
        public = Ed25519PublicKey.from_public_bytes(
            urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4))
        )
        id = thumbprint(jwk)
        try:
            assert jwt.get_unverified_header(assertion)["typ"] == "JWT"
            claims = jwt.decode(assertion, public, ["EdDSA"], audience=self.url, issuer=id)
            assert claims["sub"] == id
            assert claims["exp"] - claims["iat"] <= 300
            assert claims["jti"] not in self.jtis
        except (jwt.InvalidTokenError, AssertionError) as error:
            told = {"error": "invalid_client", "error_description": str(error)}
            raise Answer(401, told) from None
        self.jtis.add(claims["jti"])
        return id

    # Claims

    def _claim(self, body, token, line):
        capability = self._verify(token, CAPABILITY)
        if capability:
            return self._claim_one(capability["sub"], body.get("key", ""))
        known = self._verify(token, ACCESS)
        worker = self.workers.get(known["sub"]) if known else None
        if not worker or worker["state"] != "approved":
            raise Answer(401, _error("Unauthorized", "no such worker"), WWW_Authenticate="Bearer")
        queues = body.get("queues") or worker["queues"]
        if others := sorted(set(queues) - set(worker["queues"])):
            raise Answer(403, _error("Forbidden", f"not approved for {', '.join(others)}"))
        self.waits.append(body.get("wait", 0))
        self.claims_asked.append({"worker": known["sub"], "wait": 0, "key": "", **body})
        job = self._wait(known["sub"], queues, body.get("wait", 0), body.get("key", ""), line)
        if job is None:
            return Answer(204) if self.lets_wait else Answer(204, Retry_After="1")
        return Answer(200, self._describe(job))

    def _claim_one(self, id, key):
        with self._changed:
            job = self.jobs.get(id)
            if job is None:
                raise Answer(410, _error("Gone", "gone"))
            self._rescue()
            if job.state == "running" and key and job.claim_key == key:
                return Answer(200, self._describe(job))
            if job.state != "waiting":
                raise Answer(409, _error("Conflict", "it does not wait"))
            self._give(job, "capability", key)
            return Answer(200, self._describe(job))

    def _wait(self, worker, queues, wait, key, line):
        until = time.monotonic() + (wait if self.lets_wait else 0)
        with self._changed:
            self.waiting += 1
            try:
                while True:
                    if _is_gone(line):
                        raise Lost
                    is_deaf = wait and self.forgets_who_waits
                    job = None if is_deaf else self._find(worker, queues, key)
                    left = until - time.monotonic()
                    if job or left <= 0:
                        return job
                    self._changed.wait(min(left, 0.2))
            finally:
                self.waiting -= 1

    def _find(self, worker, queues, key):
        self._rescue()
        for job in self.jobs.values():
            if job.state == "running" and (job.worker, job.claim_key) == (worker, key):
                return job
        for job in self.jobs.values():
            if job.state == "waiting" and job.queue in queues and job.due <= time.monotonic():
                self._give(job, worker, key)
                return job
        return None

    def _give(self, job, worker, key):
        job.state, job.worker, job.claim_key, job.said = "running", worker, key, ""
        job.generation += 1
        job.until = time.monotonic() + self.lease
        job.log.append("claimed")

    def _rescue(self):
        for job in self.jobs.values():
            if job.state == "running" and job.until < time.monotonic():
                job.state = "waiting"
                job.log.append("rescued")

    def _describe(self, job):
        url = f"{self.url}/doc"
        token = self._mint(CLAIM, 3600, sub=job.id, gen=job.generation)
        return {
            "job": job.id,
            "generation": job.generation,
            "task": job.task,
            "queue": job.queue,
            "attempt": job.attempt + 1,
            "key": job.key,
            "args": job.args,
            "kwargs": job.kwargs,
            "context": {"@id": url, "@type": "Document", "UID": "u" * 32},
            "deadline": "2099-01-01T00:00:00+00:00",
            "lease": self.lease,
            "claim": token,
            "access_token": self._access(job),
            "links": {},
        }

    def _access(self, job):
        if not self.access:
            return None
        return self._mint(ACCESS, 120, sub="editor", scope="job", job=job.id, jti=uuid.uuid4().hex)

    # What becomes of a claim

    def _say(self, id, verb, token, kind, body):
        claims = self._verify(token, CLAIM)
        if not claims or claims["sub"] != id:
            raise Answer(401, _error("Unauthorized", "no claim"), WWW_Authenticate="Bearer")
        with self._changed:
            job = self.jobs.get(id)
            if job is None:
                raise Answer(410, _error("Gone", "gone"))
            self._rescue()
            job.log.append(verb)
            if job.generation == claims["gen"] and job.said == verb:
                return Answer(200, {"state": job.state})
            if job.generation != claims["gen"] or job.state != "running":
                raise Answer(409, _error("Conflict", "another claim has it"))
            answer = getattr(self, f"_{verb}")(job, kind, body)
            self._changed.notify_all()
            return answer

    def _heartbeat(self, job, kind, body):
        job.until = time.monotonic() + self.lease
        told = {"lease": self.lease, "cancelled": job.cancelled}
        return Answer(200, told | {"access_token": self._access(job)})

    def _progress(self, job, kind, body):
        said = json.loads(body)
        job.progress.append((said["done"], said["words"]))
        return self._heartbeat(job, kind, body)

    def _complete(self, job, kind, body):
        if kind.startswith("multipart/"):
            job.result, job.files = _read_form(kind, body)
        else:
            job.result = json.loads(body)["result"]
        job.state, job.said = "done", "complete"
        return Answer(200, {"state": "done"})

    def _fail(self, job, kind, body):
        said = json.loads(body)
        job.error, job.hopeless = said["error"], said.get("hopeless", False)
        job.attempt += 1
        is_dead = job.hopeless or job.attempt >= self.attempts
        job.state, job.said = ("dead" if is_dead else "waiting"), "fail"
        job.due = time.monotonic() + (said.get("retry_after") or 0)
        return Answer(200, {"state": job.state})

    def _release(self, job, kind, body):
        job.state, job.said = "waiting", "release"
        return Answer(200, {"state": "waiting"})

    # Pages of the site

    def _page(self, path, token):
        claims = self._verify(token, ACCESS)
        if not claims or claims["scope"] != "job":
            raise Answer(401, _error("Unauthorized", "nobody"))
        time.sleep(self.page_seconds)
        page = self.pages.get(path)
        if page is None:
            raise Answer(404, _error("NotFound", path))
        return page if isinstance(page, Answer) else Answer(200, page)

    # Tokens

    def _mint(self, typ, lifetime, **claims):
        now = int(time.time())
        about = {"iss": self.issuer, "aud": self.issuer}
        about |= {"iat": now, "nbf": now, "exp": now + lifetime}
        return jwt.encode(about | claims, self._key, "EdDSA", {"typ": typ})

    def _verify(self, token, typ):
        try:
            if jwt.get_unverified_header(token)["typ"] != typ:
                return None
            return jwt.decode(
                token, self._key.public_key(), ["EdDSA"], audience=self.issuer, issuer=self.issuer
            )
        except jwt.InvalidTokenError:
            return None


def _is_gone(line):
    """Return whether who asked has hung up; the site frees what such a visitor waits for."""
    readable, _, _ = select.select([line], [], [], 0)
    return bool(readable) and line.recv(1, socket.MSG_PEEK) == b""


def _error(kind, message):
    return {"type": kind, "message": message}


def _read_texts(kind, body):
    if kind.startswith("application/json"):
        return json.loads(body)
    return dict(parse_qsl(body.decode()))


def _read_form(kind, body):
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
    parts = {
        part.get_param("name", header="content-disposition"): part for part in message.iter_parts()
    }
    result = json.loads(parts.pop("result").get_payload(decode=True))
    return result, {
        name: (part.get_filename(), part.get_payload(decode=True), part.get_content_type())
        for name, part in parts.items()
    }


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass  # connections that were lost on purpose


class _Handler(WSGIRequestHandler):
    def get_environ(self):
        return super().get_environ() | {"standin.socket": self.connection}

    def log_message(self, *args):
        pass


@contextmanager
def serving(standin, port=0):
    """Serve while the context lasts."""
    server = make_server("127.0.0.1", port, standin, _Server, _Handler)
    standin.url = f"http://127.0.0.1:{server.server_port}/plone"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
