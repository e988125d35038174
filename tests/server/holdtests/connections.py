"""Counts the ZODB connections that are open at a time."""

from ZODB.DB import DB


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
            self.most = max(self.most, self.open)
            return connection

        def count_return(db, connection):
            self.open -= 1
            return returned(db, connection)

        DB.open, DB._returnToPool = count_open, count_return


peak = Peak()
peak.watch()
