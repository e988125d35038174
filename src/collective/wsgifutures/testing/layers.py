"""A layer for zope.testrunner, which gives each test of a class ``self.layer["futures"]``.

It has no site and no ZCML: put it beside the layer that has::

    ACME_FUNCTIONAL = FunctionalTesting(bases=(ACME_FIXTURE, FUTURES), name="Acme:Functional")
"""

from .futures import Futures
from plone.testing import Layer


class FuturesLayer(Layer):  # type: ignore[misc]
    """Lets no future run; what each gives is said by the test."""

    defaultBases = ()

    def testSetUp(self) -> None:
        """Begin with nothing settled."""
        self["futures"] = Futures().__enter__()

    def testTearDown(self) -> None:
        """Let futures run again."""
        futures = self["futures"]
        del self["futures"]
        # What is raised here is no test's failure, but the end of the run.
        futures.unexpected.clear()
        futures.__exit__(None, None, None)


#: The one to use.
FUTURES = FuturesLayer()
