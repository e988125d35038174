"""What other rooms give to a publication."""

from zope.interface import Interface


class IDeferral(Interface):  # type: ignore[misc]
    """Puts off the deferred fragments of a page.

    An adapter of the page's request, looked up when a part is made. If a request has no
    adapter, its parts are waited for.
    """

    def defer(fragment: object) -> str | None:
        """Return what is sent in place of *fragment*; None if the pass has to wait for it."""
