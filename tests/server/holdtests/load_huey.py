"""The same work by huey, which is told of it after the commit. Only a benchmark imports this."""

from collections.abc import Iterator
from contextlib import contextmanager
from holdtests.load_jobs import ROOT
from holdtests.load_jobs import work_on
from huey import SqliteHuey
from typing import Any

import os
import transaction
import Zope2

huey = SqliteHuey("jobs", filename=os.environ["HOLDTESTS_HUEY"])


@contextmanager
def changing() -> Iterator[Any]:
    """Give the root of the database, in a transaction that is committed at the end."""
    application = Zope2.app()
    try:
        with transaction.manager:
            yield application._p_jar.root()
    finally:
        application._p_jar.close()


@huey.task(retries=100)
def note(number, seconds):
    """Do what the job ``note`` does, as a consumer does it."""
    with changing() as root:
        work_on(root[ROOT], number, seconds)
