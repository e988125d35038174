"""Layers for zope.testrunner, which give each test of a class ``self.layer["futures"]``, and
``self.layer["submitted_jobs"]``.

They have no site and no ZCML. Put them beside the layer that has them::

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
        _leave(self, "futures")


#: The layer to use.
FUTURES = FuturesLayer()


class SubmittedJobsLayer(Layer):  # type: ignore[misc]
    """Lets no job be submitted that the test does not allow."""

    defaultBases = ()

    def testSetUp(self) -> None:
        """Begin without any job."""
        from .jobs import SubmittedJobs

        self["submitted_jobs"] = SubmittedJobs().__enter__()

    def testTearDown(self) -> None:
        """Let all jobs be submitted again."""
        _leave(self, "submitted_jobs")


#: The layer to use.
SUBMITTED_JOBS = SubmittedJobsLayer()


def _leave(layer: Layer, name: str) -> None:
    made = layer[name]
    del layer[name]
    # An error here would not fail a test, but end the run.
    made.unexpected.clear()
    made.__exit__(None, None, None)
