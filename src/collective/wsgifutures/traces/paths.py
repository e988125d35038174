"""A request's path for logs, spans and pages: without its query string."""

import re

#: The largest number of characters of a path that is written.
LONGEST = 200

#: Characters that would begin a new line in a log, or hide part of a line.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def render_path(path: str) -> str:
    """Return a path of WSGI as readable text, in one line and not too long."""
    text = path.encode("latin-1", "replace").decode("utf-8", "replace")
    text = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
