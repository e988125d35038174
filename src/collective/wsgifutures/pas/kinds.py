"""The kinds of tokens that let somebody in, and how each is read.

A kind says, for one token and what is about to be published, whose request it is; or nothing,
and then the token is nobody's. What all kinds have in common is in ``plugin``: the user is there,
and has not ended all tokens since. To add a kind, add a line to ``KINDS``.
"""

from ..keys.tokens import ACCESS
from ..tokens.grants import SCOPE as SERVICE
from ..tokens.sessions import SCOPE as SESSION
from ..workers.access import SCOPE
from .bearer import Bearer
from .claims import read_claims
from .published import Published
from .scoped import read_service
from .scoped import read_session
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

#: By ``typ`` and ``scope``. Gets the claims of a token that the site has signed.
KINDS: dict[tuple[str, str], Callable[[Mapping[str, Any], Published, float], Bearer | None]] = {
    (ACCESS, SCOPE): read_claims,
    (ACCESS, SESSION): read_session,
    (ACCESS, SERVICE): read_service,
}
