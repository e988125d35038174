"""A layer for zope.testrunner, which gives each test of a class ``self.layer["futures"]``.

It has no site and no ZCML. Put it beside the layer that has them::

    ACME_FUNCTIONAL = FunctionalTesting(bases=(ACME_FIXTURE, FUTURES), name="Acme:Functional")
"""

from .futures import Futures
from plone.testing import Layer


class FuturesLayer(Layer):  # type: ignore[misc]
    """Lets no future run; the test says what each of them gives."""

    defaultBases = ()

    def testSetUp(self) -> None:
        """Begin without any settled call."""
        self["futures"] = Futures().__enter__()

    def testTearDown(self) -> None:
        """Let futures run again."""
        futures = self["futures"]
        del self["futures"]
        # An error here would not fail a test, but end the run.
        futures.unexpected.clear()
        futures.__exit__(None, None, None)


#: The layer to use.
FUTURES = FuturesLayer()
