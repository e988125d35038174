"""Who gets a token of ours at ``@token``, and who comes with one.

A grant is a function that takes a ``Question`` and returns what is ``Issued``, or raises
``GrantRefused``. ``GRANTS`` has those of workers by ``grant_type``; whoever has more of them gives
``grant`` all: see ``tokens/grants.py``.
"""

from ..keys.once import TooManyIds
from ..keys.once import use_once
from ..keys.places import Place
from ..keys.tokens import ACCESS
from ..keys.tokens import find_token
from ..keys.tokens import mint_with_id
from ..keys.tokens import read_key_id
from ..keys.tokens import TokenRefused
from ..keys.tokens import verify
from .assertions import ASSERTION
from .assertions import audiences
from .assertions import check_assertion
from .assertions import LEEWAY
from .registry import find_worker
from .registry import Worker
from .registry import WorkerState
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from plone import api
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

AnyClient = TypeVar("AnyClient", bound="Client")

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: The scope of a worker's token: it claims jobs, and does nothing else.
SCOPE = "claim"

#: Seconds for which a worker's token is good.
LIFETIME = 600


class GrantRefused(Exception):
    """No token is given (RFC 6749, 5.2).

    Args:
        error: The code: ``invalid_request``, ``invalid_client``, …
        description: A sentence for the client.
        reason: For the log. Default: the description.
        subject: Who that may have been, for the log.
    """

    def __init__(self, error: str, description: str, reason: str = "", subject: str = "") -> None:
        super().__init__(error, description, reason, subject)
        self.error = error
        self.description = description
        self.reason = reason or description
        self.subject = subject

    def __str__(self) -> str:
        return self.description

    @property
    def status(self) -> int:
        """The status of the answer."""
        return {"invalid_client": 401, "temporarily_unavailable": 503}.get(self.error, 400)


class Issued(NamedTuple):
    """What a client gets."""

    subject: str  #: whose token it is
    jti: str  #: the id of the token
    answer: dict[str, Any]  #: the members of the answer (RFC 6749, 5.1)


@dataclass(frozen=True)
class Question:
    """What a client asks ``@token``."""

    place: Place
    url: str  #: the public address of the site
    form: Mapping[str, str]
    now: float
    address: str = ""  #: of the client, as Zope knows it


def grant(question: Question, grants: "Grants") -> Issued:
    """Return the token that a client asks for.

    Args:
        question: What the client asks.
        grants: The grants, by ``grant_type``.

    Raises:
        GrantRefused: As it says.
    """
    wanted = question.form.get("grant_type")
    if wanted is None:
        raise GrantRefused("invalid_request", "grant_type is missing.")
    if wanted not in grants:
        known = ", ".join(sorted(grants))
        raise GrantRefused("unsupported_grant_type", f"The grant types here are: {known}.")
    return grants[wanted](question)


def client_credentials(question: Question) -> Issued:
    """Give a worker its token (RFC 6749, 4.4; RFC 7523, 2.2)."""
    assertion = assertion_in(question.form)
    if question.form.get("scope", SCOPE) != SCOPE:
        raise GrantRefused("invalid_scope", f"The only scope is {SCOPE}.")
    worker = authenticate(question, assertion)
    claims = {"sub": worker.id, "client_id": worker.id, "scope": SCOPE}
    jti, token = mint_with_id(question.place, ACCESS, claims, LIFETIME)
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
    return Issued(worker.id, jti, answer)


Grants = Mapping[str, Callable[[Question], Issued]]

#: The grants of workers, by ``grant_type``.
GRANTS: Grants = {"client_credentials": client_credentials}


class Client(Protocol):
    """Who proves itself with a key."""

    @property
    def id(self) -> str:
        """Return the thumbprint of its public key."""

    @property
    def public(self) -> bytes:
        """Return its public key."""


def assertion_in(form: Mapping[str, str]) -> str:
    """Return what a client proves itself with.

    Raises:
        GrantRefused: It is missing.
    """
    if form.get("client_assertion_type") != JWT_BEARER:
        raise GrantRefused("invalid_request", f"client_assertion_type is not {JWT_BEARER}.")
    if "client_assertion" not in form:
        raise GrantRefused("invalid_request", "client_assertion is missing.")
    return form["client_assertion"]


def authenticate(question: Question, assertion: str) -> Worker:
    """Return the approved worker that has signed *assertion*, which is used up then.

    Raises:
        GrantRefused: ``invalid_client``. Only whoever has proved to be a worker reads more.
    """
    worker, claims = prove(question, assertion, partial(find_worker, question.place))
    if worker.state is not WorkerState.APPROVED:
        words = f"The worker is {worker.state.value}: an administrator has to approve it."
        raise GrantRefused("invalid_client", words, subject=worker.id)
    use_up(question, worker, claims)
    worker.is_seen(question.now, claims["iat"] - question.now)
    return worker


def prove(
    question: Question, assertion: str, find: Callable[[str], AnyClient | None]
) -> tuple[AnyClient, dict[str, Any]]:
    """Return who has signed *assertion*, and what it says. It is not used up yet: see ``use_up``.

    Args:
        question: What the client asks.
        assertion: What it proves itself with.
        find: Returns the client whose key has that id; None: there is none.

    Raises:
        GrantRefused: ``invalid_client``.
    """
    id = ""
    try:
        id = read_key_id(assertion, ASSERTION)
        client = find(id)
        if client is None:
            raise TokenRefused("nobody has a key of this id")
        return client, check_assertion(assertion, client.public, audiences(question.url))
    except TokenRefused as refused:
        raise _unknown(refused.reason, id) from None


def _unknown(reason: str, id: str) -> GrantRefused:
    words = "The site knows no such worker, or did not accept its assertion."
    return GrantRefused("invalid_client", words, reason, shorten(id))


def shorten(text: str) -> str:
    """Return what somebody has sent, for the log: one short line, in ASCII."""
    return ascii(text)[1:-1][:64]


def use_up(question: Question, client: Client, claims: Mapping[str, Any]) -> None:
    """Let nobody prove anything with an assertion again.

    Raises:
        GrantRefused: Somebody has, or too many were used.
    """
    id, end = f"{client.id} {claims['jti']}", claims["exp"] + LEEWAY
    try:
        is_new = use_once(question.place, id, end, question.now)
    except TooManyIds:
        words = "Too many tokens were asked for. Try again in ten minutes."
        raise GrantRefused("temporarily_unavailable", words, subject=client.id) from None
    if not is_new:
        words = "The assertion was used before. Make a new one, with a jti of its own."
        raise GrantRefused("invalid_client", words, subject=client.id)


def worker_of(request: Any) -> tuple[Worker, float]:
    """Return the approved worker whose token *request* has, as it is now; and when that ends.

    Only the header ``Authorization: Bearer`` counts: whoever else the request is from, by a
    session or a password, is no worker.

    Raises:
        TokenRefused: There is none. The answer is 401, see ``restapi/bearer.py``.
    """
    site = api.portal.get()
    claims = verify(site, bearer_of(request), ACCESS)
    if claims.get("scope") != SCOPE or claims.get("client_id") != claims["sub"]:
        raise TokenRefused("it is not a worker's token")
    worker = find_worker(site, claims["sub"])
    if worker is None or worker.state is not WorkerState.APPROVED:
        raise TokenRefused("the worker is not approved any more")
    return worker, float(claims["exp"])


def bearer_of(request: Any) -> str:
    """Return the token in the header ``Authorization: Bearer`` of *request*.

    Raises:
        TokenRefused: There is no such header.
    """
    token = find_token(request)
    if token is None:
        raise TokenRefused("there is no Bearer token")
    return token
