"""The states of tokens, in words."""

from ...interfaces import _
from ...tokens.acts import TokenState

STATES = {
    TokenState.GOOD: _("Good"),
    TokenState.ENDED: _("Ended"),
    TokenState.REVOKED: _("Revoked"),
    TokenState.LOGGED_OUT: _("Ended with all tokens of the user"),
    TokenState.USER_GONE: _("Its user does not exist any more"),
}
