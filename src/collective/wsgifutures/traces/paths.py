"""A request's path, as it is told in logs, spans and pages: without its query string."""

import re

#: So much of it is told.
LONGEST = 200

#: What would begin a line of its own in a log, or hide one.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def shown(path: str) -> str:
    """Return a path of WSGI as people read it: in one line, and not too long."""
    text = path.encode("latin-1", "replace").decode("utf-8", "replace")
    text = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
