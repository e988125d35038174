"""``keep_pass``: a pass that does what cannot be undone is not thrown away."""

from .passes import current_pass
from .passes import Pass


def keep_pass() -> None:
    """Make this pass the last one, before something is done that cannot be undone.

    If the pass waits for a result already, or has one pending, it ends here, and the request
    is published again. Otherwise the pass goes on, and its response is sent: the call of a
    future that is new from here on is made at once, and waited for inside the pass, one after
    the other. The pass keeps its slot and its ZODB connection meanwhile.

    So what follows is done once for each request, unless a conflict in the ZODB publishes the
    request again. Without a hold nothing happens.

    Raises:
        Suspended: The pass waits already.
    """
    this = current_pass()
    if this is not None:
        keep(this)


def keep(this: Pass) -> None:
    """Do that for *this* pass, unless it is committed.

    Raises:
        Suspended: As ``keep_pass``.
        TooManyPasses: The pass waits already, and may not be published again.
    """
    if not this.committed:
        this.suspend_if_it_waits(successful=True)
        for call in this.hold.pending:  # of an answered pass: nobody waits for it any more
            this.cancel(call)
        this.hold.kept = True
