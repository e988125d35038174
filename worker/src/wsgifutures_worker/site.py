"""What this worker says to the site, and what it makes of the answers.

One method per address of the protocol. Three outcomes: an answer, ``Away`` (nobody is there now:
try again) or ``Refused`` (the answer is no). It decides nothing about pauses.

Tokens go to the site's own address and nowhere else: redirects are not followed, links in answers
not used, ``.netrc`` not read.
"""

from .connections import InterruptibleAdapter
from .connections import new_session
from .errors import Away
from .errors import Idle
from .errors import Refused
from .keys import Key
from .pauses import Contact
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from email.utils import parsedate_to_datetime
from requests.adapters import HTTPAdapter
from typing import Any
from urllib.parse import urlsplit

import datetime
import json
import requests
import requests.auth
import threading
import time

GRANT = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: Seconds until a connection must stand, and until an answer must have come.
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0

#: What a server or a proxy says when it cannot answer now; so does each status from 500 on.
_NOT_NOW = {408, 425, 429}

#: What the name of a site in its tokens begins with.
URN = "urn:uuid:"

#: A file of a result: its name, its bytes, its content type.
File = tuple[str, bytes, str]


@dataclass(frozen=True)
class Claim:
    """A job as the site hands it over, with the tokens for it."""

    job: str
    task: str
    lease: float
    token: str = field(repr=False)
    generation: int = 0
    attempt: int = 1
    queue: str = ""
    key: str = ""
    deadline: str | None = None
    context: dict[str, Any] | None = None
    args: list[Any] = field(default_factory=list, repr=False)
    kwargs: dict[str, Any] = field(default_factory=dict, repr=False)
    access_token: str | None = field(default=None, repr=False)
    #: Whether nothing but the type of an error may be told.
    secret: bool = False

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> "Claim":
        """Return the claim in an answer of the site."""
        names = cls.__dataclass_fields__
        known = {name: value for name, value in answer.items() if name in names}
        return cls(**{**known, "token": answer["claim"]})


class Bearer(requests.auth.AuthBase):
    """Sends a token; in its repr there is none."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Site:
    """A Plone site, as one worker sees it.

    Args:
        url: Its public address.
        key: The worker's key; without it only capabilities can be used.
    """

    def __init__(self, url: str, key: Key | None = None, connections: int = 10) -> None:
        self.url = checked_url(url)
        self.key = key
        self.contact = Contact(self.url)
        self._claims = InterruptibleAdapter(connections)
        self._claiming = new_session(self._claims)
        self._http = new_session(HTTPAdapter(pool_connections=1, pool_maxsize=connections))
        self._uid = ""
        self._token = ""
        self._token_until = 0.0
        self._token_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Site {self.url}>"

    def introduce(self, name: str, queues: list[str]) -> dict[str, Any]:
        """Ask to be approved; return what the site says of this worker."""
        key = self._own_key()
        body = {"jwk": key.jwk, "name": name, "queues": queues}
        body["assertion"] = key.assertion(self.url)
        said: dict[str, Any] = self._json(self._post("@workers", json=body))
        return said

    def token(self) -> str:
        """Return this worker's token, a new one shortly before the old one ends."""
        with self._token_lock:
            if time.monotonic() >= self._token_until:
                self._token, self._token_until = self._new_token()
            return self._token

    def claim(self, queues: list[str] | None, wait: float, key: str) -> Claim | None:
        """Wait for a job for up to *wait* seconds; return its claim, or None if none came.

        Args:
            key: The same again after a lost answer: it gives the same claim.
        """
        body: dict[str, Any] = {"wait": wait, "key": key}
        if queues:
            body["queues"] = queues
        for again in (False, True):
            token = self.token()
            try:
                return self._claim(token, body, wait)
            except Refused as refused:
                if refused.status != 401 or again:
                    raise
                self._forget(token)
        raise AssertionError("unreachable")

    def claim_by(self, capability: str, key: str) -> Claim | None:
        """Return the claim for the one job that *capability* is for."""
        return self._claim(capability, {"key": key})

    def tell(self, claim: Claim, verb: str, body: Any, files: list[File] | None = None) -> Any:
        """Say how a job goes: ``heartbeat``, ``progress``, ``complete``, ``fail``, ``release``."""
        sent: dict[str, Any] = {"json": body}
        if files:
            sent = {"files": _parts(body, files)}
        return self._json(self._post(f"@jobs/{claim.job}/{verb}", claim.token, **sent))

    def interrupt_claims(self) -> None:
        """End the connections that wait for a job."""
        self._claims.interrupt()

    def uid(self) -> str:
        """Return the site's UID, which its queues at a broker have in their names."""
        if not self._uid:
            answer = self._json(self.look())
            issuer = answer.get("issuer") if isinstance(answer, dict) else None
            if not isinstance(issuer, str) or not issuer.startswith(URN):
                raise Refused(200, "@jwks has no issuer. Update the site.")
            self._uid = issuer.removeprefix(URN)
        return self._uid

    def look(self) -> requests.Response:
        """Ask for the site's public keys, as ``check`` does."""
        return self._send(lambda: self._http.get(f"{self.url}/@jwks", **_limits()))

    def _claim(self, token: str, body: dict[str, Any], wait: float = 0.0) -> Claim | None:
        session = self._claiming if wait else self._http
        answer = self._post("@jobs/claim", token, session, json=body, wait=wait)
        if answer.status_code != 204:
            return _read_claim(self._json(answer))
        if (pause := _retry_after(answer)) is not None:
            raise Idle("has no job", pause)
        return None

    def _new_token(self) -> tuple[str, float]:
        form = {"grant_type": GRANT, "client_assertion_type": ASSERTION_TYPE}
        form["client_assertion"] = self._own_key().assertion(self.url)
        asked = time.monotonic()
        answer = self._json(self._post("@token", data=form))
        lifetime = float(answer["expires_in"])
        return answer["access_token"], asked + lifetime - min(60.0, lifetime / 4)

    def _forget(self, token: str) -> None:
        with self._token_lock:
            if token == self._token:
                self._token_until = 0.0

    def _own_key(self) -> Key:
        if self.key is None:
            raise ValueError("This worker has no key: name its file with key=.")
        return self.key

    def _post(
        self,
        path: str,
        token: str | None = None,
        session: requests.Session | None = None,
        wait: float = 0.0,
        **sent: Any,
    ) -> requests.Response:
        post = (session or self._http).post
        auth = Bearer(token) if token else _Nobody()
        url = f"{self.url}/{path}"
        return self._send(lambda: post(url, auth=auth, **_limits(wait), **sent))

    def _send(self, send: Callable[[], requests.Response]) -> requests.Response:
        try:
            answer = _checked(send())
        except requests.RequestException as error:
            raise self._lost(Away(f"does not answer ({type(error).__name__})")) from None
        except Away as away:
            raise self._lost(away) from None
        self.contact.restore()
        _refuse(answer)
        return answer

    def _lost(self, away: Away) -> Away:
        if not self._claims.interrupted:
            self.contact.lose_away(away)
        return away

    def _json(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise self._lost(Away("answers with something that is not JSON")) from None


class _Nobody(requests.auth.AuthBase):
    """Sends no credentials, also none of ``.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def checked_url(url: str) -> str:
    """Return the site's address without its last slash.

    Raises:
        ValueError: It is no address of HTTP, or has a user, a query or a fragment.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url= has to be the site's address: https://www.example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("url= has to be the site's address alone: no user, query or fragment.")
    return url.rstrip("/")


def _limits(wait: float = 0.0) -> dict[str, Any]:
    return {"timeout": (CONNECT_SECONDS, ANSWER_SECONDS + wait), "allow_redirects": False}


def _checked(answer: requests.Response) -> requests.Response:
    if answer.status_code >= 500 or answer.status_code in _NOT_NOW:
        why = _reason(answer) if answer.status_code == 429 else ""
        text = f"answers with {answer.status_code}" + (f": {why}" if why else "")
        raise Away(text, _retry_after(answer))
    return answer


def _refuse(answer: requests.Response) -> None:
    if answer.is_redirect:
        wanted = urlsplit(answer.headers["Location"])
        host = f"{wanted.scheme}://{wanted.netloc}" if wanted.netloc else "another path"
        raise Refused(answer.status_code, f"redirects to {host}. Name the final address as url=.")
    if answer.status_code >= 300:
        raise Refused(answer.status_code, _reason(answer))


def _reason(answer: requests.Response) -> str:
    try:
        body = answer.json()
        names = ("message", "type", "error_description", "error")  # plone.restapi's, and OAuth's
        return str(next(filter(None, map(body.get, names)), answer.reason))[:500]
    except (ValueError, AttributeError):
        return answer.reason or ""


def _retry_after(answer: requests.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - datetime.datetime.now(until.tzinfo)).total_seconds())


def _read_claim(answer: Any) -> Claim:
    try:
        return Claim.read(answer)
    except (KeyError, TypeError, AttributeError):
        raise Refused(200, "is no claim that this worker understands. Update it.") from None


def _parts(body: Any, files: list[File]) -> list[tuple[str, Any]]:
    result = ("result", (None, json.dumps(body["result"]), "application/json"))
    return [result, *((file[0], file) for file in files)]
