"""A user with some roles whom no user folder knows, for jobs that are nobody's.

No login, cookie, header or token leads to it: it has no id and no password, and it is made where a
job of its is submitted or published. Zope's own "System Processes" is the same with all rights.
"""

from AccessControl.users import SpecialUser
from typing import Any


class RoleUser(SpecialUser):  # type: ignore[misc]
    """That user.

    Args:
        roles: Its roles, everywhere in the site. As everybody who is logged in, it is
            ``Authenticated``, too.
    """

    def __init__(self, roles: tuple[str, ...]) -> None:
        super().__init__(f"System Processes ({', '.join(roles)})", "", roles, [])

    def authenticate(self, password: Any, request: Any) -> bool:
        """Let nobody in."""
        return False
