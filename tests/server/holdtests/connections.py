"""Counts the ZODB connections that are open at a time.

The most that were open is written to the file that ``HOLDTESTS_PEAK`` names, so that it
can be read while the server is too busy to answer.
"""

from pathlib import Path
from ZODB.DB import DB

import os


class Peak:
    """How many connections are open, and the most that were."""

    def __init__(self):
        self.open = self.most = 0

    def watch(self):
        """Count from now on."""
        opened, returned = DB.open, DB._returnToPool

        def count_open(db, *args, **kwargs):
            connection = opened(db, *args, **kwargs)
            self.open += 1
            if self.open > self.most:
                self.most = self.open
                self._tell()
            return connection

        def count_return(db, connection):
            self.open -= 1
            return returned(db, connection)

        DB.open, DB._returnToPool = count_open, count_return

    def _tell(self):
        if "HOLDTESTS_PEAK" in os.environ:
            Path(os.environ["HOLDTESTS_PEAK"]).write_text(str(self.most))


peak = Peak()
peak.watch()
