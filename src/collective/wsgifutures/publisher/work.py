"""What is published for no client: a job.

Its errors are told to whoever runs it, so no error page is rendered and nothing is written to
the site's error log. It has the last word before the commit.
"""

from typing import Any

#: In the environ: the ``Work`` that is published. HTTP can only put strings into an environ.
WORK = "collective.wsgifutures.job"


class Work:
    """The contract of what is published for no client. The room ``jobs`` fulfils it."""

    def is_about_to_commit(self) -> None:
        """Look at the transaction before the other hooks do; the view has returned."""

    def finish(self, request: Any) -> None:
        """Write what has to be committed with the effects. An error here commits nothing."""

    def fail(self, error: BaseException) -> None:
        """Take the *error* that ends the work."""


def find_work(environ: dict[str, Any]) -> Work | None:
    """Return the work that this *environ* publishes, None if it is a client's request."""
    found = environ.get(WORK)
    return found if isinstance(found, Work) else None
