"""The grants of ``@token``: refresh tokens, service accounts, and workers elsewhere.

``grant_type=refresh_token`` renews a login (RFC 6749, 6), ``client_credentials`` gives a token to
whoever proves to have a key: a service account, or a worker, by the key.
"""

from ..keys.tokens import ACCESS
from ..keys.tokens import mint_with_id
from ..keys.tokens import read_key_id
from ..keys.tokens import TokenRefused
from ..workers import grants as of_workers
from ..workers.assertions import ASSERTION
from ..workers.grants import assertion_in
from ..workers.grants import GrantRefused
from ..workers.grants import Issued
from ..workers.grants import prove
from ..workers.grants import Question
from ..workers.grants import use_up
from . import sessions
from .acts import state_of
from .acts import TokenState
from .errors import WishRefused
from .refusals import Reason
from .refusals import refusals
from .scope import read_scope
from .scope import Scope
from .services import find_account
from .services import ServiceAccount
from .sessions import SessionRefused
from functools import partial

#: The ``scope`` of an access token of a service account. What it may stands in the account.
SCOPE = "service"

#: Seconds for which an access token is good.
LIFETIME = 600


def grant(question: Question) -> Issued:
    """Return the token that a client asks for.

    Raises:
        GrantRefused: As it says. The transaction is to be committed all the same.
    """
    try:
        return of_workers.grant(question, GRANTS)
    except GrantRefused as refused:
        refusals.count(_why(refused))
        raise


class RefreshRefused(GrantRefused):
    """A login is not renewed."""

    def __init__(self, refused: SessionRefused) -> None:
        words = "The refresh token is not valid. Log in again."
        super().__init__("invalid_grant", words, refused.reason, refused.family)
        self.why = refused.why


def _why(refused: GrantRefused) -> Reason:
    """Return why there is no token, for metrics."""
    if isinstance(refused, RefreshRefused):
        return refused.why
    return Reason.INVALID if refused.error == "invalid_client" else Reason.REQUEST


def refresh_token(question: Question) -> Issued:
    """Renew a login."""
    form = question.form
    if "refresh_token" not in form:
        raise GrantRefused("invalid_request", "refresh_token is missing.")
    place, now = question.place, question.now
    try:
        family, secret = sessions.renew(place, form["refresh_token"], question.address, now)
    except SessionRefused as refused:
        raise RefreshRefused(refused) from None
    jti, answer = sessions.describe(place, family, secret, now)
    return Issued(family.user, jti, answer)


def client_credentials(question: Question) -> Issued:
    """Give a service account its token, or a worker."""
    assertion = assertion_in(question.form)
    try:
        id = read_key_id(assertion, ASSERTION)
    except TokenRefused:
        id = ""
    is_account = find_account(question.place, id) is not None
    grant = _of_account if is_account else of_workers.client_credentials
    return grant(question)


#: The grants, by ``grant_type``.
GRANTS: of_workers.Grants = {
    **of_workers.GRANTS,
    "client_credentials": client_credentials,
    "refresh_token": refresh_token,
}


def _of_account(question: Question) -> Issued:
    account = _authenticate(question)
    _check_scope(question.form.get("scope"), account.scope, account.id)
    claims = {"sub": account.user, "client_id": account.id, "scope": SCOPE}
    jti, token = mint_with_id(question.place, ACCESS, claims, LIFETIME, now=question.now)
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
    return Issued(account.id, jti, {**answer, "scope": account.scope.text})


def _authenticate(question: Question) -> ServiceAccount:
    """Return the service account that has proved itself. Only it reads why it gets nothing."""
    assertion, find = assertion_in(question.form), partial(find_account, question.place)
    account, claims = prove(question, assertion, find)
    state = state_of(question.place, account, question.now)
    if state is not TokenState.GOOD:
        words = f"The service account is not good: {state.value}. Ask an administrator."
        raise GrantRefused("invalid_client", words, subject=account.id)
    use_up(question, account, claims)
    if account.use.is_due(question.address, question.now):
        account.use.note(question.address, question.now)
    return account


def _check_scope(wanted: str | None, scope: Scope, id: str) -> None:
    """Check that a client asks for what it has."""
    try:
        is_same = wanted is None or read_scope(wanted) == scope
    except WishRefused:
        is_same = False
    if not is_same:
        raise GrantRefused("invalid_scope", f"The scope is: {scope.text}", subject=id)
