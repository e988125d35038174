"""``@service-accounts``: administrators register the keys of programs, and end them.

::

    GET    @service-accounts
    GET    @service-accounts/<id>
    POST   @service-accounts        {"key": {"kty": "OKP", …}, "name": "Search", "user": "bot",
                                     "scope": "read: read:@search", "ends": "2027-03-01"}
    DELETE @service-accounts/<id>   revokes it: it gets no tokens, and those it has are nobody's

``key`` is a public key of Ed25519, as a JWK or as the text of a PEM file. A token of ours is nobody
here. A POST has to say that it sends JSON: no page of another site lets a browser do that.
"""

from ..jobs.errors import UserGone
from ..jobs.origin import Origin
from ..tokens import services
from ..tokens.errors import WishRefused
from ..tokens.owners import name_owner
from ..tokens.scope import read_scope
from ..tokens.services import ServiceAccount
from .bodies import BodyRefused
from .tokens import read_end
from .tokens import read_text
from .tokens import TokensService
from typing import Any


class AccountsService(TokensService):
    """What the services have in common."""

    own_name = "@service-accounts"

    def find_account(self) -> ServiceAccount:
        """Return the account that the address names.

        Raises:
            NotFound: There is none.
        """
        found = services.find_account(self.site, self.names[0]) if len(self.names) == 1 else None
        if found is None:
            raise self.not_found()
        return found

    def describe_account(self, account: ServiceAccount) -> dict[str, Any]:
        """Return *account* as JSON has it."""
        return {**self.describe(account), "jwk": account.jwk}


class Get(AccountsService):
    """Returns one account, or all."""

    def reply(self) -> dict[str, Any]:
        """Return what the address names."""
        if self.names:
            return self.describe_account(self.find_account())
        items = [self.describe_account(each) for each in services.accounts_of(self.site)]
        url = f"{self.site.absolute_url()}/{self.own_name}"
        return {"@id": url, "items": items, "items_total": len(items)}


class Post(AccountsService):
    """Registers a key."""

    def reply(self) -> dict[str, Any]:
        """Return the account; 400 with the reason if there is none.

        Raises:
            NotFound: The address is not that of all accounts.
        """
        if self.names:
            raise self.not_found()
        try:
            account = self._register(self.read_body())
        except WishRefused as refused:
            return self.refuse(400, self.translate(refused.message))
        except BodyRefused as refused:
            return self.refuse(400, str(refused))
        self.request.response.setStatus(201)
        return self.describe_account(account)

    def _register(self, body: dict[str, Any]) -> ServiceAccount:
        public, owner = services.read_key(body.get("key")), self._owner(read_text(body, "user"))
        scope, ends = read_scope(read_text(body, "scope")), read_end(read_text(body, "ends"))
        name, by = body.get("name", ""), str(self.me.user)
        return services.register(self.site, public, name, owner, scope, ends, by)

    def _owner(self, user: str) -> Origin:
        try:
            return name_owner(self.me, user)
        except UserGone:
            raise BodyRefused(f"There is no user {user[:100]!r}.") from None


class Delete(AccountsService):
    """Revokes an account."""

    def reply(self) -> dict[str, Any]:
        """Return the account as it is then.

        Raises:
            NotFound: There is none.
        """
        account = self.find_account()
        self.let_write()
        services.revoke(self.site, account, str(self.me.user))
        return self.describe_account(account)
