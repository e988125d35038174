"""What other rooms give to a publication."""

from zope.interface import Interface


class IDeferral(Interface):  # type: ignore[misc]
    """Puts off the deferred fragments of a page. An adapter of its request, looked up when a
    part is made; none for a request whose parts are waited for."""

    def defer(fragment: object) -> str | None:
        """Return what is sent in place of *fragment*; None where it has to be waited for."""
